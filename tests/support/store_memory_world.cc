#include "store/memory/memory_database.h"
#include "support/store_world.h"

namespace vigil {
namespace {

class MemoryWorld final : public StoreWorld {
 public:
  Database& database() override { return database_; }
  void EndSession(Backend backend) override { database_.engine()->EndSession(backend); }
  void Restart() override { database_.engine()->Restart(); }
  void LoseEvents(const std::string& ns, Seq head) override {
    database_.engine()->LoseEvents(ns, head);
  }

 private:
  MemoryDatabase database_{loop()};
};

}  // namespace

StoreWorldMaker MemoryWorlds() {
  return {"Memory", [] { return std::make_unique<MemoryWorld>(); }};
}

}  // namespace vigil
