-- The log of each namespace: contiguous from 1, in the order in which it became visible.
CREATE TABLE vigil.events (
  namespace       text        NOT NULL,
  seq             bigint      NOT NULL,
  -- The seq of the last event of the same transaction: only there may a cursor stand.
  transaction_end bigint      NOT NULL,
  kind            text        NOT NULL,
  pod_name        text        NOT NULL,
  incarnation     bigint      NOT NULL,
  cause           text        NOT NULL DEFAULT 'NONE',
  orphans         bigint      NOT NULL DEFAULT 0,
  work_key        text        NOT NULL DEFAULT '',
  fence           bigint      NOT NULL DEFAULT 0,
  previous_owner  bigint      NOT NULL DEFAULT 0,
  occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT events_pkey PRIMARY KEY (namespace, seq),
  CONSTRAINT events_seq_is_positive CHECK (seq > 0),
  CONSTRAINT events_transaction_ends_after CHECK (transaction_end >= seq),
  CONSTRAINT events_kind_is_known CHECK (kind IN ('POD_REGISTERED', 'POD_SUSPECTED', 'POD_REFUTED',
    'POD_MOVED', 'POD_DIED', 'POD_LEFT', 'WORK_CLAIMED', 'WORK_RELEASED', 'WORK_COMPLETED')),
  CONSTRAINT events_work_has_key_and_fence CHECK (
    (kind LIKE 'WORK%') = (work_key <> '') AND (kind LIKE 'WORK%') = (fence > 0))
);
