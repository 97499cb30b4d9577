// The forms and bounds of what is asked of the work service.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "vigil/v1/work_service.pb.h"

namespace vigil {

inline constexpr uint32_t kLargestClaim = 100;

// Error INVALID_FIELD.   (P11)
Result<void> Check(const v1::StartWorkRequest& request);
Result<void> Check(const v1::CheckpointWorkRequest& request);
Result<void> Check(const v1::CompleteWorkRequest& request);
Result<void> Check(const v1::ReleaseWorkRequest& request);
Result<void> Check(const v1::ClaimWorkRequest& request);
Result<void> Check(const v1::ClaimOrphansRequest& request);
Result<void> Check(const v1::GetWorkRequest& request);
Result<void> Check(const v1::ListWorkRequest& request);

}  // namespace vigil
