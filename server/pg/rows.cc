#include "pg/rows.h"

#include <libpq-fe.h>

#include <algorithm>

#include "base/check.h"
#include "pg/wire.h"

namespace vigil::pg {
namespace {

// Postgres counts timestamps from 2000-01-01.
constexpr int64_t kPostgresEpochMicros = 946'684'800'000'000;

}  // namespace

bool Row::IsNull() const { return PQgetisnull(result_, row_, column_) != 0; }

const char* Row::Take(std::initializer_list<uint32_t> types, int* length) {
  const int column = column_++;
  VIGIL_CHECK(column < PQnfields(result_));
  VIGIL_CHECK(std::find(types.begin(), types.end(), PQftype(result_, column)) != types.end());
  VIGIL_CHECK(PQfformat(result_, column) == 1);
  if (PQgetisnull(result_, row_, column)) return nullptr;
  *length = PQgetlength(result_, row_, column);
  return PQgetvalue(result_, row_, column);
}

bool Row::Bool() {
  int length = 0;
  const char* bytes = Take({wire::kBool}, &length);
  return bytes != nullptr && *bytes != 0;
}

int64_t Row::Bigint() {
  int length = 0;
  const char* bytes = Take({wire::kBigint, wire::kInteger}, &length);
  if (bytes == nullptr) return 0;
  if (length == 4) return static_cast<int32_t>(wire::Get32(bytes));
  return static_cast<int64_t>(wire::Get64(bytes));
}

std::string Row::Text() {
  int length = 0;
  const char* bytes = Take({wire::kText, wire::kName}, &length);
  return bytes == nullptr ? std::string() : std::string(bytes, length);
}

std::string Row::Bytes() {
  int length = 0;
  const char* bytes = Take({wire::kBytea}, &length);
  return bytes == nullptr ? std::string() : std::string(bytes, length);
}

Duration Row::Interval() {
  int length = 0;
  const char* bytes = Take({wire::kInterval}, &length);
  if (bytes == nullptr) return {};
  const uint32_t months = wire::Get32(bytes + 12);
  VIGIL_CHECK(months == 0);  // has no length
  return std::chrono::microseconds(static_cast<int64_t>(wire::Get64(bytes))) +
         std::chrono::hours(24) * static_cast<int32_t>(wire::Get32(bytes + 8));
}

int64_t Row::Micros() {
  int length = 0;
  const char* bytes = Take({wire::kTimestamptz}, &length);
  return bytes == nullptr ? 0 : static_cast<int64_t>(wire::Get64(bytes)) + kPostgresEpochMicros;
}

Rows::Rows(pg_result* result) : result_(result) {}

int Rows::size() const { return result_ == nullptr ? 0 : PQntuples(result_.get()); }

void Rows::Clear::operator()(pg_result* result) const { PQclear(result); }

}  // namespace vigil::pg
