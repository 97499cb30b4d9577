-- Serves servers from 0008.
-- Who may be given work by others.

ALTER TABLE vigil.pods
  -- Whether its identity might claim work when it registered or last resumed.
  ADD COLUMN may_claim boolean NOT NULL DEFAULT true;
