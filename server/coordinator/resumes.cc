#include "coordinator/resumes.h"

#include <memory>
#include <set>
#include <utility>

namespace vigil {
namespace {

// Of one namespace. While the database does not answer one of them, the others go on.
constexpr int kMostTransactions = 4;

}  // namespace

void Resumes::Add(ResumePod pod, Awaited awaited, Then<Pod> done) {
  const std::string ns = pod.ns;
  queues_[ns].waiting.push_back({std::move(pod), std::move(awaited), std::move(done)});
  Commit(ns);
}

Resumes::Batch Resumes::TakeBatch(Queue& queue) {
  Batch batch;
  std::set<Incarnation> taken;
  for (auto waiting = queue.waiting.begin();
       waiting != queue.waiting.end() && batch.size() < kMostResumed;) {
    if (taken.insert(waiting->pod.incarnation).second) {
      batch.push_back(std::move(*waiting));
      waiting = queue.waiting.erase(waiting);
    } else {
      ++waiting;
    }
  }
  return batch;
}

Resumed Resumes::Resume(Store& store, const Batch& batch, const TellRefuted& refuted) {
  Resumed outcomes(batch.size(), Fail(NobodyWaits()));
  std::vector<ResumePod> pods;
  std::vector<size_t> places;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].awaited.expired()) continue;
    pods.push_back(batch[i].pod);
    places.push_back(i);
  }
  if (pods.empty()) return outcomes;
  auto resumed = store.Resume(pods, refuted);
  for (size_t i = 0; i < pods.size(); ++i) {
    outcomes[places[i]] = resumed ? std::move((*resumed)[i]) : Fail(resumed.error());
  }
  return outcomes;
}

void Resumes::Commit(const std::string& ns) {
  Queue& queue = queues_[ns];
  if (queue.transactions == kMostTransactions) return;
  const auto batch = std::make_shared<const Batch>(TakeBatch(queue));
  if (batch->empty()) {
    if (queue.transactions == 0) queues_.erase(ns);
    return;
  }
  ++queue.transactions;
  Ask<Resumed>(
      lane_, scheduler_,
      [batch, &measures = measures_](Store& store) -> Result<Resumed> {
        return Resume(store, *batch, [&measures](Duration stood) { measures.Refuted(stood); });
      },
      [this, ns, batch](Result<Resumed> outcomes) {
        --queues_[ns].transactions;
        Commit(ns);
        for (size_t i = 0; i < batch->size(); ++i) {
          (*batch)[i].done(outcomes ? std::move((*outcomes)[i]) : Fail(outcomes.error()));
        }
      });
}

}  // namespace vigil
