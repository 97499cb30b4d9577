-- Units of work in flight. An orphan is derived, not written: an OWNED item whose owner is DEAD or LEFT.
CREATE TABLE vigil.work_items (
  namespace  text        NOT NULL,
  key        text        COLLATE "C" NOT NULL,
  state      text        NOT NULL DEFAULT 'OWNED',
  owner      bigint,
  -- Grows with every change of owner.
  fence      bigint      NOT NULL DEFAULT 1,
  payload    bytea       NOT NULL DEFAULT '',
  checkpoint bytea       NOT NULL DEFAULT '',
  result     bytea       NOT NULL DEFAULT '',
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT work_items_pkey PRIMARY KEY (namespace, key),
  -- An incarnation that owns or completed an item is not pruned before it.
  CONSTRAINT work_items_owner_is_an_incarnation FOREIGN KEY (owner) REFERENCES vigil.pods (incarnation),
  CONSTRAINT work_items_state_is_known CHECK (state IN ('OWNED', 'RELEASED', 'COMPLETED')),
  CONSTRAINT work_items_released_has_no_owner CHECK ((state = 'RELEASED') = (owner IS NULL)),
  CONSTRAINT work_items_fence_is_positive CHECK (fence > 0)
) WITH (fillfactor = 80);

CREATE INDEX work_items_owned ON vigil.work_items (owner, key) WHERE state = 'OWNED';
CREATE INDEX work_items_by_owner ON vigil.work_items (owner);
CREATE INDEX work_items_released ON vigil.work_items (namespace, key) WHERE state = 'RELEASED';
CREATE INDEX work_items_open ON vigil.work_items (namespace, key) WHERE state <> 'COMPLETED';
