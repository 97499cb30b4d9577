// What is asked of the work service, in its forms and bounds.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "store/records.h"
#include "vigil/v1/work_service.pb.h"

namespace vigil {

inline constexpr uint32_t kDefaultClaim = 10;
inline constexpr uint32_t kLargestClaim = 100;

// With the defaults for what is not said. Error INVALID_FIELD.   (P11)
Result<NewWork> FromProto(const v1::StartWorkRequest& request);
Result<OrphansClaim> FromProto(const v1::ClaimOrphansRequest& request);

// Error INVALID_FIELD.   (P11)
Result<void> Check(const v1::CheckpointWorkRequest& request);
Result<void> Check(const v1::CompleteWorkRequest& request);
Result<void> Check(const v1::ReleaseWorkRequest& request);
Result<void> Check(const v1::FailWorkRequest& request);
Result<void> Check(const v1::TransferWorkRequest& request);
Result<void> Check(const v1::ClaimWorkRequest& request);
Result<void> Check(const v1::ReleaseQuarantinedWorkRequest& request);
Result<void> Check(const v1::GetWorkRequest& request);
Result<void> Check(const v1::ListWorkRequest& request);

// Of a request that was checked.
WorkFilter FilterOf(const v1::ListWorkRequest& request);

}  // namespace vigil
