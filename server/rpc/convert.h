// The domain's words as the contract's messages, and back.
#pragma once

#include "base/error.h"
#include "coordinator/pod_stream.h"
#include "coordinator/subscriber_stream.h"
#include "core/types.h"
#include "vigil/v1/pod_event_service.pb.h"
#include "vigil/v1/pod_registry_service.pb.h"
#include "vigil/v1/types.pb.h"

namespace vigil {

v1::Cause ToProto(Cause cause);
v1::Pod ToProto(const Pod& pod);
v1::WorkItem ToProto(const WorkItem& item);
v1::SessionResponse ToProto(const HostMessage& message);
v1::SubscribeResponse ToProto(const SnapshotPart& part);
v1::SubscribeResponse ToProto(const Delivery& delivery);
v1::SubscribeResponse ToProto(const SubscriberMessage& message);

// Errors: INVALID_FIELD, INVALID_CURSOR, PROTOCOL_VIOLATION.
Result<PodMessage> FromProto(const v1::SessionRequest& request);
Result<SubscriptionRequest> FromProto(const v1::SubscribeRequest& request);

}  // namespace vigil
