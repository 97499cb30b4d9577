// How pods register, move, leave and are looked at.
#include <map>
#include <utility>

#include "core/errors.h"
#include "core/session_token.h"
#include "store/postgres/numbers.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr int kRaces = 5;
constexpr int64_t kMostPredecessorsWork = 1000;

// Locks nothing that exists. A namespace that somebody else makes at this moment is waited for,
// with no lock held.
constexpr pg::Statement kEnsureNamespace{
    "ensure_namespace", "INSERT INTO vigil.namespaces (name) VALUES ($1) ON CONFLICT DO NOTHING"};

// Locks the living incarnation of the name and the one that this registration made, by number.
constexpr pg::Statement kLockNamesakes{
    "lock_namesakes",
    "SELECT incarnation FROM vigil.pods"
    " WHERE namespace = $1"
    "   AND (registration_id = $3 OR name = $2 AND state IN ('ALIVE', 'SUSPECT'))"
    " ORDER BY incarnation FOR UPDATE"};

// The row of a new incarnation, of the parameters that ParamsOf gives.
#define VIGIL_BEGIN_POD \
  "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id,"      \
  "       session_token, coordinator, session, profile, lease, labels,"         \
  "       supersede_key, may_claim)"                                            \
  "  SELECT " VIGIL_NEXT("incarnation_numbers") ", $1, $2, $3, $4, $5, $6, $7," \
  "         $8, $9::jsonb, $10, $11"

// A row that another transaction inserts at this moment is waited for, and then makes this one
// insert nothing and return nothing: the caller looks again.
constexpr pg::Statement kRegister{
    "register",
    "WITH repeated AS MATERIALIZED ("
    "  SELECT * FROM vigil.pods WHERE namespace = $1 AND registration_id = $3),"
    " incumbent AS MATERIALIZED ("
    "  SELECT * FROM vigil.pods"
    "   WHERE namespace = $1 AND name = $2 AND state IN ('ALIVE', 'SUSPECT')"
    "     AND NOT EXISTS (SELECT FROM repeated)),"
    " changed AS (" VIGIL_BEGIN_POD
    "   WHERE NOT EXISTS (SELECT FROM repeated) AND NOT EXISTS (SELECT FROM incumbent)"
    "  ON CONFLICT DO NOTHING"
    "  RETURNING *)," VIGIL_POD_NEWS("'POD_REGISTERED'", "'NONE'", "0", VIGIL_NOT_DETECTED)
        VIGIL_APPEND_NEWS "SELECT what, session_token, " VIGIL_POD_COLUMNS
                          "  FROM (SELECT 'begun' AS what, * FROM changed"
                          "        UNION ALL SELECT 'repeated', * FROM repeated"
                          "        UNION ALL SELECT 'taken', * FROM incumbent) AS found"};

// The two rows change together: were the second not inserted, its unique keys would fail the
// statement. The new row is made from the old one's change, so that the old one no longer stands in
// the index of living names.
constexpr pg::Statement kSupersede{
    "supersede",
    "WITH superseded AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', cause = 'SUPERSEDED', suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp(), " VIGIL_NOTE_ORPHANS
    "   WHERE namespace = $1 AND incarnation = $12 AND name = $2"
    "     AND state IN ('ALIVE', 'SUSPECT') AND supersede_key = $10 AND supersede_key <> ''"
    "     AND NOT EXISTS (SELECT FROM vigil.pods WHERE namespace = $1 AND registration_id = $3)"
    "  RETURNING *),"
    " taken AS ("
    "  INSERT INTO vigil.taken_sessions (coordinator, session)"
    "  SELECT coordinator, session FROM superseded JOIN vigil.coordinators USING (coordinator)"
    "  ON CONFLICT DO NOTHING),"
    " begun AS (" VIGIL_BEGIN_POD
    "    FROM superseded"
    "  RETURNING *),"
    " news AS ("
    "  SELECT 'POD_DIED' AS kind, name AS pod_name, incarnation, 'SUPERSEDED' AS cause,"
    "         " VIGIL_ORPHANS
    " AS orphans, '' AS work_key, 0 AS fence, 0 AS previous_owner, 1 AS position,"
    "         labels AS pod_labels, ended_at AS detected_at"
    "    FROM superseded AS changed"
    "  UNION ALL"
    "  SELECT 'POD_REGISTERED', name, incarnation, 'NONE', 0, '', 0, 0, 2, labels, NULL"
    "    FROM begun)," VIGIL_APPEND_NEWS "SELECT session_token, " VIGIL_POD_COLUMNS " FROM begun"};

constexpr pg::Statement kPredecessorsWork{
    "predecessors_work",
    "SELECT " VIGIL_WORK_COLUMNS
    "  FROM vigil.pods AS o"
    "  JOIN (SELECT namespace, key, state, owner, fence, ''::bytea AS payload,"
    "               ''::bytea AS checkpoint, ''::bytea AS result, started_at, updated_at,"
    "               kind, '{}' AS labels, policy, '{}' AS selector, sticky_wait, max_adoptions,"
    "               adoptions, '[]' AS former_owners"
    "          FROM vigil.work_items) AS w ON w.owner = o.incarnation"
    " WHERE o.namespace = $1 AND o.name = $2 AND o.state IN ('DEAD', 'LEFT')"
    "   AND w.state = 'OWNED'"
    " ORDER BY w.key LIMIT $3"};

constexpr pg::Statement kResume{
    "resume",
    "WITH asked AS MATERIALIZED ("
    "  SELECT * FROM unnest($2::bigint[], $3::text[], $5::bigint[], $6::bigint[])"
    "              AS asked(pod_number, token, next_session, claims)),"
    " before AS MATERIALIZED ("
    "  SELECT pod.* FROM asked JOIN vigil.pods AS pod ON pod.incarnation = asked.pod_number"
    "   WHERE pod.namespace = $1),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'ALIVE', cause = 'NONE', suspicion = NULL, suspicion_identity = NULL,"
    "         suspected_at = NULL, coordinator = $4, session = asked.next_session,"
    "         may_claim = asked.claims <> 0"
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

pg::Params ParamsOf(const NewPod& pod) {
  return {pod.ns,
          pod.name,
          pod.registration_id,
          pod.session_token,
          pod.coordinator,
          pod.session,
          NameOf(pod.profile),
          pod.lease,
          JsonFrom(pod.labels),
          pod.supersede_key,
          pod.may_claim};
}

// Of a resume that found the pod, which is as it is `now`.
Result<Pod> OutcomeOf(const ResumePod& asked, bool token_is_right, Pod now) {
  if (!token_is_right) return Fail(SessionTokenInvalid(asked.incarnation));
  if (!now.living()) return Fail(IncarnationEnded(now.incarnation, now.state, now.cause));
  if (now.session != asked.session) return Fail(SessionTaken(now.session));
  return now;
}

// From a row of (session_token, VIGIL_POD_COLUMNS) and the rows of kPredecessorsWork.
Registered RegisteredFrom(pg::Row& row, const pg::Rows& work) {
  Registered registered{.session_token = row.Text()};
  registered.pod = PodFrom(row);
  for (pg::Row item : work) registered.predecessors_work.push_back(WorkFrom(item));
  return registered;
}

}  // namespace

Result<std::variant<Registered, NameTaken>> PostgresStore::Register(const NewPod& pod,
                                                                    const TellRefuted& refuted) {
  for (int race = 0; race < kRaces; ++race) {
    auto rows =
        ChangeAndWake(pod.ns, {{&kEnsureNamespace, {pod.ns}},
                               {&kLockNamesakes, {pod.ns, pod.name, pod.registration_id}},
                               {&kRegister, ParamsOf(pod)},
                               {&kPredecessorsWork, {pod.ns, pod.name, kMostPredecessorsWork}}});
    if (!rows) return Fail(std::move(rows.error()));
    const pg::Rows& found = (*rows)[2];
    if (found.empty()) continue;

    pg::Row row = found[0];
    const std::string what = row.Text();
    Registered registered = RegisteredFrom(row, rows->back());
    if (what == "taken") return NameTaken{registered.pod.incarnation};
    if (what == "begun") return registered;

    // This registration made an incarnation before; it gets its new session.
    auto resumed = Resume({{pod.ns, registered.pod.incarnation, registered.session_token,
                            pod.coordinator, pod.session, pod.may_claim}},
                          refuted);
    if (!resumed) return Fail(std::move(resumed.error()));
    Result<Pod>& outcome = resumed->front();
    if (!outcome) return Fail(std::move(outcome.error()));
    registered.pod = std::move(*outcome);
    return registered;
  }
  return Fail(DatabaseUnavailable("too many registrations of this name raced"));
}

Result<std::optional<Registered>> PostgresStore::Supersede(const NewPod& pod,
                                                           Incarnation incumbent) {
  pg::Params params = ParamsOf(pod);
  params.emplace_back(incumbent);
  auto rows =
      ChangeAndWake(pod.ns, {{&kLockPods, {pod.ns, Numbers(std::vector{incumbent})}},
                             {&kSupersede, std::move(params)},
                             {&kPredecessorsWork, {pod.ns, pod.name, kMostPredecessorsWork}}});
  if (!rows) return Fail(std::move(rows.error()));
  if ((*rows)[1].empty()) return std::nullopt;
  pg::Row row = (*rows)[1][0];
  return RegisteredFrom(row, rows->back());
}

Result<Resumed> PostgresStore::Resume(const std::vector<ResumePod>& pods,
                                      const TellRefuted& refuted) {
  Resumed outcomes;
  if (pods.empty()) return outcomes;
  std::vector<int64_t> incarnations;
  std::vector<std::string> tokens;
  std::vector<int64_t> sessions;
  std::vector<int64_t> may_claim;
  std::map<Incarnation, size_t> places;
  for (const ResumePod& pod : pods) {
    places.emplace(pod.incarnation, places.size());
    incarnations.push_back(static_cast<int64_t>(pod.incarnation.value));
    tokens.push_back(pod.session_token);
    sessions.push_back(static_cast<int64_t>(pod.session.value));
    may_claim.push_back(pod.may_claim ? 1 : 0);
    outcomes.emplace_back(Fail(PodNotFound(std::to_string(pod.incarnation.value))));
  }
  const std::string& ns = pods.front().ns;
  auto rows = ChangeAndWake(
      ns, {{&kLockPods, {ns, incarnations}},
           {&kResume, {ns, incarnations, tokens, pods.front().coordinator, sessions, may_claim}}});
  if (!rows) return Fail(std::move(rows.error()));
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
  auto rows = ChangeAndWake(ns, {{&kLockPods, {ns, Numbers(std::vector{pod.incarnation})}},
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
