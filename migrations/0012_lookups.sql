-- Serves servers from 0008.
-- How a pod is found while Postgres knows little of the table.

-- Of indexes that promise the same, as all do while a table is small or was never analyzed, Postgres
-- takes the one that was made last. A session keeps to what it planned then until the table is
-- analyzed, up to a minute after it has grown. So the last ones are those that find one row, and not
-- those that list a namespace. A database that was restored from a dump may have them in another
-- order; it finds the same pods, later.
DROP INDEX vigil.pods_by_name;
CREATE INDEX pods_by_name ON vigil.pods (namespace, name, incarnation);

DROP INDEX vigil.pods_one_living_per_name;
CREATE UNIQUE INDEX pods_one_living_per_name ON vigil.pods (namespace, name)
  WHERE state IN ('ALIVE', 'SUSPECT');

ALTER TABLE vigil.pods
  DROP CONSTRAINT pods_registration_is_unique,
  ADD CONSTRAINT pods_registration_is_unique UNIQUE (namespace, registration_id);
