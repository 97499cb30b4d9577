-- An application's own tables, into which nobody writes whose work item another one has taken over. They may be in
-- any database of PostgreSQL; Vigil is not asked.
--
-- Each order is worked on under the work item of its id. It keeps the highest fence that it was worked on with, and every
-- transaction of its owner begins with `own_order`. When that finds no row, the caller is FENCED: ROLLBACK, and stop.
--
-- A new owner must use it first of all, in a transaction of its own, BEFORE IT READS anything of the order: until its
-- fence stands there, the transactions of earlier owners are still let in. Of those that were, it then reads the
-- outcome; those that come later are refused, with all that they have written. One that is under way is waited for.
CREATE TABLE IF NOT EXISTS orders (
  id text PRIMARY KEY,
  status text NOT NULL DEFAULT 'NEW',
  fence bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS parcels (
  order_id text NOT NULL REFERENCES orders,
  number integer NOT NULL,
  contents text NOT NULL,
  PRIMARY KEY (order_id, number)
);

-- $1: the id of the order; $2: the fence of its work item, as the caller got it when it started or claimed that.
PREPARE own_order (text, bigint) AS
  UPDATE orders SET fence = $2 WHERE id = $1 AND fence <= $2 RETURNING status;

-- The same in one statement with the write itself, where that is all there is to write.
PREPARE set_status (text, bigint, text) AS
  UPDATE orders SET status = $3, fence = $2 WHERE id = $1 AND fence <= $2;

-- What belongs to a pod and to no work item has the pod's incarnation for a fence: a later life of the same name has a
-- larger one.
CREATE TABLE IF NOT EXISTS printers (
  pod text PRIMARY KEY,
  labels_left integer NOT NULL,
  incarnation bigint NOT NULL DEFAULT 0
);

-- $1: the name of the pod; $2: its incarnation.
PREPARE set_labels_left (text, bigint, integer) AS
  INSERT INTO printers AS printer (pod, incarnation, labels_left) VALUES ($1, $2, $3)
  ON CONFLICT (pod) DO UPDATE SET incarnation = $2, labels_left = $3 WHERE printer.incarnation <= $2;
