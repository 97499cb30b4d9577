// The numbers and names that everything else in this library is made of.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace vigil::client {

// A number that cannot be mistaken for another kind of number. Zero means none.
template <class Tag>
class Number {
 public:
  constexpr Number() = default;
  constexpr explicit Number(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  friend constexpr auto operator<=>(Number, Number) = default;

 private:
  std::uint64_t value_ = 0;
};

// Declared here, so that a program's own tags of the same names, outside of this namespace, are not
// taken for them.
struct IncarnationTag;
struct FenceTag;
struct SessionTag;
struct CoordinatorTag;
struct SeqTag;

// One life of a pod: issued by the database, never reused, growing.
using Incarnation = Number<IncarnationTag>;
// Grows with every change of a work item's owner, for ever.
using Fence = Number<FenceTag>;
// One hosting of a pod by a coordinator.
using SessionNumber = Number<SessionTag>;
// A replica of vigild.
using CoordinatorNumber = Number<CoordinatorTag>;
// An event's place in the log of its namespace; the numbers of a namespace are contiguous.
using Seq = Number<SeqTag>;

// A position in the log of a namespace: everything up to it, and nothing after it.
//
// Opaque, and made by coordinators only. To keep one, store its text, byte by byte; to go on, make
// a Cursor of that text again. It means nothing in another namespace, its text is not ordered, and
// it stays good across restarts, upgrades and failovers for as long as the log retains what follows
// it.
class Cursor {
 public:
  Cursor() = default;
  explicit Cursor(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  // Whether the text can be that of a cursor: 1 to 128 printable characters of ASCII, without a
  // space. Whether it is one, and of this log, only a coordinator knows.
  bool well_formed() const {
    return !text_.empty() && text_.size() <= 128 &&
           std::ranges::all_of(text_, [](char c) { return c > ' ' && c < '\x7f'; });
  }
  friend bool operator==(const Cursor&, const Cursor&) = default;

 private:
  std::string text_;
};

}  // namespace vigil::client

template <class Tag>
struct std::hash<vigil::client::Number<Tag>> {
  std::size_t operator()(vigil::client::Number<Tag> number) const noexcept {
    return std::hash<std::uint64_t>{}(number.value());
  }
};
