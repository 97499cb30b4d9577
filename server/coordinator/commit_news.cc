#include "coordinator/commit_news.h"

namespace vigil {
namespace {

// Transactions that wait to be served as they were committed.   (P11)
constexpr int kMostOnTheirWay = 64;

}  // namespace

void CommitNews::Wake() const {
  if (on_their_way_->wake.exchange(true)) return;
  scheduler_.Post([this_news = *this] {
    this_news.on_their_way_->wake = false;
    this_news.log_.Wake();
  });
}

void CommitNews::Committed(const std::string& ns, const WrittenEvents& written) const {
  if (++on_their_way_->committed > kMostOnTheirWay) {
    // Whoever tells subscribers is behind: it reads them, many at once.
    --on_their_way_->committed;
    return Wake();
  }
  scheduler_.Post([this_news = *this, ns, written] {
    --this_news.on_their_way_->committed;
    this_news.log_.Committed(ns, written);
  });
}

}  // namespace vigil
