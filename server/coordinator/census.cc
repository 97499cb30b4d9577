#include "coordinator/census.h"

#include <algorithm>

#include "base/log.h"
#include "core/jitter.h"

namespace vigil {
namespace {

constexpr Duration kInterval = std::chrono::seconds(5);
constexpr int kRests = 20;

}  // namespace

void Census::CountLater(Duration rest) {
  timer_ = scheduler_.After(std::max(Around(kInterval, random_), rest), [this] { Count(); });
}

void Census::Count() {
  Ask<WaitingWork>(
      lane_, scheduler_, [](Store& store) { return store.CountWaiting(); },
      [this, began = clock_.Now()](const Result<WaitingWork>& counted) {
        if (counted) {
          waiting_ = *counted;
        } else {
          log::Debug("What waits was not counted.", {{"error", counted.error().message}});
        }
        CountLater(kRests * (clock_.Now() - began));
      });
}

}  // namespace vigil
