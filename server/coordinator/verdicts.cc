#include "coordinator/verdicts.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace vigil {
void Verdicts::Suspect(const std::string& ns, HostedPod pod, Cause cause, Done done) {
  Add({Verdict::kSuspect, ns, cause}, pod, std::move(done));
}

void Verdicts::Declare(const std::string& ns, HostedPod pod, Cause cause, Done done) {
  Add({Verdict::kDeclare, ns, cause}, pod, std::move(done));
}

void Verdicts::Add(const Kind& kind, HostedPod pod, Done done) {
  Queue& queue = queues_[kind];
  queue.waiting.push_back({pod, std::move(done)});
  if (!queue.under_way) Commit(kind);
}

void Verdicts::Commit(const Kind& kind) {
  Queue& queue = queues_[kind];
  if (queue.waiting.empty()) {
    queues_.erase(kind);
    return;
  }
  const auto size = static_cast<std::ptrdiff_t>(std::min(queue.waiting.size(), kLargestVerdict));
  auto batch =
      std::make_shared<std::vector<Waiting>>(std::make_move_iterator(queue.waiting.begin()),
                                             std::make_move_iterator(queue.waiting.begin() + size));
  queue.waiting.erase(queue.waiting.begin(), queue.waiting.begin() + size);
  queue.under_way = true;

  std::vector<HostedPod> pods;
  for (const Waiting& waiting : *batch) pods.push_back(waiting.pod);
  Ask<WrittenEvents>(
      lane_, scheduler_,
      [kind, pods, news = news_](Store& store) {
        const auto& [verdict, ns, cause] = kind;
        const auto committed = [&news, &kind](const WrittenEvents& written) {
          news.Committed(std::get<std::string>(kind), written);
        };
        return verdict == Verdict::kSuspect ? store.SuspectHosted(ns, cause, pods, committed)
                                            : store.DeclareHosted(ns, cause, pods, committed);
      },
      [this, kind, batch](const Result<WrittenEvents>& written) {
        queues_[kind].under_way = false;
        Commit(kind);
        const auto left_work = [](const Event& event) { return event.orphans > 0; };
        if (written && std::ranges::any_of(written->events, left_work)) {
          assigner_.Look(std::get<std::string>(kind));
        }
        for (const Waiting& waiting : *batch) {
          if (!written) {
            waiting.done(Fail(written.error()));
            continue;
          }
          waiting.done(std::ranges::any_of(written->events, [&](const Event& event) {
            return event.incarnation == waiting.pod.incarnation;
          }));
        }
      });
}

}  // namespace vigil
