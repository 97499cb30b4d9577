// How rows become values, and the parts that several statements share.
//
// A part is a string literal that the compiler joins with others; nothing is joined while the
// server runs.
#pragma once

#include <vector>

#include "core/types.h"
#include "pg/params.h"
#include "pg/rows.h"
#include "store/store.h"

namespace vigil {

// What PodFrom reads; from a relation that has the columns of vigil.pods.
#define VIGIL_POD_COLUMNS                                                           \
  "namespace, name, incarnation, state, profile, lease, labels::text, coordinator," \
  " session, cause, registered_at, ended_at"
Pod PodFrom(pg::Row& row);

// What WorkFrom reads; from an item w and its owner's row o, if any.
#define VIGIL_WORK_COLUMNS                                                                 \
  "w.namespace, w.key, w.state, w.owner, coalesce(o.name, ''),"                            \
  " w.state = 'OWNED' AND o.state IN ('DEAD', 'LEFT'), w.fence, w.payload,"                \
  " w.checkpoint, w.result, w.started_at, w.updated_at, w.kind, w.labels::text, w.policy," \
  " w.selector::text, w.sticky_wait, w.max_adoptions, w.adoptions, w.former_owners::text"
WorkItem WorkFrom(pg::Row& row);

// What an item counts for in an answer, of the columns of vigil.work_items. Reads no payload.
#define VIGIL_WORK_BYTES                                                                   \
  "octet_length(item.payload) + octet_length(item.checkpoint) + octet_length(item.result)" \
  " + octet_length(item.labels::text) + octet_length(item.selector::text)"                 \
  " + octet_length(item.former_owners::text) - 6"

// What EventFrom reads; from e, a row of vigil.events.
#define VIGIL_EVENT_COLUMNS                                                       \
  "e.seq, e.transaction_end, e.mark, e.kind, e.pod_name, e.incarnation, e.cause," \
  " e.orphans, e.work_key, e.fence, e.previous_owner, e.occurred_at,"             \
  " e.detected_at, e.pod_labels::text"
Event EventFrom(pg::Row& row);

// From columns (seq, mark).
Position PositionFrom(pg::Row& row);

// Appends what `news` has to the log of the namespace $1, as `appended`. The head row is locked
// here, the last of a transaction's locks: whatever news comes from was locked and changed before
// it can be counted. What else a statement changes, of which nothing is read, stands behind it:
// Postgres runs such parts after the rest, the last one first.
#define VIGIL_APPEND_NEWS                                                              \
  "head AS ("                                                                          \
  "  UPDATE vigil.namespaces AS space SET head = space.head + counted.total"           \
  "    FROM (SELECT count(*) AS total FROM news) AS counted"                           \
  "   WHERE space.name = $1 AND counted.total > 0"                                     \
  "  RETURNING space.head - counted.total AS before, space.head AS transaction_end),"  \
  " appended AS ("                                                                     \
  "  INSERT INTO vigil.events (namespace, seq, transaction_end, kind, pod_name,"       \
  "         incarnation, cause, orphans, work_key, fence, previous_owner,"             \
  "         pod_labels, detected_at)"                                                  \
  "  SELECT $1, head.before + row_number() OVER (ORDER BY news.position),"             \
  "         head.transaction_end, news.kind, news.pod_name, news.incarnation,"         \
  "         news.cause, news.orphans, news.work_key, news.fence, news.previous_owner," \
  "         news.pod_labels, news.detected_at"                                         \
  "    FROM news, head RETURNING *) "

// The news that one pod's event is, of the relation `changed` (name, incarnation, labels), with the
// time of the evidence that it rests on.
#define VIGIL_POD_NEWS(kind, cause, orphans, detected_at)                \
  "news AS ("                                                            \
  "  SELECT " kind " AS kind, name AS pod_name, incarnation, " cause     \
  " AS cause,"                                                           \
  "         " orphans                                                    \
  " AS orphans, '' AS work_key, 0 AS fence, 0 AS previous_owner,"        \
  "         incarnation AS position, labels AS pod_labels, " detected_at \
  " AS detected_at"                                                      \
  "    FROM changed), "

// Of an event that rests on no evidence.
#define VIGIL_NOT_DETECTED "NULL::timestamptz"

// Of a death: when the suspicion began that stood against the pod, or else of the death itself.
#define VIGIL_DEATH_DETECTED "coalesce(suspected_at, ended_at)"

// What becomes of `suspected_at` when the row of `pod` is marked DEAD.
#define VIGIL_KEEP_SUSPECTED_AT \
  "suspected_at = CASE WHEN pod.state = 'SUSPECT' THEN pod.suspected_at END"

// How long the suspicion of `pod`, a row from before its end, has stood.
#define VIGIL_STOOD(pod) \
  "coalesce(greatest(clock_timestamp() - " pod ".suspected_at, interval '0'), interval '0')"

// Joins the pod that owns `item`, if one does. Looked up by itself, by its key: a plan that joins
// may have been made when there were few pods, and reads all of them.
#define VIGIL_OWNER(owner, item)                                           \
  " LEFT JOIN LATERAL (SELECT * FROM vigil.pods WHERE incarnation = " item \
  ".owner OFFSET 0)"                                                       \
  "   AS " owner " ON true"

// How many items an ended incarnation leaves. Its row is locked, so none can come or go meanwhile.
#define VIGIL_ORPHANS                              \
  "(SELECT count(*) FROM vigil.work_items AS item" \
  "  WHERE item.owner = changed.incarnation AND item.state = 'OWNED')"

// Whether an incarnation owns an item that is open.
#define VIGIL_OWNS_WORK(pod)                                         \
  "((SELECT true FROM vigil.work_items AS item"                      \
  "   WHERE item.owner = " pod                                       \
  ".incarnation AND item.state = 'OWNED' ORDER BY item.key LIMIT 1)" \
  " IS NOT NULL)"

// When the row of `pod`, locked, is marked DEAD or LEFT: whether it must be looked at for orphans.
#define VIGIL_NOTE_ORPHANS "may_have_orphans = " VIGIL_OWNS_WORK("pod")

// Of the first `so_many` ended incarnations that may have orphans, those that have none need no
// more be looked at: they get no items any more. Waits for none.
#define VIGIL_NOTE_NO_ORPHANS(so_many) \
  "noted AS ("                                                                                   \
  "  UPDATE vigil.pods AS pod SET may_have_orphans = false"                                      \
  "    FROM (SELECT bare.ctid AS tid"                                                            \
  "            FROM (SELECT incarnation FROM vigil.pods"                                         \
  "                   WHERE namespace = $1 AND state IN ('DEAD', 'LEFT') AND may_have_orphans"   \
  "                   ORDER BY incarnation LIMIT " so_many ") AS ended"                          \
  "            JOIN vigil.pods AS bare ON bare.incarnation = ended.incarnation"                  \
  "           WHERE bare.may_have_orphans AND NOT " VIGIL_OWNS_WORK("ended")                     \
  "             FOR NO KEY UPDATE OF bare SKIP LOCKED) AS without"                               \
  "   WHERE pod.ctid = without.tid)"

PodState PodStateFrom(const std::string& name);
Cause CauseFrom(const std::string& name);
Profile ProfileFrom(const std::string& name);
std::string_view NameOf(Profile profile);
std::string_view Name(RecoveryPolicy policy);

// Two arrays, of the same order.
struct HostedArrays {
  explicit HostedArrays(const std::vector<HostedPod>& pods);
  std::vector<int64_t> incarnations;
  std::vector<int64_t> sessions;
};

// Lock the rows of these pods, by number. A statement that decides comes after it in the same
// transaction, so that it sees what was committed while this one waited.
// To end them: no change of their work is under way then.   (P6)
extern const pg::Statement kLockPodsToEnd;
// To host or suspect them. It waits for no change of their work, of which there may always be one
// under way.   (P9)
extern const pg::Statement kLockPodsToKeep;

// Wakes the listeners of the log of the namespace $1. That its commit is lost matters to nobody, so
// it does not wait for the disk.
extern const pg::Statement kWake;

// From rows of (incarnation, session).
std::vector<HostedPod> HostedFrom(const pg::Rows& rows);

template <typename N>
std::vector<int64_t> Numbers(const std::vector<N>& numbers) {
  std::vector<int64_t> values;
  values.reserve(numbers.size());
  for (const N number : numbers) values.push_back(static_cast<int64_t>(number.value));
  return values;
}

// A JSON object of strings, and back.
std::string JsonFrom(const std::map<std::string, std::string>& labels);
std::map<std::string, std::string> LabelsFrom(const std::string& json);

}  // namespace vigil
