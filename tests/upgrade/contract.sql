-- Serves servers from @SERVES@.
-- Made up: what the version after the next might take away, since no server before the next one is left.

ALTER TABLE vigil.pods DROP COLUMN zone;
