#include "coordinator/delivery.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace vigil {
namespace {

// The numbers, tags and lengths of an event.
constexpr size_t kFixedBytes = 64;

// A label's place among the others, beside its text.
constexpr size_t kLabelInMemory = 120;

size_t BytesOf(const std::vector<Event>& events) {
  return std::accumulate(
      events.begin(), events.end(), size_t{0},
      [](size_t bytes, const Event& event) { return bytes + vigil::BytesOf(event); });
}

size_t BytesInMemory(const std::vector<Event>& events) {
  return std::accumulate(events.begin(), events.end(), size_t{0},
                         [](size_t bytes, const Event& event) {
                           return bytes + sizeof(Event) + vigil::BytesOf(event) +
                                  event.pod_labels.size() * kLabelInMemory;
                         });
}

}  // namespace

size_t BytesOf(const Event& event) {
  size_t bytes = kFixedBytes + event.pod_name.size() + event.work_key.size();
  for (const auto& [key, value] : event.pod_labels) bytes += 8 + key.size() + value.size();
  return bytes;
}

Delivery::Delivery(std::vector<Event> events, Cursor cursor)
    : events_(std::move(events)),
      cursor_(std::move(cursor)),
      bytes_(sizeof(Delivery) + BytesInMemory(events_) + BytesOf(events_)) {}

EventBatch::EventBatch(std::string ns, std::vector<Event> events)
    : ns_(std::move(ns)), events_(std::move(events)), bytes_(BytesOf(events_)) {}

std::shared_ptr<const EventBatch> EventBatch::After(Position position) const {
  const auto place = position.seq.value - events_.front().seq.value;
  const auto last = events_.begin() + static_cast<std::ptrdiff_t>(place);
  if (last->position() != position) return nullptr;
  return std::make_shared<const EventBatch>(ns_, std::vector<Event>(last + 1, events_.end()));
}

const std::shared_ptr<const Delivery>& EventBatch::For(const EventFilter& filter) const {
  auto& delivery = deliveries_[filter];
  if (!delivery) {
    std::vector<Event> chosen;
    std::ranges::copy_if(events_, std::back_inserter(chosen),
                         [&](const Event& event) { return filter.Passes(event); });
    delivery = std::make_shared<const Delivery>(std::move(chosen), Cursor{end(), ns_});
  }
  return delivery;
}

std::vector<std::shared_ptr<const EventBatch>> EventBatch::Split(const std::string& ns,
                                                                 std::vector<Event> events) {
  std::vector<std::shared_ptr<const EventBatch>> batches;
  auto begin = events.begin();
  auto end_of_whole = begin;
  size_t bytes = 0;
  const auto cut = [&](auto end) {
    batches.push_back(std::make_shared<const EventBatch>(
        ns, std::vector<Event>(std::make_move_iterator(begin), std::make_move_iterator(end))));
    begin = end;
  };
  for (auto event = events.begin(); event != events.end(); ++event) {
    bytes += BytesOf(*event);
    if (bytes > kLargestDelivery && end_of_whole != begin) {
      bytes = 0;
      for (auto kept = end_of_whole; kept <= event; ++kept) bytes += BytesOf(*kept);
      cut(end_of_whole);
    }
    if (event->seq == event->transaction_end) end_of_whole = event + 1;
  }
  if (begin != events.end()) cut(events.end());
  return batches;
}

}  // namespace vigil
