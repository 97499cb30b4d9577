// From the messages of the protocol to the types of this library.
#pragma once

#include <google/protobuf/duration.pb.h>

#include <vector>

#include "vigil/event.h"
#include "vigil/pod.h"
#include "vigil/v1/pod_event_service.pb.h"
#include "vigil/v1/types.pb.h"
#include "vigil/work.h"

namespace vigil::client {

Pod FromProto(const v1::Pod& pod);
FormerOwner FromProto(const v1::FormerOwner& owner);
WorkItem FromProto(const v1::WorkItem& item);
Event FromProto(const v1::Event& event);
Duration FromProto(const google::protobuf::Duration& duration);

google::protobuf::Duration ToProto(Duration duration);
v1::EventFilter ToProto(const EventFilter& filter);
v1::Profile ToProto(Profile profile);

template <class To, class From>
std::vector<To> FromProtos(const From& messages) {
  std::vector<To> values;
  values.reserve(static_cast<std::size_t>(messages.size()));
  for (const auto& message : messages) values.push_back(FromProto(message));
  return values;
}

}  // namespace vigil::client
