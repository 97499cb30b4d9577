-- Serves servers from 0008.
-- One coordinator probes for all: whose turn it is.

-- The last probe of all locks, whoever made it: one row.
CREATE TABLE vigil.last_probe (
  probed_at     timestamptz NOT NULL,
  -- What it counted: living pods, and locks in use in the whole database cluster.
  living        bigint      NOT NULL DEFAULT 0,
  locks         bigint      NOT NULL DEFAULT 0,
  only_row      boolean     NOT NULL DEFAULT true,
  CONSTRAINT last_probe_has_one_row PRIMARY KEY (only_row),
  CONSTRAINT last_probe_only_row_is_true CHECK (only_row),
  CONSTRAINT last_probe_counts CHECK (living >= 0 AND locks >= 0)
) WITH (fillfactor = 10);

INSERT INTO vigil.last_probe (probed_at) VALUES ('epoch');

-- Every coordinator reads these at every interval.
CREATE INDEX pods_suspect ON vigil.pods (incarnation) WHERE state = 'SUSPECT';
