// The pattern of orders.sql in C++, with libpq: writes of a work item's owner, which are refused as
// a whole once another one has taken the item over.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The tables of orders.sql. One thread at a time. It owns nothing of the connection.
class Orders {
 public:
  enum class Outcome {
    kDone,
    // Somebody with a higher fence has the order: nothing was written, and the work must stop.
    kFenced,
    // The database refused, or did not answer; then it is not known whether it was done.
    kFailed,
  };

  explicit Orders(PGconn* connection) : connection_(connection) {}

  // The first thing that an owner does, before it reads anything of the order: from now on earlier
  // owners are FENCED.
  Outcome TakeOver(const std::string& order, std::uint64_t fence) {
    return Begin() ? End(Own(order, fence)) : Outcome::kFailed;
  }

  // How many parcels the order has. Only after TakeOver is that the last word of earlier owners.
  std::optional<int> CountParcels(const std::string& order) {
    const Rows rows = Run("SELECT count(*) FROM parcels WHERE order_id = $1", {order});
    if (!Ok(rows)) return std::nullopt;
    return std::stoi(PQgetvalue(rows.get(), 0, 0));
  }

  // Adds a parcel, and sets the status, both or neither.
  Outcome Pack(const std::string& order, std::uint64_t fence, int number,
               const std::string& contents) {
    if (!Begin()) return Outcome::kFailed;
    Outcome outcome = Own(order, fence);
    if (outcome == Outcome::kDone) {
      const bool packed = Ok(Run("INSERT INTO parcels VALUES ($1, $2::integer, $3)",
                                 {order, std::to_string(number), contents})) &&
                          Ok(Run("UPDATE orders SET status = 'PACKED ' || $2 WHERE id = $1",
                                 {order, std::to_string(number)}));
      if (!packed) outcome = Outcome::kFailed;
    }
    return End(outcome);
  }

 private:
  using Rows = std::unique_ptr<PGresult, decltype(&PQclear)>;

  Rows Run(const char* sql, const std::vector<std::string>& texts = {}) {
    std::vector<const char*> values;
    for (const std::string& text : texts) values.push_back(text.c_str());
    return {PQexecParams(connection_, sql, static_cast<int>(values.size()), nullptr, values.data(),
                         nullptr, nullptr, 0),
            PQclear};
  }

  static bool Ok(const Rows& rows) {
    const ExecStatusType status = PQresultStatus(rows.get());
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  }

  bool Begin() { return Ok(Run("BEGIN")); }

  // The compare-and-set. The row stays locked until the end of the transaction, so that a new owner
  // waits for it.
  Outcome Own(const std::string& order, std::uint64_t fence) {
    const Rows rows =
        Run("UPDATE orders SET fence = $2::bigint WHERE id = $1 AND fence <= $2::bigint",
            {order, std::to_string(fence)});
    if (!Ok(rows)) return Outcome::kFailed;
    return std::string(PQcmdTuples(rows.get())) == "1" ? Outcome::kDone : Outcome::kFenced;
  }

  Outcome End(Outcome outcome) {
    const bool commits = outcome == Outcome::kDone;
    if (!Ok(Run(commits ? "COMMIT" : "ROLLBACK"))) return Outcome::kFailed;
    return outcome;
  }

  PGconn* const connection_;
};
