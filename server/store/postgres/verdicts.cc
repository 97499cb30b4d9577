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
    "  RETURNING pod.incarnation, pod.session, pod.name)," VIGIL_POD_NEWS("'POD_SUSPECTED'", "$4",
                                                                          "0") VIGIL_APPEND_NEWS
    "SELECT incarnation, session FROM changed ORDER BY incarnation"};

constexpr pg::Statement kDeclareHosted{
    "declare_hosted",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', cause = $4, suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp()"
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state IN ('ALIVE', 'SUSPECT')"
    "  RETURNING pod.incarnation, pod.session, pod.name)," VIGIL_POD_NEWS(
        "'POD_DIED'", "$4", VIGIL_ORPHANS) VIGIL_APPEND_NEWS
    "SELECT incarnation, session FROM changed ORDER BY incarnation"};

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

Result<std::vector<HostedPod>> PostgresStore::ChangeHosted(const pg::Statement& statement,
                                                           const std::string& ns,
                                                           const std::vector<HostedPod>& pods,
                                                           pg::Params more) {
  if (pods.empty()) return std::vector<HostedPod>{};
  const HostedArrays arrays(pods);
  pg::Params params{ns, arrays.incarnations, arrays.sessions};
  for (pg::Param& param : more) params.push_back(std::move(param));
  auto rows =
      ChangeAndWake({{&kLockPods, {ns, arrays.incarnations}}, {&statement, std::move(params)}});
  if (!rows) return Fail(std::move(rows.error()));
  return HostedFrom(*rows);
}

Result<std::vector<HostedPod>> PostgresStore::SuspectHosted(const std::string& ns, Cause cause,
                                                            const std::vector<HostedPod>& pods) {
  return ChangeHosted(kSuspectHosted, ns, pods, {Name(cause)});
}

Result<std::vector<HostedPod>> PostgresStore::DeclareHosted(const std::string& ns, Cause cause,
                                                            const std::vector<HostedPod>& pods) {
  return ChangeHosted(kDeclareHosted, ns, pods, {Name(cause)});
}

Result<std::vector<HostedPod>> PostgresStore::Refute(const std::string& ns,
                                                     const std::vector<HostedPod>& pods) {
  return ChangeHosted(kRefute, ns, pods, {});
}

}  // namespace vigil
