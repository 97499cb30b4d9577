-- What is old leaves: events, ended incarnations, completed items.

ALTER TABLE vigil.events
  VALIDATE CONSTRAINT events_labels_are_an_object,
  VALIDATE CONSTRAINT events_detection_is_of_a_suspicion_or_death;

-- New items get fences above it: one of a pruned item must not come again for another item of the same key.
ALTER TABLE vigil.namespaces
  ADD COLUMN fence_floor bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT namespaces_fence_floor_is_no_less_than_zero CHECK (fence_floor >= 0) NOT VALID;

CREATE INDEX pods_ended ON vigil.pods (namespace, ended_at) WHERE state IN ('DEAD', 'LEFT');
CREATE INDEX work_items_completed ON vigil.work_items (namespace, updated_at) WHERE state = 'COMPLETED';
