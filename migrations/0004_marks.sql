-- By its mark an event is told from another one that takes its seq after commits were lost: a cursor carries both. 48 random
-- bits, from a generator that every session seeds from the server's strong source.
ALTER TABLE vigil.events
  ADD COLUMN mark bigint NOT NULL DEFAULT 1 + floor(random() * 281474976710656)::bigint,
  ADD CONSTRAINT events_mark_is_positive CHECK (mark > 0);

-- A cursor that names its event needs no number of a history.
DROP TABLE vigil.history;
