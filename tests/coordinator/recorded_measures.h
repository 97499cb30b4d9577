// What a coordinator was heard to tell of itself.
#pragma once

#include <map>
#include <vector>

#include "core/measures.h"

namespace vigil {

class RecordedMeasures final : public Measures {
 public:
  struct Death {
    Cause cause;
    Duration after_evidence;
  };

  void Suspected(Evidence evidence) override { suspected.push_back(evidence); }
  void Refuted(Duration stood) override { refuted.push_back(stood); }
  void Confirmed(Duration stood) override { confirmed.push_back(stood); }
  void Died(Cause cause, Duration after_evidence) override {
    deaths.push_back({cause, after_evidence});
  }
  void Renewed(Duration margin) override { margins.push_back(margin); }
  void Probed(Duration /*took*/) override { ++probes; }
  void Pinged(Duration /*took*/) override { ++pings; }
  void Served(size_t events) override { served += events; }
  void Ended(SubscriptionEnd end) override { ++ends[end]; }

  std::vector<Evidence> suspected;
  std::vector<Duration> refuted;
  std::vector<Duration> confirmed;
  std::vector<Death> deaths;
  std::vector<Duration> margins;
  int probes = 0;
  int pings = 0;
  size_t served = 0;
  std::map<SubscriptionEnd, int> ends;
};

}  // namespace vigil
