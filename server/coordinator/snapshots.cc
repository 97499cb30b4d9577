#include "coordinator/snapshots.h"

#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr size_t kLargestPart = 500;

size_t BytesOf(const Pod& pod) {
  size_t bytes = 128 + pod.name.size();
  for (const auto& [key, value] : pod.labels) bytes += 8 + key.size() + value.size();
  return bytes;
}

}  // namespace

Snapshot::Snapshot(std::string ns, PodSnapshot read, Instant asked)
    : ns_(std::move(ns)),
      pods_(std::move(read.pods)),
      head_(read.head),
      reading_{read.oldest, read.head.seq, asked} {}

Snapshot::Piece Snapshot::From(size_t begin, const EventFilter& filter) const {
  if (!filter.pod_labels.empty()) return Cut(begin, filter);
  Piece& piece = pieces_[begin];
  if (!piece.part) piece = Cut(begin, filter);
  return piece;
}

Snapshot::Piece Snapshot::Cut(size_t begin, const EventFilter& filter) const {
  auto part = std::make_shared<SnapshotPart>();
  size_t bytes = 0;
  size_t next = begin;
  for (; next < pods_.size(); ++next) {
    const Pod& pod = pods_[next];
    if (!filter.Passes(pod)) continue;
    bytes += BytesOf(pod);
    const bool full = part->pods.size() == kLargestPart || bytes > kLargestDelivery;
    if (full && !part->pods.empty()) break;
    part->pods.push_back(pod);
  }
  if (next == pods_.size()) part->cursor = Cursor{head_, ns_};
  return {std::move(part), next};
}

void Snapshots::Get(const std::string& ns, Then<Shared> then) {
  DropOld();
  Entry& entry = entries_[ns];
  if (alive_.size() < kMost) {
    entry.waiting.push_back(std::move(then));
    if (!entry.reading) Read(ns);
  } else if (const Shared latest = entry.latest.lock()) {
    scheduler_.Post([latest, then = std::move(then)] { then(latest); });
  } else {
    scheduler_.Post([then = std::move(then)] {
      then(Fail(LimitReached("snapshots", "too many subscribers have a snapshot under way")));
    });
  }
}

void Snapshots::Read(const std::string& ns) {
  Entry& wanted = entries_[ns];
  wanted.reading = true;
  Ask<PodSnapshot>(
      lane_, scheduler_, [ns](Store& store) { return store.Snapshot(ns); },
      [this, ns, asked = clock_.Now(),
       asking = std::exchange(wanted.waiting, {})](Result<PodSnapshot> read) {
        Entry& entry = entries_[ns];
        entry.reading = false;
        if (!entry.waiting.empty()) Read(ns);
        if (!read) {
          for (const auto& then : asking) then(Fail(read.error()));
          return;
        }
        const auto snapshot = std::make_shared<const Snapshot>(ns, std::move(*read), asked);
        entry.latest = snapshot;
        alive_.push_back(snapshot);
        for (const auto& then : asking) then(snapshot);
      });
}

void Snapshots::DropOld() {
  std::erase_if(alive_, [](const auto& one) { return one.expired(); });
  std::erase_if(entries_, [](const auto& entry) {
    return !entry.second.reading && entry.second.latest.expired();
  });
}

}  // namespace vigil
