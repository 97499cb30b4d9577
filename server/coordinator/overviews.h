// What operators look at, read seldom however many of them look.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "store/lane.h"
#include "store/overview.h"

namespace vigil {

// Keeps what was made of each namespace's overview for a second, its failure too, and reads one at
// a time; who asks meanwhile shares it. So one namespace costs the database at most one reading a
// second, and all of them at most one thread of the lane. A reading ends within the deadline of the
// lane's stores.
//
// Bounded are the namespaces that are remembered, and who waits for one: LIMIT_REACHED.   (P11)
//
// Runs on the log's thread.
class Overviews {
 public:
  static constexpr Duration kFresh = std::chrono::seconds(1);
  static constexpr size_t kMostNamespaces = 64;
  static constexpr size_t kMostWaiting = 1'000;

  // What is made of an overview for the wire, once for all who ask.
  using Text = std::shared_ptr<const std::string>;

  struct Environment {
    Lane& lane;
    Scheduler& scheduler;
    const Clock& clock;
    // How many subscribers this coordinator has.
    std::function<size_t()> subscribers;
    // Runs in the lane.
    std::function<std::string(const std::string& ns, const Overview&, size_t subscribers)> write;
  };

  explicit Overviews(Environment environment) : env_(std::move(environment)) {}

  // `then` is called once, later. Errors: those of the store, and LIMIT_REACHED.
  void Get(const std::string& ns, Then<Text> then);

 private:
  struct Entry {
    // The last reading that was begun.
    Instant asked{};
    std::optional<Result<Text>> answer;
    std::vector<Then<Text>> waiting;
  };

  // Null when there is no room.
  Entry* Find(const std::string& ns);
  void ReadNext();
  void Answered(const std::string& ns, const Result<Text>& answer);

  const Environment env_;
  std::map<std::string, Entry> entries_;
  // To be read, in turn. The first one is being read.
  std::deque<std::string> wanted_;
};

}  // namespace vigil
