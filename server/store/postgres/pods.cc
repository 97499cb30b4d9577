// How pods move, leave and are looked at.
#include <map>
#include <utility>

#include "base/check.h"
#include "core/errors.h"
#include "core/session_token.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kResume{
    "resume",
    "WITH asked AS MATERIALIZED ("
    "  SELECT * FROM unnest($2::bigint[], $3::text[], $5::bigint[], $6::bool[])"
    "              AS asked(pod_number, token, next_session, claims)),"
    " before AS MATERIALIZED ("
    "  SELECT pod.* FROM asked JOIN vigil.pods AS pod ON pod.incarnation = asked.pod_number"
    "   WHERE pod.namespace = $1),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'ALIVE', cause = 'NONE', suspicion = NULL, suspicion_identity = NULL,"
    "         suspected_at = NULL, coordinator = $4, session = asked.next_session,"
    "         may_claim = asked.claims"
    "    FROM before JOIN asked ON asked.pod_number = before.incarnation"
    "   WHERE pod.incarnation = before.incarnation AND before.session_token = asked.token"
    "     AND before.state IN ('ALIVE', 'SUSPECT') AND before.session <= asked.next_session"
    "  RETURNING pod.*),"
    " taken AS ("
    "  INSERT INTO vigil.taken_sessions (coordinator, session)"
    "  SELECT before.coordinator, before.session"
    "    FROM changed JOIN before USING (incarnation)"
    "    JOIN vigil.coordinators AS host ON host.coordinator = before.coordinator"
    "   WHERE before.session <> changed.session"
    "  ON CONFLICT DO NOTHING),"
    " news AS ("
    "  SELECT told.kind, changed.name AS pod_name, changed.incarnation, 'NONE' AS cause,"
    "         0 AS orphans, '' AS work_key, 0 AS fence, 0 AS previous_owner,"
    "         2 * changed.incarnation + told.place AS position,"
    "         changed.labels AS pod_labels, " VIGIL_NOT_DETECTED
    " AS detected_at"
    "    FROM changed JOIN before USING (incarnation),"
    "         LATERAL (VALUES ('POD_REFUTED', 0, before.state = 'SUSPECT'),"
    "                         ('POD_MOVED', 1, before.coordinator <> $4))"
    "           AS told(kind, place, happened)"
    "   WHERE told.happened)," VIGIL_APPEND_NEWS
    "SELECT stood, session_token = asked.token, " VIGIL_POD_COLUMNS
    "  FROM (SELECT CASE WHEN before.state = 'SUSPECT' THEN " VIGIL_STOOD("before") " END AS stood,"
    "               changed.*"
    "          FROM changed JOIN before USING (incarnation)"
    "        UNION ALL"
    "        SELECT NULL, before.* FROM before"
    "         WHERE NOT EXISTS (SELECT FROM changed"
    "                            WHERE changed.incarnation = before.incarnation)) AS now"
    "  JOIN asked ON asked.pod_number = now.incarnation"};

constexpr pg::Statement kLeave{
    "leave",
    "WITH before AS MATERIALIZED ("
    "  SELECT * FROM vigil.pods WHERE namespace = $1 AND incarnation = $2),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'LEFT', cause = 'LEFT', suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp(), " VIGIL_NOTE_ORPHANS
    "    FROM before"
    "   WHERE pod.incarnation = before.incarnation AND before.session = $3"
    "     AND before.state IN ('ALIVE', 'SUSPECT')"
    "  RETURNING pod.*)," VIGIL_POD_NEWS("'POD_LEFT'", "'LEFT'", VIGIL_ORPHANS, VIGIL_NOT_DETECTED)
        VIGIL_APPEND_NEWS "SELECT EXISTS (SELECT FROM changed), state, cause, session FROM before"};

constexpr pg::Statement kGetPod{"get_pod", "SELECT " VIGIL_POD_COLUMNS
                                           " FROM vigil.pods WHERE namespace = $1 AND name = $2"
                                           " ORDER BY incarnation DESC LIMIT 1"};

constexpr pg::Statement kGetSessionToken{
    "get_session_token",
    "SELECT session_token FROM vigil.pods WHERE namespace = $1 AND incarnation = $2"};

constexpr pg::Statement kListPods{
    "list_pods",
    "SELECT " VIGIL_POD_COLUMNS
    " FROM vigil.pods"
    " WHERE namespace = $1 AND incarnation > $3 AND ($2 OR state IN ('ALIVE', 'SUSPECT'))"
    " ORDER BY incarnation LIMIT $4"};

// One statement, so one snapshot of the database.
constexpr pg::Statement kSnapshot{
    "snapshot", "SELECT log.oldest, log.head, log.mark, " VIGIL_POD_COLUMNS
                "  FROM (SELECT coalesce(max(oldest), 1) AS oldest, coalesce(max(head), 0) AS head,"
                "               coalesce(max(last.mark), 0) AS mark"
                "          FROM vigil.namespaces AS space"
                "          LEFT JOIN vigil.events AS last"
                "            ON last.namespace = space.name AND last.seq = space.head"
                "         WHERE space.name = $1) AS log"
                "  LEFT JOIN vigil.pods ON namespace = $1 AND state IN ('ALIVE', 'SUSPECT')"
                " ORDER BY incarnation"};

// Of a resume that found the pod, which is as it is `now`.
Result<Pod> OutcomeOf(const ResumePod& asked, bool token_is_right, Pod now) {
  if (!token_is_right) return Fail(SessionTokenInvalid(asked.incarnation));
  if (!now.living()) return Fail(IncarnationEnded(now.incarnation, now.state, now.cause));
  if (now.session != asked.session) return Fail(SessionTaken(now.session));
  return now;
}

}  // namespace

std::vector<Result<Pod>> PostgresStore::ResumeTogether(const std::vector<ResumePod>& pods,
                                                       const TellRefuted& refuted) {
  std::vector<Result<Pod>> outcomes;
  if (pods.empty()) return outcomes;
  std::vector<int64_t> incarnations;
  std::vector<std::string> tokens;
  std::vector<int64_t> sessions;
  std::vector<bool> may_claim;
  std::map<Incarnation, size_t> places;
  for (const ResumePod& pod : pods) {
    VIGIL_CHECK(places.emplace(pod.incarnation, places.size()).second);
    incarnations.push_back(static_cast<int64_t>(pod.incarnation.value));
    tokens.push_back(pod.session_token);
    sessions.push_back(static_cast<int64_t>(pod.session.value));
    may_claim.push_back(pod.may_claim);
    outcomes.emplace_back(Fail(PodNotFound(std::to_string(pod.incarnation.value))));
  }
  const std::string& ns = pods.front().ns;
  auto rows = ChangeAndWake(
      ns, {{&kLockPodsToKeep, {ns, incarnations}},
           {&kResume, {ns, incarnations, tokens, pods.front().coordinator, sessions, may_claim}}});
  if (!rows) return std::vector<Result<Pod>>(pods.size(), Fail(rows.error()));
  for (pg::Row row : rows->back()) {
    const bool was_suspect = !row.IsNull();
    const Duration stood = row.Interval();
    if (was_suspect && refuted) refuted(stood);
    const bool token_is_right = row.Bool();
    Pod now = PodFrom(row);
    const size_t place = places.at(now.incarnation);
    outcomes[place] = OutcomeOf(pods[place], token_is_right, std::move(now));
  }
  return outcomes;
}

Result<void> PostgresStore::Leave(const std::string& ns, HostedPod pod) {
  auto rows = ChangeAndWake(ns, {{&kLockPodsToEnd, {ns, Numbers(std::vector{pod.incarnation})}},
                                 {&kLeave, {ns, pod.incarnation, pod.session}}});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->back().empty()) return Fail(PodNotFound(std::to_string(pod.incarnation.value)));
  pg::Row row = rows->back()[0];
  if (row.Bool()) return {};
  const PodState state = PodStateFrom(row.Text());
  const Cause cause = CauseFrom(row.Text());
  if (state == PodState::kLeft) return {};
  if (!IsLiving(state)) return Fail(IncarnationEnded(pod.incarnation, state, cause));
  return Fail(SessionTaken(row.As<SessionNumber>()));
}

Result<Pod> PostgresStore::GetPod(const std::string& ns, const std::string& name) {
  auto rows = link_.Read(kGetPod, {ns, name});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->empty()) return Fail(PodNotFound(name));
  pg::Row row = (*rows)[0];
  return PodFrom(row);
}

Result<std::string> PostgresStore::BindingOfPod(const std::string& ns, Incarnation incarnation) {
  auto rows = link_.Read(kGetSessionToken, {ns, incarnation});
  if (!rows) return Fail(std::move(rows.error()));
  if (rows->empty()) return Fail(PodNotFound(std::to_string(incarnation.value)));
  pg::Row row = (*rows)[0];
  return std::string(BindingOf(row.Text()));
}

Result<PodPage> PostgresStore::ListPods(const std::string& ns, bool include_ended,
                                        Incarnation after, uint32_t limit) {
  auto rows = List(kListPods, {ns, include_ended, after, int64_t{limit} + 1});
  if (!rows) return Fail(std::move(rows.error()));
  PodPage page;
  for (pg::Row row : *rows) {
    page.more = page.pods.size() == limit;
    if (page.more) break;
    page.pods.push_back(PodFrom(row));
  }
  return page;
}

Result<PodSnapshot> PostgresStore::Snapshot(const std::string& ns) {
  auto rows = link_.Read(kSnapshot, {ns});
  if (!rows) return Fail(std::move(rows.error()));
  PodSnapshot snapshot;
  for (pg::Row row : *rows) {
    snapshot.oldest = row.As<Seq>();
    snapshot.head = PositionFrom(row);
    if (!row.IsNull()) snapshot.pods.push_back(PodFrom(row));
  }
  return snapshot;
}

}  // namespace vigil
