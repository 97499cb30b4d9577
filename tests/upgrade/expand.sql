-- Serves servers from @SERVES@.
-- Made up: what the next version might add, to every table that a server writes to while pods live.

LOCK TABLE vigil.pods, vigil.work_items, vigil.events IN ACCESS EXCLUSIVE MODE;

ALTER TABLE vigil.pods ADD COLUMN zone text NOT NULL DEFAULT '';
ALTER TABLE vigil.work_items ADD COLUMN priority integer NOT NULL DEFAULT 0;
ALTER TABLE vigil.events ADD COLUMN zone text NOT NULL DEFAULT '';
ALTER TABLE vigil.coordinators ADD COLUMN zone text NOT NULL DEFAULT '';
CREATE INDEX pods_by_zone ON vigil.pods (namespace, zone);
