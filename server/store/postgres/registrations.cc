// How pods register, together or in the place of another.
#include <map>
#include <utility>

#include "core/errors.h"
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

// Key-share-locks the living incarnations of the names and those that these registrations made, by
// number: until the commit they do not end.
constexpr pg::Statement kLockNamesakes{
    "lock_namesakes",
    "SELECT pod.* FROM ("
    "  SELECT incarnation AS number FROM unnest($2::text[]) AS wished(name),"
    "         LATERAL (SELECT incarnation FROM vigil.pods"
    "                   WHERE namespace = $1 AND pods.name = wished.name"
    "                     AND state IN ('ALIVE', 'SUSPECT') LIMIT 1) AS incumbent"
    "  UNION"
    "  SELECT incarnation FROM unnest($3::text[]) AS wished(registration_id),"
    "         LATERAL (SELECT incarnation FROM vigil.pods"
    "                   WHERE namespace = $1 AND pods.registration_id = wished.registration_id"
    "                   LIMIT 1) AS made"
    "  ORDER BY number) AS found,"
    " LATERAL (SELECT incarnation FROM vigil.pods"
    "           WHERE incarnation = found.number FOR KEY SHARE) AS pod"};

// What the ended incarnations of the names own. Each is looked up by itself: a plan that joins,
// from when there were few pods, would read all of them.
constexpr pg::Statement kPredecessorsWork{
    "predecessors_work",
    "SELECT " VIGIL_WORK_COLUMNS
    "  FROM (SELECT DISTINCT name FROM unnest($2::text[]) AS wished(name)) AS wished,"
    "       LATERAL (SELECT item.*, ended.name AS owner_name, ended.state AS owner_state"
    "                  FROM (SELECT * FROM vigil.pods"
    "                         WHERE namespace = $1 AND pods.name = wished.name"
    "                           AND state IN ('DEAD', 'LEFT') OFFSET 0) AS ended,"
    "                       LATERAL (SELECT namespace, key, state, owner, fence,"
    "                                       ''::bytea AS payload, ''::bytea AS checkpoint,"
    "                                       ''::bytea AS result, started_at, updated_at, kind,"
    "                                       '{}' AS labels, policy, '{}' AS selector,"
    "                                       sticky_wait, max_adoptions, adoptions,"
    "                                       '[]' AS former_owners"
    "                                  FROM vigil.work_items"
    "                                 WHERE owner = ended.incarnation AND state = 'OWNED'"
    "                                 ORDER BY key LIMIT $3) AS item"
    "                 ORDER BY item.key LIMIT $3) AS w,"
    "       LATERAL (SELECT w.owner_name AS name, w.owner_state AS state) AS o"
    " ORDER BY w.key"};

// What begins, of the parameters that ParamsOf gives.
#define VIGIL_WISHED                                                                          \
  "wished AS MATERIALIZED ("                                                                  \
  "  SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],"    \
  "                       $7::text[], $8::interval[], $9::text[], $10::text[], $11::bool[])"  \
  "    AS wished(name, registration_id, session_token, coordinator, session, profile, lease," \
  "              labels, supersede_key, may_claim)),"

// The rows of new incarnations, from what is wished.
#define VIGIL_BEGIN_PODS \
  "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id,"          \
  "       session_token, coordinator, session, profile, lease, labels,"             \
  "       supersede_key, may_claim)"                                                \
  "  SELECT " VIGIL_NEXT("incarnation_numbers") ", $1, wished.name,"                \
  "         wished.registration_id, wished.session_token, wished.coordinator,"      \
  "         wished.session, wished.profile, wished.lease, wished.labels::jsonb,"    \
  "         wished.supersede_key, wished.may_claim FROM wished"

// A row that another transaction inserts at this moment is waited for, and then makes this one
// insert nothing and return nothing: the caller looks again. So it does for the second one of a
// name that is wished twice. Rows are inserted by name, so that of two transactions with the same
// names only one waits for the other. It comes last in its transaction: however long it is, a
// coordinator that is stopped while it sends it has not locked the head row. Each wish is looked up
// by itself, as above.
constexpr pg::Statement kRegister{
    "register",
    "WITH " VIGIL_WISHED
    " repeated AS MATERIALIZED ("
    "  SELECT wished.session AS wish, found.*"
    "    FROM wished, LATERAL (SELECT * FROM vigil.pods AS pod"
    "                           WHERE pod.namespace = $1"
    "                             AND pod.registration_id = wished.registration_id"
    "                           LIMIT 1) AS found),"
    " incumbent AS MATERIALIZED ("
    "  SELECT wished.session AS wish, found.*"
    "    FROM wished, LATERAL (SELECT * FROM vigil.pods AS pod"
    "                           WHERE pod.namespace = $1 AND pod.name = wished.name"
    "                             AND pod.state IN ('ALIVE', 'SUSPECT') LIMIT 1) AS found"
    "   WHERE wished.session NOT IN (SELECT wish FROM repeated)),"
    " changed AS (" VIGIL_BEGIN_PODS
    "   WHERE session NOT IN (SELECT wish FROM repeated UNION ALL SELECT wish FROM incumbent)"
    "   ORDER BY name"
    "  ON CONFLICT DO NOTHING"
    "  RETURNING *)," VIGIL_POD_NEWS("'POD_REGISTERED'", "'NONE'", "0", VIGIL_NOT_DETECTED)
        VIGIL_APPEND_NEWS "SELECT what, wish, session_token, " VIGIL_POD_COLUMNS
                          "  FROM (SELECT 'begun' AS what, session AS wish, * FROM changed"
                          "        UNION ALL SELECT 'repeated', * FROM repeated"
                          "        UNION ALL SELECT 'taken', * FROM incumbent) AS found"};

// The two rows change together: were the second not inserted, its unique keys would fail the
// statement. The new row is made from the old one's change, so that the old one no longer stands in
// the index of living names.
constexpr pg::Statement kSupersede{
    "supersede",
    "WITH " VIGIL_WISHED
    " superseded AS ("
    "  UPDATE vigil.pods AS pod"
    "     SET state = 'DEAD', cause = 'SUPERSEDED', suspicion = NULL, suspicion_identity = NULL,"
    "         ended_at = clock_timestamp(), " VIGIL_NOTE_ORPHANS
    "    FROM wished"
    "   WHERE pod.namespace = $1 AND pod.incarnation = $12 AND pod.name = wished.name"
    "     AND pod.state IN ('ALIVE', 'SUSPECT')"
    "     AND pod.supersede_key = wished.supersede_key AND pod.supersede_key <> ''"
    "     AND NOT EXISTS (SELECT FROM vigil.pods AS made WHERE made.namespace = $1"
    "                        AND made.registration_id = wished.registration_id)"
    "  RETURNING pod.*),"
    " taken AS ("
    "  INSERT INTO vigil.taken_sessions (coordinator, session)"
    "  SELECT coordinator, session FROM superseded JOIN vigil.coordinators USING (coordinator)"
    "  ON CONFLICT DO NOTHING),"
    " begun AS (" VIGIL_BEGIN_PODS
    ", superseded"
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

// What is wished, by the session that each is to have.
using Wishes = std::map<SessionNumber, const NewPod*>;

// Column by column.
pg::Params ParamsOf(const std::string& ns, const Wishes& wishes) {
  std::vector<std::string> names, registration_ids, session_tokens, profiles, labels, keys;
  std::vector<int64_t> coordinators, sessions;
  std::vector<Duration> leases;
  std::vector<bool> may_claim;
  for (const auto& [session, pod] : wishes) {
    names.push_back(pod->name);
    registration_ids.push_back(pod->registration_id);
    session_tokens.push_back(pod->session_token);
    coordinators.push_back(static_cast<int64_t>(pod->coordinator.value));
    sessions.push_back(static_cast<int64_t>(session.value));
    profiles.emplace_back(NameOf(pod->profile));
    leases.push_back(pod->lease);
    labels.push_back(JsonFrom(pod->labels));
    keys.push_back(pod->supersede_key);
    may_claim.push_back(pod->may_claim);
  }
  return {ns,       names,  registration_ids, session_tokens, coordinators, sessions,
          profiles, leases, labels,           keys,           may_claim};
}

// The rows of kPredecessorsWork, by the name of who owned them.
using WorkByName = std::map<std::string, std::vector<WorkItem>>;

WorkByName WorkByNameFrom(const pg::Rows& rows) {
  WorkByName work;
  for (pg::Row row : rows) {
    WorkItem item = WorkFrom(row);
    work[item.owner_name].push_back(std::move(item));
  }
  return work;
}

// From a row of (session_token, VIGIL_POD_COLUMNS).
Registered RegisteredFrom(pg::Row& row, const WorkByName& work) {
  Registered registered{.session_token = row.Text()};
  registered.pod = PodFrom(row);
  const auto left = work.find(registered.pod.name);
  if (left != work.end()) registered.predecessors_work = left->second;
  return registered;
}

}  // namespace

std::vector<Result<RegisterOutcome>> PostgresStore::RegisterTogether(
    const std::vector<NewPod>& pods, const TellRefuted& refuted) {
  Wishes wishes;
  for (const NewPod& pod : pods) wishes.emplace(pod.session, &pod);
  Outcomes outcomes;
  Error of_the_rest = DatabaseUnavailable("too many registrations of this name raced");
  for (int race = 0; race < kRaces && !wishes.empty(); ++race) {
    const std::string& ns = pods.front().ns;
    const pg::Params wished = ParamsOf(ns, wishes);
    const pg::Params namesakes{wished[0], wished[1], wished[2]};
    auto rows = ChangeAndWake(ns, {{&kEnsureNamespace, {ns}},
                                   {&kLockNamesakes, namesakes},
                                   {&kPredecessorsWork, {ns, wished[1], kMostPredecessorsWork}},
                                   {&kRegister, wished}});
    if (!rows) {
      of_the_rest = std::move(rows.error());
      break;
    }
    const WorkByName work = WorkByNameFrom((*rows)[2]);
    Repetitions repeated;
    for (pg::Row row : rows->back()) {
      const std::string what = row.Text();
      const auto session = row.As<SessionNumber>();
      Registered found = RegisteredFrom(row, work);
      if (what == "repeated") {
        // A second repetition of one has its turn in the next round.
        const Incarnation incarnation = found.pod.incarnation;
        repeated.try_emplace(incarnation, *wishes.at(session), std::move(found));
        continue;
      }
      wishes.erase(session);
      if (what == "begun") {
        outcomes.emplace(session, std::move(found));
      } else {
        outcomes.emplace(session, NameTaken{found.pod.incarnation});
      }
    }
    for (auto& [session, outcome] : Repeat(std::move(repeated), refuted)) {
      wishes.erase(session);
      outcomes.emplace(session, std::move(outcome));
    }
  }
  std::vector<Result<RegisterOutcome>> in_order;
  for (const NewPod& pod : pods) {
    const auto outcome = outcomes.find(pod.session);
    in_order.push_back(outcome == outcomes.end() ? Fail(of_the_rest) : std::move(outcome->second));
  }
  return in_order;
}

// These registrations made incarnations before, which get their new sessions.
PostgresStore::Outcomes PostgresStore::Repeat(Repetitions repeated, const TellRefuted& refuted) {
  std::vector<ResumePod> pods;
  for (const auto& [incarnation, repetition] : repeated) {
    const auto& [pod, made] = repetition;
    pods.push_back(
        {pod.ns, incarnation, made.session_token, pod.coordinator, pod.session, pod.may_claim});
  }
  auto resumed = ResumeTogether(pods, refuted);
  Outcomes outcomes;
  for (auto outcome = resumed.begin(); auto& [incarnation, repetition] : repeated) {
    auto& [pod, made] = repetition;
    if (*outcome) {
      made.pod = std::move(**outcome);
      outcomes.emplace(pod.session, std::move(made));
    } else {
      outcomes.emplace(pod.session, Fail(std::move(outcome->error())));
    }
    ++outcome;
  }
  return outcomes;
}

Result<std::optional<Registered>> PostgresStore::Supersede(const NewPod& pod,
                                                           Incarnation incumbent) {
  pg::Params params = ParamsOf(pod.ns, {{pod.session, &pod}});
  const pg::Params predecessors{params[0], params[1], kMostPredecessorsWork};
  params.emplace_back(incumbent);
  auto rows = ChangeAndWake(pod.ns, {{&kLockPodsToEnd, {pod.ns, Numbers(std::vector{incumbent})}},
                                     {&kSupersede, std::move(params)},
                                     {&kPredecessorsWork, predecessors}});
  if (!rows) return Fail(std::move(rows.error()));
  if ((*rows)[1].empty()) return std::nullopt;
  pg::Row row = (*rows)[1][0];
  return RegisteredFrom(row, WorkByNameFrom(rows->back()));
}

}  // namespace vigil
