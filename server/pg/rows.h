// The rows that a statement returned.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/number.h"

struct pg_result;

namespace vigil::pg {

// Reads the columns of one row from the left to the right, each exactly once. The column has the
// type that is asked for, or that is a defect of the caller. A NULL reads as an empty value. Valid
// as long as its Rows.
class Row {
 public:
  Row(const pg_result* result, int row) : result_(result), row_(row) {}

  // Whether the next column is NULL. Does not step.
  bool IsNull() const;
  void Skip() { ++column_; }

  bool Bool();
  int64_t Bigint();  // bigint or integer
  std::string Text();
  std::string Bytes();
  Duration Interval();
  // Microseconds since the Unix epoch, of a timestamptz; 0 for NULL.
  int64_t Micros();

  template <typename N>
  N As() {
    return N{static_cast<uint64_t>(Bigint())};
  }

 private:
  // The bytes of the next column, or null for a NULL; steps.
  const char* Take(std::initializer_list<uint32_t> types, int* length);

  const pg_result* result_;
  int row_;
  int column_ = 0;
};

// Owns the result of one statement.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);

  int size() const;
  bool empty() const { return size() == 0; }
  Row operator[](int row) const& { return {result_.get(), row}; }
  Row operator[](int row) const&& = delete;  // it would outlive its rows

  class Iterator {
   public:
    Iterator(const pg_result* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return {result_, row_}; }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return row_ != other.row_; }

   private:
    const pg_result* result_;
    int row_;
  };

  Iterator begin() const { return {result_.get(), 0}; }
  Iterator end() const { return {result_.get(), size()}; }

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

}  // namespace vigil::pg
