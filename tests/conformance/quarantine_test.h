// Words for what tests do to items whose owners keep dying or failing.
#pragma once

#include "conformance/store_test.h"

namespace vigil {

class QuarantineTest : public StoreTest {
 protected:
  // A pod that takes the item, in whichever way it is there to be taken.
  Pod Adopt(Host& host, const std::string& key) {
    Pod pod = Register(host, Numbered("adopter-", ++adopters_));
    EXPECT_EQ(Must(Claim(pod, Item(key))).outcome, ClaimOutcome::kClaimed);
    return pod;
  }

  WorkItem Fail(const std::string& key, const std::string& reason = "too large") {
    return Must(store().FailWork(HolderOf(Item(key)), reason));
  }

  // An item that failed as often as it may, and once more.
  WorkItem Quarantined(Host& host, const std::string& key) {
    StartWork(Register(host, "first of " + key), key, Competing(1));
    Fail(key);
    Adopt(host, key);
    WorkItem item = Fail(key);
    EXPECT_EQ(item.state, WorkState::kQuarantined);
    return item;
  }

 private:
  int adopters_ = 0;
};

}  // namespace vigil
