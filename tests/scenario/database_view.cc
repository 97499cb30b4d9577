#include "database_view.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "eventually.h"
#include "history/named.h"
#include "support/process.h"

namespace vigil {
namespace {

constexpr auto kAnswerLimit = std::chrono::seconds(10);

// Keys of sessions and of coordinators, as the server makes them: a tag in the upper 16 bits.
constexpr pg::Statement kLocks{
    "locks",
    "WITH held AS MATERIALIZED ("
    "  SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks"
    "   WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND objsubid = 1"
    "     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),"
    " living AS MATERIALIZED ("
    "  SELECT state, session FROM vigil.pods WHERE state IN ('ALIVE', 'SUSPECT')) "
    "SELECT (SELECT count(*) FROM living),"
    "       (SELECT count(*) FROM living WHERE state = 'ALIVE'),"
    "       (SELECT count(*) FROM living JOIN held ON held.key = (x'5653'::bigint << 48) + "
    "session),"
    "       (SELECT count(*) FROM held WHERE key >> 48 = x'5653'::bigint),"
    "       (SELECT count(*) FROM vigil.coordinators JOIN held"
    "          ON held.key = (x'5643'::bigint << 48) + coordinator WHERE state = 'ALIVE')"};

constexpr pg::Statement kBackends{
    "backends",
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    "   AND application_name LIKE 'vigil%' ORDER BY pid"};

constexpr pg::Statement kTerminate{"terminate", "SELECT pg_terminate_backend($1::bigint::int)"};

constexpr pg::Statement kReplicated{
    "replicated",
    "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_insert_lsn()"};

constexpr pg::Statement kWaiting{
    "waiting",
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    "   AND wait_event_type = 'Lock'"};

constexpr pg::Statement kLog{
    "log",
    "SELECT seq, transaction_end, mark, kind, pod_name, incarnation, cause, orphans, work_key,"
    "       fence, previous_owner, pod_labels::text"
    "  FROM vigil.events WHERE namespace = $1 ORDER BY seq"};

constexpr pg::Statement kOldest{
    "oldest", "SELECT coalesce((SELECT oldest FROM vigil.namespaces WHERE name = $1), 1)"};

constexpr pg::Statement kWork{
    "work",
    "SELECT item.key, item.state, coalesce(item.owner, 0), item.fence, item.payload,"
    "       item.checkpoint, item.result, item.adoptions,"
    "       item.state = 'OWNED' AND owner.state IN ('DEAD', 'LEFT')"
    "  FROM vigil.work_items AS item LEFT JOIN vigil.pods AS owner ON owner.incarnation = "
    "item.owner"
    " WHERE item.namespace = $1 ORDER BY item.key"};

constexpr pg::Statement kWallClock{"wall_clock",
                                   "SELECT extract(epoch FROM clock_timestamp())::bigint"};

WorkState StateNamed(std::string_view name) {
  if (name == "RELEASED") return WorkState::kReleased;
  return name == "COMPLETED" ? WorkState::kCompleted : WorkState::kOwned;
}

WorkItem ItemIn(pg::Row row) {
  WorkItem item;
  item.key = row.Text();
  item.state = StateNamed(row.Text());
  item.owner = row.As<Incarnation>();
  item.fence = row.As<Fence>();
  item.payload = row.Bytes();
  item.checkpoint = row.Bytes();
  item.result = row.Bytes();
  item.adoptions = static_cast<uint32_t>(row.Bigint());
  item.orphan = row.Bool();
  return item;
}

Event EventIn(pg::Row row) {
  Event event;
  event.seq = row.As<Seq>();
  event.transaction_end = row.As<Seq>();
  event.mark = row.As<Mark>();
  event.kind = history::Named<EventKind>(row.Text()).value();
  event.pod_name = row.Text();
  event.incarnation = row.As<Incarnation>();
  event.cause = history::Named<Cause>(row.Text()).value();
  event.orphans = static_cast<uint32_t>(row.Bigint());
  event.work_key = row.Text();
  event.fence = row.As<Fence>();
  event.previous_owner = row.As<Incarnation>();
  event.pod_labels = nlohmann::json::parse(row.Text());
  return event;
}

}  // namespace

Result<void> DatabaseView::Open() {
  if (connection_ != nullptr && connection_->LooksAlive()) return {};
  connection_.reset();
  auto opened = pg::Connection::Open({conninfo_, "test", {}}, Now() + kAnswerLimit);
  if (!opened) return Fail(std::move(opened.error().error));
  connection_ = std::move(*opened);
  return {};
}

Result<pg::Rows> DatabaseView::Read(const pg::Statement& statement, pg::Params params) {
  if (auto opened = Open(); !opened) return Fail(std::move(opened.error()));
  const Instant deadline = Now() + kAnswerLimit;
  auto rows = connection_->Execute({.steps = {{&statement, std::move(params)}}, .changes = false},
                                   deadline);
  if (rows) return std::move(rows->front());
  if (rows.error().lost) connection_.reset();
  return Fail(std::move(rows.error().error));
}

Result<DatabaseView::Locks> DatabaseView::ReadLocks() {
  auto rows = Read(kLocks);
  if (!rows) return Fail(std::move(rows.error()));
  pg::Row row = (*rows)[0];
  Locks locks;
  locks.living = row.Bigint();
  locks.alive = row.Bigint();
  locks.held = row.Bigint();
  locks.sessions = row.Bigint();
  locks.coordinators = row.Bigint();
  return locks;
}

bool DatabaseView::AwaitSettled(int pods, int coordinators, Duration within) {
  return Eventually(within, [&] {
    const auto locks = ReadLocks();
    return locks && locks->Settled(pods, coordinators);
  });
}

Result<std::vector<pid_t>> DatabaseView::Backends() {
  auto rows = Read(kBackends);
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<pid_t> backends;
  for (pg::Row row : *rows) backends.push_back(static_cast<pid_t>(row.Bigint()));
  return backends;
}

Result<void> DatabaseView::Terminate(pid_t backend) {
  auto rows = Read(kTerminate, {int64_t{backend}});
  if (!rows) return Fail(std::move(rows.error()));
  return {};
}

bool DatabaseView::AwaitReplicated(Duration within) {
  return Eventually(within, [&] {
    const auto rows = Read(kReplicated);
    return rows && (*rows)[0].Bigint() > 0;
  });
}

bool DatabaseView::AwaitWaiting(Duration within) {
  return Eventually(within, [&] {
    const auto rows = Read(kWaiting);
    return rows && (*rows)[0].Bigint() > 0;
  });
}

Result<history::Reference> DatabaseView::ReadLog(const std::string& ns) {
  auto oldest = Read(kOldest, {ns});
  if (!oldest) return Fail(std::move(oldest.error()));
  auto rows = Read(kLog, {ns});
  if (!rows) return Fail(std::move(rows.error()));
  history::Reference reference;
  reference.oldest = (*oldest)[0].As<Seq>();
  for (const pg::Row row : *rows) reference.log.push_back(EventIn(row));
  return reference;
}

Result<std::vector<WorkItem>> DatabaseView::ReadWork(const std::string& ns) {
  auto rows = Read(kWork, {ns});
  if (!rows) return Fail(std::move(rows.error()));
  std::vector<WorkItem> items;
  for (const pg::Row row : *rows) items.push_back(ItemIn(row));
  return items;
}

bool DatabaseView::AwaitWallClock(const std::function<bool(int64_t second)>& matches,
                                  Duration within) {
  return Eventually(within, [&] {
    const auto rows = Read(kWallClock);
    return rows && matches((*rows)[0].Bigint());
  });
}

Result<void> DatabaseView::Execute(const std::string& sql) {
  if (auto opened = Open(); !opened) return opened;
  auto done = connection_->ExecuteScript(sql, Now() + kAnswerLimit);
  if (done) return {};
  if (done.error().lost) connection_.reset();
  return Fail(std::move(done.error().error));
}

}  // namespace vigil
