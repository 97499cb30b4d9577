#include <atomic>

#include "store/memory/memory_database.h"
#include "support/store_world.h"

namespace vigil {
namespace {

class MemoryWorld final : public StoreWorld {
 public:
  MemoryWorld() {
    database_.engine()->SetWallClock([this] { return WallMicros{++wall_clock_}; });
  }

  Database& database() override { return database_; }
  void EndSession(Backend backend) override { database_.engine()->EndSession(backend); }
  void Restart() override { database_.engine()->Restart(); }
  void LoseEvents(const std::string& ns, Seq head) override {
    database_.engine()->LoseEvents(ns, head);
  }
  void Age(Duration by) override {
    wall_clock_ +=
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(by).count());
  }

 private:
  // Far from zero, so that time can go back. Counts transactions, too.
  std::atomic<uint64_t> wall_clock_ = 1'000'000'000'000'000;
  MemoryDatabase database_{loop()};
};

}  // namespace

StoreWorldMaker MemoryWorlds() {
  return {"Memory", [] { return std::make_unique<MemoryWorld>(); }};
}

}  // namespace vigil
