-- Who lives: coordinators, pods and their sessions.

-- Which history of the database its numbers and cursors belong to: one row.
CREATE TABLE vigil.history (
  number   bigint  NOT NULL,
  only_row boolean NOT NULL DEFAULT true,
  CONSTRAINT history_has_one_row PRIMARY KEY (only_row),
  CONSTRAINT history_only_row_is_true CHECK (only_row),
  CONSTRAINT history_number_is_positive CHECK (number > 0)
);

-- 60 random bits, from the server's strong source.
INSERT INTO vigil.history (number)
SELECT 1 + ('x' || right(replace(gen_random_uuid()::text, '-', ''), 15))::bit(60)::bigint;

-- Numbers are never issued twice. The first two are parts of lock keys, which leave them 48 bits.
CREATE SEQUENCE vigil.session_numbers MAXVALUE 281474976710655 NO CYCLE;
CREATE SEQUENCE vigil.coordinator_numbers MAXVALUE 281474976710655 NO CYCLE;
CREATE SEQUENCE vigil.incarnation_numbers NO CYCLE;
CREATE SEQUENCE vigil.suspicion_numbers NO CYCLE;

-- The head row of each namespace's log: the last lock that a transaction takes.
CREATE TABLE vigil.namespaces (
  name   text   NOT NULL,
  head   bigint NOT NULL DEFAULT 0,
  oldest bigint NOT NULL DEFAULT 1,
  CONSTRAINT namespaces_pkey PRIMARY KEY (name),
  CONSTRAINT namespaces_head_is_no_less_than_zero CHECK (head >= 0),
  CONSTRAINT namespaces_oldest_is_in_the_log CHECK (oldest BETWEEN 1 AND head + 1)
) WITH (fillfactor = 20);

CREATE TABLE vigil.coordinators (
  coordinator  bigint      NOT NULL,
  address      text        NOT NULL,
  -- It grants leases under this one. The row is kept after its end: the grace of its pods needs it.
  trust_window interval    NOT NULL,
  state        text        NOT NULL DEFAULT 'ALIVE',
  started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  renewed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at     timestamptz,
  CONSTRAINT coordinators_pkey PRIMARY KEY (coordinator),
  CONSTRAINT coordinators_trust_window_is_positive CHECK (trust_window > interval '0'),
  CONSTRAINT coordinators_state_is_known CHECK (state IN ('ALIVE', 'DEAD', 'LEFT')),
  CONSTRAINT coordinators_end_has_a_time CHECK ((state = 'ALIVE') = (ended_at IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX coordinators_alive ON vigil.coordinators (coordinator) WHERE state = 'ALIVE';

-- One row for each incarnation.
CREATE TABLE vigil.pods (
  incarnation        bigint      NOT NULL,
  namespace          text        NOT NULL,
  name               text        NOT NULL,
  registration_id    text        NOT NULL,
  session_token      text        NOT NULL,
  -- Who registers the name with the same key supersedes this incarnation; empty for nobody.
  supersede_key      text        NOT NULL DEFAULT '',
  coordinator        bigint      NOT NULL,
  session            bigint      NOT NULL,
  state              text        NOT NULL DEFAULT 'ALIVE',
  cause              text        NOT NULL DEFAULT 'NONE',
  -- The suspicion that stands, and the database in which its lock was found free.
  suspicion          bigint,
  suspicion_identity text,
  profile            text        NOT NULL,
  lease              interval    NOT NULL,
  labels             jsonb       NOT NULL DEFAULT '{}',
  registered_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at           timestamptz,
  CONSTRAINT pods_pkey PRIMARY KEY (incarnation),
  CONSTRAINT pods_registration_is_unique UNIQUE (namespace, registration_id),
  CONSTRAINT pods_session_is_unique UNIQUE (session),
  CONSTRAINT pods_state_is_known CHECK (state IN ('ALIVE', 'SUSPECT', 'DEAD', 'LEFT')),
  CONSTRAINT pods_cause_is_known CHECK (cause IN ('NONE', 'LEFT', 'STREAM_ENDED',
    'HEARTBEATS_STOPPED', 'LOCK_FREE', 'PROCESS_EXITED', 'SUPERSEDED')),
  CONSTRAINT pods_profile_is_known CHECK (profile IN ('STRICT', 'FAST')),
  CONSTRAINT pods_alive_has_no_cause CHECK ((state = 'ALIVE') = (cause = 'NONE')),
  CONSTRAINT pods_left_is_its_own_cause CHECK ((state = 'LEFT') = (cause = 'LEFT')),
  CONSTRAINT pods_suspect_has_a_suspicion CHECK ((state = 'SUSPECT') = (suspicion IS NOT NULL)),
  CONSTRAINT pods_weak_evidence_is_stamped CHECK (
    (state = 'SUSPECT' AND cause = 'LOCK_FREE') = (suspicion_identity IS NOT NULL)),
  CONSTRAINT pods_end_has_a_time CHECK ((state IN ('DEAD', 'LEFT')) = (ended_at IS NOT NULL)),
  CONSTRAINT pods_lease_is_positive CHECK (lease > interval '0'),
  CONSTRAINT pods_labels_are_an_object CHECK (jsonb_typeof(labels) = 'object')
) WITH (fillfactor = 80);

-- One living incarnation for each name.
CREATE UNIQUE INDEX pods_one_living_per_name ON vigil.pods (namespace, name)
  WHERE state IN ('ALIVE', 'SUSPECT');
CREATE INDEX pods_living ON vigil.pods (namespace, incarnation)
  WHERE state IN ('ALIVE', 'SUSPECT');
CREATE INDEX pods_by_name ON vigil.pods (namespace, name, incarnation);
CREATE INDEX pods_by_incarnation ON vigil.pods (namespace, incarnation);

-- Sessions that ended without the coordinator that hosted them, until it was told.
CREATE TABLE vigil.taken_sessions (
  coordinator bigint NOT NULL,
  session     bigint NOT NULL,
  CONSTRAINT taken_sessions_pkey PRIMARY KEY (coordinator, session)
);
