// Somebody who works on a few items, with others who want the same ones: mostly sensibly, at times
// late, and now and then with what is not his.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "linearizability/calls.h"

namespace vigil::linearizability {

// Chooses calls by chance, and by what it has been answered. When an item is completed, the next
// one takes its place.
//
// Thread safety: one caller at a time.
class RandomCaller {
 public:
  struct Options {
    uint32_t seed = 1;
    // Of so many at a time, which are called item-0-0, item-1-0 and so on.
    size_t items = 2;
  };

  explicit RandomCaller(const Options& options) : options_(options), random_(options.seed) {}

  // From here on it is this incarnation, and has not been told that it has ended.
  void Become(Incarnation self);
  Incarnation self() const { return self_; }
  bool ended() const { return ended_; }

  Call Next();
  void Learn(const Answers& answers);

 private:
  // What the last answer has told of an item.
  struct Known {
    WorkState state = WorkState::kReleased;
    Incarnation owner;
    Fence fence;
  };

  size_t Pick(size_t below) { return random_() % below; }
  bool OneIn(size_t many) { return Pick(many) == 0; }
  std::string KeyAt(size_t place) const;
  std::string FreshText();
  void Remember(Incarnation owner, const std::string& name);
  Call Working(Call call);
  Call GivingUp(Call call);
  Call Wanting(Call call, const Known& known);
  Call Claiming(Call call, const Known& known);
  Call Writing(Call call);
  void MoveOn(const std::string& key);

  const Options options_;
  std::mt19937 random_;
  Incarnation self_;
  bool ended_ = false;
  uint64_t texts_ = 0;
  std::map<size_t, uint64_t> completed_;
  std::map<std::string, Known> known_;
  // Who was an owner, and the name of its pod.
  std::vector<std::pair<Incarnation, std::string>> seen_;
};

}  // namespace vigil::linearizability
