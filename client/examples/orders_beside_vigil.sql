-- An application whose tables are in Vigil's database, and whose role may read Vigil's:
--
--     GRANT USAGE ON SCHEMA vigil TO application;
--     GRANT SELECT, UPDATE (updated_at) ON vigil.work_items TO application;  -- locking a row takes the right to change it
--
-- Every transaction of an item's owner begins with `own_item`. When that finds no row, the caller is FENCED: ROLLBACK,
-- and stop. From the very commit of a claim on, that is so for every owner before it; no column of the application's is
-- needed, and no new owner has to do anything first.
--
-- The item cannot change hands until the transaction ends: whoever claims it meanwhile waits, or is given another one. So
-- keep the transaction short, and change the item (a checkpoint, its completion) after it: such a call would wait for it, too.
--
-- $1: the namespace; $2: the key; $3: the caller's incarnation; $4: the fence with which it owns the item.
PREPARE own_item (text, text, bigint, bigint) AS
  SELECT FROM vigil.work_items
   WHERE namespace = $1 AND key = $2 AND owner = $3 AND fence = $4 AND state = 'OWNED'
     FOR SHARE;
