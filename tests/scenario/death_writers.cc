#include "death_writers.h"

#include <string>

#include "crowd.h"

namespace vigil {
namespace {

constexpr int kPodsAtOnce = 4;

}  // namespace

DeathWriters::DeathWriters(VigilCluster& cluster, int writers) {
  for (int writer = 0; writer < writers; ++writer) {
    const auto connected = cluster.Connect(writer % cluster.size());
    if (!connected) continue;
    threads_.emplace_back([this, client = *connected, writer] { Write(client, writer); });
  }
}

void DeathWriters::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void DeathWriters::Write(const client::Client& client, int writer) {
  for (int round = 0; !stopping_; ++round) {
    Crowd crowd(client,
                {.prefix = "writer-" + std::to_string(writer) + "-" + std::to_string(round) + "-",
                 .size = kPodsAtOnce,
                 .profile = client::Profile::kFast});
    if (crowd.AwaitRegistered().empty()) ended_ += kPodsAtOnce;
  }
}

}  // namespace vigil
