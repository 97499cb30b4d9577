-- Serves servers from 0008.
-- Which servers work with the database, so that a migration that is too new for them can be refused.

ALTER TABLE vigil.coordinators
  -- The last migration that it knows; a server from before this column knows no later one than this.
  ADD COLUMN schema_level integer NOT NULL DEFAULT 8,
  ADD COLUMN version text NOT NULL DEFAULT '',
  ADD CONSTRAINT coordinators_schema_level_is_positive CHECK (schema_level > 0) NOT VALID;
