-- Serves servers from 0008.
-- Hosting a pod anew does not wait for its work.

-- Postgres takes the columns of a unique index without a condition for those that others may refer
-- to, and to change one for as much as to delete the row: it would wait for every change of the
-- pod's work, of which a busy pod has always one under way.
ALTER TABLE vigil.pods DROP CONSTRAINT pods_session_is_unique;
CREATE UNIQUE INDEX pods_session_is_unique ON vigil.pods (session) WHERE session > 0;
