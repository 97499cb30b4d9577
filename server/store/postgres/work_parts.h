// The parts of statements about work items: how an item goes from one owner to the next.
#pragma once

#include "store/postgres/numbers.h"
#include "store/postgres/rows.h"

namespace vigil {

// What `item.requests` becomes with the request `id`: the last kRememberedRequests of them.
#define VIGIL_REMEMBER(id)   \
  "CASE WHEN " id            \
  " = '' THEN item.requests" \
  "     ELSE (item.requests || " id ")[greatest(cardinality(item.requests) - 14, 1):] END"

// Whether the item knows the request `id` already.
#define VIGIL_IS_REPEATED(id) "(" id " <> '' AND " id " = ANY (item.requests))"

// An ownership that lasted as long makes the adoptions before it forgotten (kLongOwnership,
// kLongIdleOwnership).
#define VIGIL_LONG_OWNERSHIP \
  "CASE WHEN item.checkpointed THEN interval '10 minutes' ELSE interval '24 hours' END"

// `item.former_owners` with one more, of which the first leave when there are more than
// kRememberedOwners.
#define VIGIL_ADD_FORMER_OWNER(name, cause, reason, at)                                            \
  "CASE WHEN jsonb_array_length(item.former_owners) >= 16"                                         \
  "     THEN item.former_owners - 0 ELSE item.former_owners END"                                   \
  " || jsonb_build_object('incarnation', item.owner, 'name', " name                                \
  ", 'fence', item.fence, 'cause', " cause ", 'reason', " reason ", 'at', (extract(epoch FROM " at \
  ") * 1000000)::bigint)"

// How many adoptions count when an ownership ends.
#define VIGIL_ADOPTIONS_AT(end) \
  "CASE WHEN " end " - item.owned_at >= " VIGIL_LONG_OWNERSHIP " THEN 0 ELSE item.adoptions END"

// Its ended `owner` has died of it, and that is once too often.
#define VIGIL_IS_EXHAUSTED                                         \
  "coalesce(owner.state = 'DEAD', false) AND " VIGIL_ADOPTIONS_AT( \
      "owner.ended_at") " >= item.max_adoptions"

// What giving an item away comes to; from `item`, locked, and its ended `owner`, if it has one: how
// often it was adopted then, or whether that is once too often.
#define VIGIL_HANDED_OVER \
  "item.key, item.owner AS previous_owner, owner.name AS former_name,"                      \
  " owner.labels AS former_labels, owner.cause AS former_cause,"                             \
  " " VIGIL_IS_EXHAUSTED " AS exhausted,"                                                     \
  " CASE owner.state WHEN 'DEAD' THEN " VIGIL_ADOPTIONS_AT("owner.ended_at") " + 1"        \
  "                  WHEN 'LEFT' THEN " VIGIL_ADOPTIONS_AT("owner.ended_at")                  \
  "                  ELSE item.adoptions END AS adoptions,"                                              \
  " CASE WHEN item.owner IS NULL THEN item.former_owners"                                    \
  "      ELSE " VIGIL_ADD_FORMER_OWNER("owner.name", "owner.cause", "''", "owner.ended_at")  \
  "      END AS former_owners"

// What an item becomes in the hands of `taker`, of `handed` (VIGIL_HANDED_OVER).
#define VIGIL_GIVE_TO(taker) \
  " state = CASE WHEN handed.exhausted THEN 'QUARANTINED' ELSE 'OWNED' END,"            \
  " owner = CASE WHEN NOT handed.exhausted THEN " taker ".incarnation END,"             \
  " fence = CASE WHEN handed.exhausted THEN item.fence"                                 \
  "              ELSE " VIGIL_NEXT_FENCE("item.fence") " END,"                          \
  " adoptions = CASE WHEN handed.exhausted THEN item.adoptions ELSE handed.adoptions END,"  \
  " former_owners = handed.former_owners,"                                              \
  " owned_at = CASE WHEN NOT handed.exhausted THEN clock_timestamp() END,"              \
  " checkpoint_number = 0, checkpointed = false,"                                       \
  " updated_at = clock_timestamp()"

// The news of that, of `changed` and `handed`.
#define VIGIL_HANDED_NEWS(taker)                                                                 \
  " news AS ("                                                                                   \
  "  SELECT CASE WHEN handed.exhausted THEN 'WORK_QUARANTINED' ELSE 'WORK_CLAIMED' END AS kind," \
  "         CASE WHEN handed.exhausted THEN handed.former_name ELSE " taker                      \
  ".name END"                                                                                    \
  "           AS pod_name,"                                                                      \
  "         CASE WHEN handed.exhausted THEN handed.previous_owner ELSE " taker                   \
  ".incarnation END"                                                                             \
  "           AS incarnation,"                                                                   \
  "         CASE WHEN handed.exhausted THEN handed.former_cause ELSE 'NONE' END AS cause,"       \
  "         0 AS orphans, changed.key AS work_key, changed.fence,"                               \
  "         CASE WHEN handed.exhausted THEN 0 ELSE coalesce(handed.previous_owner, 0) END"       \
  "           AS previous_owner,"                                                                \
  "         changed.key AS position,"                                                            \
  "         CASE WHEN handed.exhausted THEN handed.former_labels ELSE " taker                    \
  ".labels END"                                                                                  \
  "           AS pod_labels, " VIGIL_NOT_DETECTED " AS detected_at"

// The living incarnation $n, once more in the statement's own snapshot.
#define VIGIL_LIVING(name, number)                          \
  name " AS MATERIALIZED ("                                 \
       "  SELECT incarnation, name, labels FROM vigil.pods" \
       "   WHERE namespace = $1 AND incarnation = " number " AND state IN ('ALIVE', 'SUSPECT'))"

// Whether the item $2 remembers `id`.
#define VIGIL_REMEMBERS(id)                      \
  "EXISTS (SELECT FROM vigil.work_items AS item" \
  "         WHERE item.namespace = $1 AND item.key = $2 AND " VIGIL_IS_REPEATED(id) ")"

// Whether an attempt changed the item $2, and the item as it is then: of `changed`, its new row.
#define VIGIL_NOW                                                                    \
  "SELECT EXISTS (SELECT FROM changed), " VIGIL_WORK_COLUMNS                         \
  "  FROM (SELECT * FROM changed"                                                    \
  "        UNION ALL SELECT * FROM vigil.work_items"                                 \
  "         WHERE namespace = $1 AND key = $2 AND NOT EXISTS (SELECT FROM changed))" \
  "       AS w" VIGIL_OWNER("o", "w")

}  // namespace vigil
