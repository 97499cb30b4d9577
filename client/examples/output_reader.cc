// Follows the output of one work item, which is appended to a file, and prints each line of the
// result once, whoever writes it, as soon as it is sure that nobody will write it again.
//
//     vigil_example_output_reader 127.0.0.1:7420 report-7 /shared/report-7.output
//
// The event log says that the item is completed, and its result how many lines it has. Start the
// reader whenever you like: before the first owner, between two, or when all is over. Ends with 0
// when the result is whole.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "item_output.h"
#include "vigil/client.h"
#include "vigil/subscription.h"
#include "vigil/work.h"

using namespace vigil::client;

namespace {

constexpr auto kLook = std::chrono::milliseconds(20);
// The number of lines is not known before the item is completed.
constexpr std::size_t kUnknown = SIZE_MAX;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::_Exit(1);
}

// How many lines the result has: what the last owner said when it completed the item.
std::size_t LinesOf(const Work& work, const std::string& key) {
  const auto item = work.Get(key);
  if (!item && item.error().reason == Reason::kWorkNotFound) return kUnknown;
  if (!item) Fail(Describe(item.error()));
  if (item->state != WorkState::kCompleted) return kUnknown;
  return std::strtoull(item->result.c_str(), nullptr, 10);
}

// The end of a file that grows.
class Tail {
 public:
  explicit Tail(std::string path) : path_(std::move(path)) {}

  // The next whole line; false when there is none yet.
  bool Next(std::string& line) {
    if (!file_.is_open()) file_.open(path_);
    file_.clear();
    std::string more;
    std::getline(file_, more);
    partial_ += more;
    if (file_.eof() || !file_.is_open()) return false;
    line.swap(partial_);
    partial_.clear();
    return true;
  }

 private:
  const std::string path_;
  std::ifstream file_;
  std::string partial_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s ADDRESS ITEM FILE\n", argv[0]);
    return 2;
  }
  const std::string key = argv[2];
  auto client = Client::Create({.addresses = {argv[1]}});
  if (!client) Fail(Describe(client.error()));
  const Work work(*client, "default");

  std::atomic<std::size_t> whole = kUnknown;
  const Subscription subscription(
      *client, {.filter = {.kinds = {EventKind::kWorkClaimed, EventKind::kWorkCompleted}}},
      {.on_snapshot = [&](std::span<const Pod>, const Cursor&) { whole = LinesOf(work, key); },
       .on_events =
           [&](std::span<const Event> events, const Cursor&) {
             for (const Event& event : events) {
               if (event.work_key != key) continue;
               // Where in the output that is, the output itself says, and not the event.
               std::fprintf(stderr, "%s: %s, fence %llu\n", std::string(Name(event.kind)).c_str(),
                            event.pod_name.c_str(),
                            static_cast<unsigned long long>(event.fence.value()));
               if (event.kind == EventKind::kWorkCompleted) whole = LinesOf(work, key);
             }
           },
       .on_end = [](const Error& why) { Fail(Describe(why)); }});

  Tail tail(argv[3]);
  ItemOutput output;
  std::size_t printed = 0;
  while (printed < whole) {
    std::string line;
    if (!tail.Next(line)) {
      std::this_thread::sleep_for(kLook);
      continue;
    }
    if (!output.Read(line)) Fail("this is not a line of the output, or lines are missing: " + line);
    for (; printed < output.settled(); ++printed) std::puts(output.lines()[printed].c_str());
    std::fflush(stdout);
  }
  return 0;
}
