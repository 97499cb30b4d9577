// Suspicion, refutation and verdict on the host's own evidence: the session in the row must be the
// one that the host knows.
#include <utility>

#include "core/errors.h"
#include "store/postgres/numbers.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/rows.h"

namespace vigil {
namespace {

// Looked up in the snapshot of the statement, so it misses an event that was committed while this
// one waited for the head row.
#define VIGIL_MARK_BEFORE                                          \
  "coalesce((SELECT before.mark FROM head, vigil.events AS before" \
  "           WHERE before.namespace = $1 AND before.seq = head.before), 0)"

constexpr pg::Statement kSuspectHosted{
    "suspect_hosted",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'SUSPECT', cause = $4, suspected_at = clock_timestamp(),"
    "         suspicion = " VIGIL_NEXT("suspicion_numbers")
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state = 'ALIVE'"
    "  RETURNING pod.*)," VIGIL_POD_NEWS("'POD_SUSPECTED'", "$4", "0", "suspected_at")
        VIGIL_APPEND_NEWS "SELECT " VIGIL_EVENT_COLUMNS ", " VIGIL_MARK_BEFORE
                          " FROM appended AS e ORDER BY e.seq"};

constexpr pg::Statement kDeclareHosted{
    "declare_hosted",
    "WITH changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', cause = $4, suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp(), " VIGIL_KEEP_SUSPECTED_AT ", " VIGIL_NOTE_ORPHANS
    "    FROM unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "   WHERE pod.namespace = $1 AND pod.incarnation = hosted.incarnation"
    "     AND pod.session = hosted.session AND pod.state IN ('ALIVE', 'SUSPECT')"
    "  RETURNING pod.*)," VIGIL_POD_NEWS("'POD_DIED'", "$4", VIGIL_ORPHANS, VIGIL_DEATH_DETECTED)
        VIGIL_APPEND_NEWS "SELECT " VIGIL_EVENT_COLUMNS ", " VIGIL_MARK_BEFORE
                          " FROM appended AS e ORDER BY e.seq"};

constexpr pg::Statement kRefute{
    "refute",
    "WITH before AS MATERIALIZED ("
    "  SELECT pod.incarnation, pod.suspected_at FROM vigil.pods AS pod"
    "    JOIN unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "      ON pod.incarnation = hosted.incarnation AND pod.session = hosted.session"
    "   WHERE pod.namespace = $1 AND pod.state = 'SUSPECT'),"
    " changed AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'ALIVE', cause = 'NONE', suspicion = NULL, suspicion_identity = NULL,"
    "         suspected_at = NULL"
    "    FROM before WHERE pod.incarnation = before.incarnation"
    "  RETURNING pod.*, " VIGIL_STOOD("before") " AS stood)," VIGIL_POD_NEWS(
        "'POD_REFUTED'", "'NONE'", "0", VIGIL_NOT_DETECTED) VIGIL_APPEND_NEWS
    "SELECT incarnation, session, stood FROM changed"
    " UNION ALL "
    "SELECT pod.incarnation, pod.session, NULL"
    "  FROM vigil.pods AS pod"
    "  JOIN unnest($2::bigint[], $3::bigint[]) AS hosted(incarnation, session)"
    "    ON pod.incarnation = hosted.incarnation AND pod.session = hosted.session"
    " WHERE pod.namespace = $1 AND pod.state = 'ALIVE'"
    " ORDER BY incarnation"};

}  // namespace

Result<WrittenEvents> PostgresStore::JudgeHosted(const pg::Statement& lock,
                                                 const pg::Statement& statement,
                                                 const std::string& ns, Cause cause,
                                                 const std::vector<HostedPod>& pods,
                                                 const Committed& committed) {
  if (pods.empty()) return WrittenEvents{};
  const HostedArrays arrays(pods);
  auto rows = link_.Execute(
      {.steps = {{&lock, {ns, arrays.incarnations}},
                 {&statement, {ns, arrays.incarnations, arrays.sessions, Name(cause)}}}});
  if (!rows) return Fail(std::move(rows.error()));
  WrittenEvents written;
  for (pg::Row row : rows->back()) {
    written.events.push_back(EventFrom(row));
    written.before = {{written.events.front().seq.value - 1}, row.As<Mark>()};
  }
  if (committed) committed(written);
  Wake(ns);
  return written;
}

Result<WrittenEvents> PostgresStore::SuspectHosted(const std::string& ns, Cause cause,
                                                   const std::vector<HostedPod>& pods,
                                                   const Committed& committed) {
  return JudgeHosted(kLockPodsToKeep, kSuspectHosted, ns, cause, pods, committed);
}

Result<WrittenEvents> PostgresStore::DeclareHosted(const std::string& ns, Cause cause,
                                                   const std::vector<HostedPod>& pods,
                                                   const Committed& committed) {
  return JudgeHosted(kLockPodsToEnd, kDeclareHosted, ns, cause, pods, committed);
}

Result<std::vector<HostedPod>> PostgresStore::Refute(const std::string& ns,
                                                     const std::vector<HostedPod>& pods,
                                                     const TellRefuted& refuted) {
  if (pods.empty()) return std::vector<HostedPod>{};
  const HostedArrays arrays(pods);
  auto rows = ChangeAndWake(ns, {{&kLockPodsToKeep, {ns, arrays.incarnations}},
                                 {&kRefute, {ns, arrays.incarnations, arrays.sessions}}});
  if (!rows) return Fail(std::move(rows.error()));
  for (pg::Row row : rows->back()) {
    row.Skip();
    row.Skip();
    if (!row.IsNull() && refuted) refuted(row.Interval());
  }
  return HostedFrom(rows->back());
}

}  // namespace vigil
