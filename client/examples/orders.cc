// A pod that packs an order, a parcel at a time, into tables of its own (orders.sql). Start two of
// them, stop the first (kill -STOP) until the second goes on in its place, and wake it: it packs
// nothing any more.
//
//     psql -f orders.sql -c "INSERT INTO orders VALUES ('order-7')" "$DATABASE"
//     vigil_example_orders 127.0.0.1:7420 packer-1 "$DATABASE" order-7 20
//
// Ends with 0 when the order is packed, with 4 when it was FENCED, and with 1 when the pod is LOST
// or something else failed.
#include "orders.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/work.h"

using namespace vigil::client;

namespace {

constexpr auto kLook = std::chrono::milliseconds(50);
// What it takes to pack a parcel.
constexpr auto kParcel = std::chrono::milliseconds(20);

int Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

// Waits until the item is this pod's, or completed. Nothing when that cannot be.
std::optional<WorkItem> Own(const Work& work, const PodSession& session, const std::string& key) {
  const Incarnation self = session.standing().incarnation;
  while (session.alive_until()) {
    const auto started = work.Start(self, key);
    if (started) {
      const WorkItem& item = started->item;
      if (item.owner == self || started->outcome == StartOutcome::kCompleted) return item;
      if (item.orphan) {
        const auto claimed = work.Claim(self, key, item.owner, item.fence);
        if (claimed && claimed->outcome == ClaimOutcome::kClaimed) return claimed->item;
      }
    }
    std::this_thread::sleep_for(kLook);
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: %s ADDRESS POD DATABASE ORDER PARCELS\n", argv[0]);
    return 2;
  }
  const std::string order = argv[4];
  const int parcels = std::atoi(argv[5]);
  auto client = Client::Create({.addresses = {argv[1]}});
  if (!client) return Fail(Describe(client.error()));
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(argv[3]), PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) return Fail(PQerrorMessage(connection.get()));
  Orders orders(connection.get());

  PodSession session(*client, {.name = argv[2], .profile = Profile::kFast});
  auto registration = session.AwaitRegistration();
  if (!registration) return Fail(Describe(registration.error()));
  const Work work(*client, "default");
  const auto item = Own(work, session, order);
  if (!item) return Fail("the pod is LOST");
  if (item->state == WorkState::kCompleted) return 0;
  const std::uint64_t fence = item->fence.value();

  // First the fence, and only then what there is to go on from.
  auto outcome = orders.TakeOver(order, fence);
  const auto packed = orders.CountParcels(order);
  if (!packed) return Fail(PQerrorMessage(connection.get()));
  for (int number = *packed + 1; outcome == Orders::Outcome::kDone && number <= parcels; ++number) {
    if (!session.alive_until()) return Fail("the pod is LOST");
    std::this_thread::sleep_for(kParcel);
    // However long this pod was paused just now, the fence decides.
    outcome = orders.Pack(order, fence, number, std::string("packed by ") + argv[2]);
    std::printf("parcel %d, fence %llu\n", number, static_cast<unsigned long long>(fence));
    std::fflush(stdout);
  }
  if (outcome == Orders::Outcome::kFenced) return 4;
  if (outcome == Orders::Outcome::kFailed) return Fail(PQerrorMessage(connection.get()));
  auto completed = work.Complete(session.standing().incarnation, order, item->fence);
  if (!completed) return Fail(Describe(completed.error()));
  auto left = session.Leave();
  return left ? 0 : Fail(Describe(left.error()));
}
