-- What an event says of its pod beside its name: the labels, for those who listen to some pods alone, and when the evidence was
-- first recorded that made it a suspect, or dead.
ALTER TABLE vigil.events
  ADD COLUMN pod_labels jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN detected_at timestamptz,
  ADD CONSTRAINT events_labels_are_an_object CHECK (jsonb_typeof(pod_labels) = 'object') NOT VALID,
  ADD CONSTRAINT events_detection_is_of_a_suspicion_or_death
    CHECK (detected_at IS NULL OR kind IN ('POD_SUSPECTED', 'POD_DIED')) NOT VALID;

-- When the suspicion began that stands, or stood when the pod died. It means nothing of a pod that was never SUSPECT since: the
-- version before leaves it where it refutes.
ALTER TABLE vigil.pods
  ADD COLUMN suspected_at timestamptz;
