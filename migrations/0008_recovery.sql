-- Who takes an orphan over, and what becomes of one whose owners keep dying.

-- In the order in which changes lock them, so that none that is under way has what this waits for and waits for
-- what this has.
LOCK TABLE vigil.pods, vigil.work_items, vigil.events IN ACCESS EXCLUSIVE MODE;

ALTER TABLE vigil.work_items
  ADD COLUMN kind text NOT NULL DEFAULT '',
  ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN policy text NOT NULL DEFAULT 'COMPETE',
  -- ASSIGN: what the labels of its next owner must have.
  ADD COLUMN selector jsonb NOT NULL DEFAULT '{}',
  -- STICKY: how long it waits for the name of its owner.
  ADD COLUMN sticky_wait interval NOT NULL DEFAULT '30 s',
  -- From owners that died or failed, in a row.
  ADD COLUMN adoptions integer NOT NULL DEFAULT 0,
  ADD COLUMN max_adoptions integer NOT NULL DEFAULT 5,
  -- Since when its owner has it; NULL for an owner from before this column.
  ADD COLUMN owned_at timestamptz,
  -- The last ownerships that ended badly, oldest first.
  ADD COLUMN former_owners jsonb NOT NULL DEFAULT '[]',
  -- Of its owner's last checkpoint that had one; a lower one comes late.
  ADD COLUMN checkpoint_number bigint NOT NULL DEFAULT 0,
  -- Its owner has written one.
  ADD COLUMN checkpointed boolean NOT NULL DEFAULT false,
  -- The ids of its last requests, and what its holders did who gave it up.
  ADD COLUMN requests text[] NOT NULL DEFAULT '{}',
  DROP CONSTRAINT work_items_state_is_known,
  DROP CONSTRAINT work_items_released_has_no_owner,
  ADD CONSTRAINT work_items_state_is_known
    CHECK (state IN ('OWNED', 'RELEASED', 'COMPLETED', 'QUARANTINED')) NOT VALID,
  ADD CONSTRAINT work_items_nobodys_has_no_owner
    CHECK ((state IN ('RELEASED', 'QUARANTINED')) = (owner IS NULL)) NOT VALID,
  ADD CONSTRAINT work_items_policy_is_known CHECK (policy IN ('COMPETE', 'ASSIGN', 'STICKY')) NOT VALID,
  ADD CONSTRAINT work_items_labels_are_objects
    CHECK (jsonb_typeof(labels) = 'object' AND jsonb_typeof(selector) = 'object') NOT VALID,
  ADD CONSTRAINT work_items_selector_is_of_assign CHECK (selector = '{}' OR policy = 'ASSIGN') NOT VALID,
  ADD CONSTRAINT work_items_adoptions_are_counted CHECK (adoptions >= 0 AND max_adoptions > 0) NOT VALID,
  ADD CONSTRAINT work_items_former_owners_are_bounded
    CHECK (jsonb_typeof(former_owners) = 'array' AND jsonb_array_length(former_owners) <= 16) NOT VALID,
  ADD CONSTRAINT work_items_requests_are_bounded CHECK (cardinality(requests) <= 16) NOT VALID;

CREATE INDEX work_items_assignable ON vigil.work_items (namespace, key)
  WHERE policy = 'ASSIGN' AND state = 'RELEASED';
CREATE INDEX work_items_assigned ON vigil.work_items (owner, key)
  WHERE policy = 'ASSIGN' AND state = 'OWNED';
CREATE INDEX work_items_quarantined ON vigil.work_items (namespace, key) WHERE state = 'QUARANTINED';

ALTER TABLE vigil.pods
  -- Of one that has ended: false as soon as it is known to have none, which is final.
  ADD COLUMN may_have_orphans boolean NOT NULL DEFAULT true,
  -- The ids of its last requests that claimed orphans.
  ADD COLUMN claims text[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT pods_claims_are_bounded CHECK (cardinality(claims) <= 16) NOT VALID;

UPDATE vigil.pods AS pod SET may_have_orphans = false
 WHERE state IN ('DEAD', 'LEFT')
   AND NOT EXISTS (SELECT FROM vigil.work_items AS item WHERE item.owner = pod.incarnation AND item.state = 'OWNED');

-- From these, orphans are found without a look at what the living own.
CREATE INDEX pods_with_orphans ON vigil.pods (namespace, incarnation)
  WHERE state IN ('DEAD', 'LEFT') AND may_have_orphans;

ALTER TABLE vigil.events
  DROP CONSTRAINT events_kind_is_known,
  ADD CONSTRAINT events_kind_is_known CHECK (kind IN ('POD_REGISTERED', 'POD_SUSPECTED', 'POD_REFUTED',
    'POD_MOVED', 'POD_DIED', 'POD_LEFT', 'WORK_CLAIMED', 'WORK_RELEASED', 'WORK_COMPLETED',
    'WORK_QUARANTINED')) NOT VALID;
