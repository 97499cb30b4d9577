// Suspicion, refutation and verdict on the host's own evidence: the session in the row must be the
// one that the host knows.
#include <utility>

#include "core/errors.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

constexpr pg::Statement kSuspectHosted{
    "suspect_hosted",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'SUSPECT', cause = $4, suspicion = nextval('vigil.suspicion_numbers')"
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state = 'ALIVE'"
    "  RETURNING pod.incarnation, pod.name)," VIGIL_POD_NEWS("'POD_SUSPECTED'", "$4", "0")
        VIGIL_APPEND_NEWS "SELECT " VIGIL_EVENT_COLUMNS " FROM appended AS e ORDER BY e.seq"};

constexpr pg::Statement kDeclareHosted{
    "declare_hosted",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', cause = $4, suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp()"
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state IN ('ALIVE', 'SUSPECT')"
    "  RETURNING pod.incarnation, pod.name)," VIGIL_POD_NEWS("'POD_DIED'", "$4", VIGIL_ORPHANS)
        VIGIL_APPEND_NEWS "SELECT " VIGIL_EVENT_COLUMNS " FROM appended AS e ORDER BY e.seq"};

constexpr pg::Statement kRefute{
    "refute",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'ALIVE', cause = 'NONE', suspicion = NULL, suspicion_identity = NULL"
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state = 'SUSPECT'"
    "  RETURNING pod.incarnation, pod.session, pod.name)," VIGIL_POD_NEWS("'POD_REFUTED'", "'NONE'",
                                                                          "0") VIGIL_APPEND_NEWS
    "SELECT incarnation, session FROM changed"
    " UNION ALL "
    "SELECT pod.incarnation, pod.session"
    "  FROM vigil.pods AS pod"
    "  JOIN unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "    ON pod.incarnation = hosted.incarnation AND pod.session = hosted.session"
    " WHERE pod.namespace = $1 AND pod.state = 'ALIVE'"
    " ORDER BY incarnation"};

}  // namespace

Result<std::vector<Event>> PostgresStore::JudgeHosted(const pg::Statement& statement,
                                                      const std::string& ns, Cause cause,
                                                      const std::vector<HostedPod>& pods) {
  if (pods.empty()) return std::vector<Event>{};
  const HostedArrays arrays(pods);
  auto rows =
      ChangeAndWake(ns, {{&kLockPods, {ns, arrays.incarnations}},
                         {&statement, {ns, arrays.incarnations, arrays.sessions, Name(cause)}}});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<Event> events;
  for (pg::Row row : rows->back()) events.push_back(EventFrom(row));
  return events;
}

Result<std::vector<Event>> PostgresStore::SuspectHosted(const std::string& ns, Cause cause,
                                                        const std::vector<HostedPod>& pods) {
  return JudgeHosted(kSuspectHosted, ns, cause, pods);
}

Result<std::vector<Event>> PostgresStore::DeclareHosted(const std::string& ns, Cause cause,
                                                        const std::vector<HostedPod>& pods) {
  return JudgeHosted(kDeclareHosted, ns, cause, pods);
}

Result<std::vector<HostedPod>> PostgresStore::Refute(const std::string& ns,
                                                     const std::vector<HostedPod>& pods) {
  if (pods.empty()) return std::vector<HostedPod>{};
  const HostedArrays arrays(pods);
  auto rows = ChangeAndWake(ns, {{&kLockPods, {ns, arrays.incarnations}},
                                 {&kRefute, {ns, arrays.incarnations, arrays.sessions}}});
  if (!rows) return Fail(std::move(rows.error()));
  return HostedFrom(rows->back());
}

}  // namespace vigil
