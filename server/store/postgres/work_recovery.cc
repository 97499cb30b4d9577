// What coordinators and operators do with items that nobody has.
#include <algorithm>
#include <set>
#include <utility>

#include "core/errors.h"
#include "core/labels.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/work_locks.h"
#include "store/postgres/work_parts.h"

namespace vigil {
namespace {

// How often it is chosen who gets what, as long as those who were chosen are locked.
constexpr int kChoices = 3;

// Of what the ended own, and of what nobody owns.
constexpr pg::Statement kListAssignable{
    "list_assignable",
    "SELECT DISTINCT found.namespace"
    "  FROM (SELECT ended.namespace FROM vigil.pods AS ended"
    "         WHERE ended.namespace > $1 AND ended.state IN ('DEAD', 'LEFT')"
    "           AND ended.may_have_orphans"
    "           AND (SELECT true FROM vigil.work_items AS item"
    "                 WHERE item.owner = ended.incarnation AND item.state = 'OWNED'"
    "                   AND item.policy = 'ASSIGN' ORDER BY item.key LIMIT 1)"
    "        UNION ALL"
    "        SELECT item.namespace FROM vigil.work_items AS item"
    "         WHERE item.namespace > $1 AND item.policy = 'ASSIGN' AND item.state = 'RELEASED')"
    "       AS found"
    " ORDER BY found.namespace LIMIT $2"};

// Passes an `item` that some pod may have.
#define VIGIL_MATCHED                                           \
  " LATERAL (SELECT FROM vigil.pods AS pod"                     \
  "           WHERE pod.namespace = $1 AND pod.state = 'ALIVE'" \
  "             AND pod.may_claim"                              \
  "             AND pod.labels @> item.selector LIMIT 1) AS matched"

// The next ones that some pod may have, whatever they ask of it. No more than so many of one owner
// are asked for, and by key, so that none of his items of other policies are read.
constexpr pg::Statement kReadAssignable{
    "read_assignable",
    "SELECT found.key, found.fence, found.selector::text, found.exhausted"
    "  FROM (SELECT item.* FROM (SELECT * FROM vigil.pods"
    "                             WHERE namespace = $1 AND state IN ('DEAD', 'LEFT')"
    "                               AND may_have_orphans ORDER BY incarnation OFFSET 0) AS owner,"
    "               LATERAL (SELECT item.key, item.fence, item.selector,"
    "                               " VIGIL_IS_EXHAUSTED
    " AS exhausted"
    "                          FROM vigil.work_items AS item," VIGIL_MATCHED
    "                         WHERE item.owner = owner.incarnation AND item.state = 'OWNED'"
    "                           AND item.policy = 'ASSIGN'"
    "                         ORDER BY item.key LIMIT $2) AS item"
    "        UNION ALL"
    "        SELECT item.key, item.fence, item.selector, false"
    "          FROM vigil.work_items AS item," VIGIL_MATCHED
    "         WHERE item.namespace = $1 AND item.policy = 'ASSIGN' AND item.state = 'RELEASED')"
    "       AS found"
    " LIMIT $2"};

// Those who may have one of them, with what they own.
constexpr pg::Statement kReadTakers{
    "read_takers",
    "SELECT pod.incarnation, pod.labels::text,"
    "       (SELECT count(*) FROM vigil.work_items AS owned"
    "         WHERE owned.owner = pod.incarnation AND owned.state = 'OWNED')"
    "  FROM vigil.pods AS pod"
    " WHERE pod.namespace = $1 AND pod.state = 'ALIVE' AND pod.may_claim"
    "   AND EXISTS (SELECT FROM unnest($2::text[]) AS wanted(selector)"
    "                WHERE pod.labels @> wanted.selector::jsonb)"
    " ORDER BY pod.incarnation"};

// Carries out what was chosen, item by item: a key with its fence ($2, $3), and who gets it ($4).
// What has changed since is left. Neither pods nor items are waited for, so locking both in one
// statement deadlocks with nobody, and what is read of a row is read as it was locked. One that has
// moved since the statement began is locked and not found again by its `tid`: the next sweep's. The
// lock of a taker keeps it from ending and leaves it free to claim orphans, as all do after a
// death.   (P6)
constexpr pg::Statement kAssignWork{
    "assign_work",
    "WITH takers AS MATERIALIZED ("
    "  SELECT incarnation, name, labels FROM vigil.pods"
    "   WHERE namespace = $1 AND incarnation = ANY ($4) AND state = 'ALIVE' AND may_claim"
    "   ORDER BY incarnation FOR KEY SHARE SKIP LOCKED),"
    " locked AS MATERIALIZED ("
    "  SELECT item.*, chosen.taker"
    "    FROM (SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[])"
    "                          AS chosen(key, fence, taker) ORDER BY key COLLATE \"C\") AS chosen,"
    "         LATERAL (SELECT item.ctid AS tid, item.key, item.owner, item.fence,"
    "                         item.adoptions, item.max_adoptions, item.owned_at, item.checkpointed,"
    "                         item.former_owners"
    "                    FROM vigil.work_items AS item"
    "                   WHERE item.namespace = $1 AND item.key = chosen.key"
    "                     AND item.fence = chosen.fence AND item.policy = 'ASSIGN'"
    "                     AND (item.state = 'RELEASED'"
    "                          OR item.state = 'OWNED'"
    "                             AND EXISTS (SELECT FROM vigil.pods AS ended"
    "                                          WHERE ended.incarnation = item.owner"
    "                                            AND ended.state IN ('DEAD', 'LEFT')))"
    "                     FOR UPDATE OF item SKIP LOCKED) AS item),"
    " handed AS MATERIALIZED ("
    "  SELECT item.tid, item.taker, " VIGIL_HANDED_OVER
    "    FROM locked AS item" VIGIL_OWNER("owner", "item") "),"
    " given AS MATERIALIZED ("
    "  SELECT handed.*, taker.incarnation, taker.name, taker.labels"
    "    FROM handed LEFT JOIN takers AS taker ON taker.incarnation = handed.taker"
    "   WHERE handed.exhausted OR taker.incarnation IS NOT NULL),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item SET" VIGIL_GIVE_TO("handed")
    "    FROM given AS handed WHERE item.ctid = handed.tid"
    "  RETURNING item.*)," VIGIL_HANDED_NEWS("handed")
    "    FROM changed JOIN given AS handed USING (key))," VIGIL_APPEND_NEWS
    "," VIGIL_NOTE_NO_ORPHANS("100") " SELECT count(*) FILTER (WHERE state = 'OWNED'),"
    "       count(*) FILTER (WHERE state = 'QUARANTINED') FROM changed"};

// In the order of indexes that have nothing of the living, and no further than is counted: a plan
// that sorts would first read all that waits, however much that is. (No session of ours gathers.)
constexpr pg::Statement kPlanInOrder{"plan_in_order",
                                     "SELECT set_config('enable_sort', 'off', true)"};
static_assert(kMostWaiting == 10000);
constexpr pg::Statement kCountWaiting{
    "count_waiting",
    "WITH orphans AS MATERIALIZED ("
    "  SELECT item.policy, ended.ended_at"
    "    FROM (SELECT incarnation, ended_at FROM vigil.pods"
    "           WHERE state IN ('DEAD', 'LEFT') AND may_have_orphans"
    "           ORDER BY namespace, incarnation LIMIT 10000) AS ended,"
    "         LATERAL (SELECT item.policy FROM vigil.work_items AS item"
    "                   WHERE item.owner = ended.incarnation AND item.state = 'OWNED'"
    "                   ORDER BY item.key LIMIT 10000) AS item"
    "   LIMIT 10000) "
    "SELECT count(*) FILTER (WHERE policy = 'COMPETE'),"
    "       count(*) FILTER (WHERE policy = 'ASSIGN'),"
    "       count(*) FILTER (WHERE policy = 'STICKY'),"
    "       coalesce(greatest(clock_timestamp() - min(ended_at), interval '0'), interval '0'),"
    "       (SELECT count(*) FROM (SELECT FROM vigil.work_items WHERE state = 'QUARANTINED'"
    "                               ORDER BY namespace, key LIMIT 10000) AS stuck)"
    "  FROM orphans"};

constexpr pg::Statement kReleaseQuarantined{
    "release_quarantined",
    "WITH stuck AS MATERIALIZED ("
    "  SELECT CASE WHEN item.owner IS NULL THEN item.former_owners"
    "              ELSE " VIGIL_ADD_FORMER_OWNER("owner.name", "owner.cause", "''", "owner.ended_at")
    "              END AS former_owners"
    "    FROM vigil.work_items AS item"
    VIGIL_OWNER("owner", "item")
    "   WHERE item.namespace = $1 AND item.key = $2 AND item.fence = $3"
    "     AND (item.state = 'QUARANTINED'"
    "          OR item.state = 'OWNED' AND owner.state IN ('DEAD', 'LEFT'))),"
    " changed AS ("
    "  UPDATE vigil.work_items AS item"
    "     SET state = 'RELEASED', owner = NULL, adoptions = 0,"
    "         former_owners = stuck.former_owners, updated_at = clock_timestamp()"
    "    FROM stuck WHERE item.namespace = $1 AND item.key = $2"
    "  RETURNING item.*),"
    " news AS ("
    "  SELECT 'WORK_RELEASED' AS kind, '' AS pod_name, 0 AS incarnation, 'NONE' AS cause,"
    "         0 AS orphans, changed.key AS work_key, changed.fence, 0 AS previous_owner,"
    "         1 AS position, '{}'::jsonb AS pod_labels, " VIGIL_NOT_DETECTED
    " AS detected_at"
    "    FROM changed)," VIGIL_APPEND_NEWS VIGIL_NOW};

struct Assignable {
  std::string key;
  Fence fence;
  Labels selector;
  // It is to be quarantined, so it is no burden to whoever gets it.
  bool exhausted = false;
};

struct Taker {
  Incarnation incarnation;
  Labels labels;
  // How many it owns by then.
  int64_t items = 0;
};

// Three arrays, of the same order.
struct Choices {
  std::vector<std::string> keys;
  std::vector<int64_t> fences;
  std::vector<int64_t> takers;
};

std::vector<Taker> TakersFrom(const pg::Rows& rows) {
  std::vector<Taker> takers;
  for (pg::Row row : rows) {
    Taker& taker = takers.emplace_back();
    taker.incarnation = row.As<Incarnation>();
    taker.labels = LabelsFrom(row.Text());
    taker.items = row.Bigint();
  }
  return takers;
}

// Each to the one with the fewest of those who may have it.
Choices Choose(const std::vector<Assignable>& items, std::vector<Taker> takers) {
  Choices choices;
  for (const Assignable& item : items) {
    Taker* chosen = nullptr;
    for (Taker& taker : takers) {
      if (chosen != nullptr && chosen->items <= taker.items) continue;
      if (HasAll(taker.labels, item.selector)) chosen = &taker;
    }
    if (chosen == nullptr) continue;  // It has ended meanwhile.
    if (!item.exhausted) ++chosen->items;
    choices.keys.push_back(item.key);
    choices.fences.push_back(static_cast<int64_t>(item.fence.value));
    choices.takers.push_back(static_cast<int64_t>(chosen->incarnation.value));
  }
  return choices;
}

}  // namespace

Result<std::vector<std::string>> PostgresStore::ListAssignable(const std::string& after,
                                                               uint32_t limit) {
  auto rows = link_.Read(kListAssignable, {after, limit});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<std::string> namespaces;
  for (pg::Row row : *rows) namespaces.push_back(row.Text());
  return namespaces;
}

Result<AssignedWork> PostgresStore::AssignWork(const std::string& ns, uint32_t limit) {
  auto found = link_.Read(kReadAssignable, {ns, int64_t{limit} + 1});
  if (!found) return Fail(std::move(found.error()));
  std::vector<Assignable> items;
  std::set<std::string> selectors;
  bool further = false;
  for (pg::Row row : *found) {
    further = items.size() == limit;
    if (further) break;
    Assignable& item = items.emplace_back();
    item.key = row.Text();
    item.fence = row.As<Fence>();
    const std::string selector = row.Text();
    item.selector = LabelsFrom(selector);
    item.exhausted = row.Bool();
    selectors.insert(selector);
  }
  if (items.empty()) return AssignedWork{};
  const std::vector<std::string> wanted(selectors.begin(), selectors.end());
  auto candidates = link_.Read(kReadTakers, {ns, wanted});
  if (!candidates) return Fail(std::move(candidates.error()));
  std::vector<Taker> takers = TakersFrom(*candidates);

  AssignedWork done;
  size_t changed = 0;
  for (int choice = 0; choice < kChoices && changed == 0; ++choice) {
    const Choices choices = Choose(items, takers);
    if (choices.keys.empty()) break;
    auto rows = Change({{&kAssignWork, {ns, choices.keys, choices.fences, choices.takers}}});
    if (!rows) return Fail(std::move(rows.error()));
    pg::Row row = (*rows)[0];
    done.assigned = static_cast<uint32_t>(row.Bigint());
    done.quarantined = static_cast<uint32_t>(row.Bigint());
    changed = size_t{done.assigned} + done.quarantined;
    // Somebody else is at the items or at those who were chosen; then it is the others' turn.
    std::erase_if(takers, [&](const Taker& taker) {
      const auto number = static_cast<int64_t>(taker.incarnation.value);
      return std::ranges::find(choices.takers, number) != choices.takers.end();
    });
  }
  // What was left because somebody else was at it waits for the next sweep when it is everything.
  done.more = changed > 0 && (further || changed < items.size());
  if (changed > 0) Wake(ns);
  return done;
}

Result<WaitingWork> PostgresStore::CountWaiting() {
  const auto rows =
      link_.Execute({.steps = {{&kPlanInOrder, {}}, {&kCountWaiting, {}}}, .changes = false});
  if (!rows) return Fail(rows.error());
  pg::Row row = rows->back()[0];
  WaitingWork waiting;
  waiting.compete = static_cast<uint64_t>(row.Bigint());
  waiting.assign = static_cast<uint64_t>(row.Bigint());
  waiting.sticky = static_cast<uint64_t>(row.Bigint());
  waiting.oldest = row.Interval();
  waiting.quarantined = static_cast<uint64_t>(row.Bigint());
  return waiting;
}

Result<WorkItem> PostgresStore::ReleaseQuarantined(const std::string& ns, const std::string& key,
                                                   Fence fence) {
  auto rows =
      ChangeAndWake(ns, {{&kLockItem, {ns, key}}, {&kReleaseQuarantined, {ns, key, fence}}});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->back().empty()) return Fail(WorkNotFound(key));
  pg::Row row = rows->back()[0];
  const bool changed = row.Bool();
  WorkItem item = WorkFrom(row);
  const bool repeated = item.state == WorkState::kReleased && item.fence == fence;
  if (!changed && !repeated) return Fail(Fenced(item.key, item.owner, item.fence));
  return item;
}

}  // namespace vigil
