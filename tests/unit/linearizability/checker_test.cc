// Histories by hand: those that one item can explain pass, and each mistake is found.
#include "linearizability/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/errors.h"

namespace vigil::linearizability {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kKey = "a";

Instant At(int time) { return Instant(milliseconds(time)); }

Call Start(uint64_t caller) {
  return {.operation = Operation::kStart, .key = kKey, .caller = {caller}, .text = "payload"};
}
Call Write(Operation operation, uint64_t caller, uint64_t fence, std::string text = "") {
  return {.operation = operation,
          .key = kKey,
          .caller = {caller},
          .fence = {fence},
          .text = std::move(text)};
}
Call Checkpoint(uint64_t caller, uint64_t fence, std::string text) {
  return Write(Operation::kCheckpoint, caller, fence, std::move(text));
}
Call Complete(uint64_t caller, uint64_t fence) {
  return Write(Operation::kComplete, caller, fence, "done");
}
Call Release(uint64_t caller, uint64_t fence) { return Write(Operation::kRelease, caller, fence); }
Call Claim(uint64_t caller, uint64_t owner, uint64_t fence) {
  return {.operation = Operation::kClaim,
          .key = kKey,
          .caller = {caller},
          .expected_owner = {owner},
          .fence = {fence}};
}
Call ClaimOrphans(uint64_t caller) {
  return {.operation = Operation::kClaimOrphans, .caller = {caller}};
}
Call Get() { return {.operation = Operation::kGet, .key = kKey}; }
Call Die(uint64_t incarnation) { return {.operation = Operation::kDie, .caller = {incarnation}}; }
Call Leave(uint64_t incarnation) {
  return {.operation = Operation::kLeave, .caller = {incarnation}};
}
Call Fail(uint64_t caller, uint64_t fence) { return Write(Operation::kFail, caller, fence, "no"); }
Call Transfer(uint64_t caller, uint64_t fence, uint64_t receiver) {
  Call call = Write(Operation::kTransfer, caller, fence);
  call.receiver = {receiver};
  return call;
}

Answer Shows(std::string word, uint64_t owner, uint64_t fence, std::string checkpoint = "") {
  return {std::move(word), Item{.owner = {owner},
                                .fence = {fence},
                                .payload = "payload",
                                .checkpoint = std::move(checkpoint)}};
}
Answer Released(uint64_t fence, std::string checkpoint = "") {
  Answer answer = Shows("OK", 0, fence, std::move(checkpoint));
  answer.item->state = WorkState::kReleased;
  return answer;
}
Answer Completed(std::string word, uint64_t owner, uint64_t fence, std::string checkpoint = "") {
  Answer answer = Shows(std::move(word), owner, fence, std::move(checkpoint));
  answer.item->state = WorkState::kCompleted;
  answer.item->result = "done";
  return answer;
}
Answer Orphan(std::string word, uint64_t owner, uint64_t fence, std::string checkpoint = "") {
  Answer answer = Shows(std::move(word), owner, fence, std::move(checkpoint));
  answer.item->orphan = true;
  return answer;
}
Answer FencedBy(uint64_t owner, uint64_t fence) {
  return {std::string(reason::kFenced), Item{.owner = {owner}, .fence = {fence}}};
}
Answer OwnerAliveIs(uint64_t owner, uint64_t fence) {
  return {std::string(reason::kOwnerAlive), Item{.owner = {owner}, .fence = {fence}}};
}
Answer Refused(std::string_view reason) { return {std::string(reason)}; }
Answer Done() { return {"OK"}; }

class LinearizabilityTest : public ::testing::Test {
 public:
  LinearizabilityTest& Add(int called, int answered, Call call, Answer answer) {
    if (call.operation == Operation::kClaimOrphans) call.key = kKey;
    history_.records.push_back({.call = std::move(call),
                                .who = "thread " + std::to_string(history_.records.size()),
                                .called = At(called),
                                .answer = std::move(answer),
                                .answered = At(answered)});
    return *this;
  }
  LinearizabilityTest& AddUnknown(int called, Call call) {
    history_.records.push_back(
        {.call = std::move(call), .who = "whoever was killed", .called = At(called)});
    return *this;
  }
  LinearizabilityTest& AddRepeated(int called, int answered, Call call, Answer answer) {
    Add(called, answered, std::move(call), std::move(answer));
    history_.records.back().repeated = true;
    return *this;
  }
  // 1 starts it at 0, and leaves between 20 and 30.
  LinearizabilityTest& OneStartsAndLeaves() {
    return Add(0, 5, Start(1), Shows("STARTED", 1, 1)).Add(20, 30, Leave(1), Done());
  }
  LinearizabilityTest& Log(EventKind kind, uint64_t pod, uint64_t fence = 0,
                           uint64_t previous = 0) {
    if (!history_.log) history_.log.emplace();
    Event& event = history_.log->emplace_back();
    event.kind = kind;
    event.incarnation = {pod};
    event.fence = {fence};
    event.previous_owner = {previous};
    if (kind != EventKind::kPodDied && kind != EventKind::kPodLeft) event.work_key = kKey;
    return *this;
  }

 protected:
  void ExpectGood() {
    const Judgement judgement = Judge(history_, kKey);
    EXPECT_EQ(judgement.verdict, Verdict::kLinearizable) << judgement.explanation;
    EXPECT_THAT(Contradictions(history_), IsEmpty());
  }
  // Returns what is said about it.
  std::string ExpectBad() {
    Judgement judgement = Judge(history_, kKey);
    EXPECT_EQ(judgement.verdict, Verdict::kNotLinearizable);
    EXPECT_THAT(Contradictions(history_), ::testing::ElementsAre(judgement.explanation));
    return std::move(judgement.explanation);
  }

  History history_;
};

TEST_F(LinearizabilityTest, OneAfterAnother_Passes) {
  OneStartsAndLeaves()
      .Add(6, 7, Checkpoint(1, 1, "half"), Shows("OK", 1, 1, "half"))
      .Add(8, 9, Start(2), Shows("OWNED", 1, 1, "half"))
      .Add(10, 11, Claim(2, 1, 1), OwnerAliveIs(1, 1))
      .Add(31, 32, Get(), Orphan("OK", 1, 1, "half"))
      .Add(33, 34, Start(2), Orphan("ORPHANED", 1, 1, "half"))
      .Add(35, 36, Claim(2, 1, 1), Shows("CLAIMED", 2, 2, "half"))
      .Add(37, 38, Checkpoint(1, 1, "late"), FencedBy(2, 2))
      .Add(39, 40, Claim(1, 2, 2), Refused(reason::kIncarnationEnded))
      .Add(41, 42, Release(2, 2), Released(2, "half"))
      .Add(43, 44, Release(2, 2), Released(2, "half"))
      .Add(45, 46, Start(3), Shows("STARTED", 3, 3, "half"))
      .Add(47, 48, Complete(3, 3), Completed("OK", 3, 3, "half"))
      .Add(49, 50, Claim(2, 3, 3), Refused(reason::kWorkCompleted));
  ExpectGood();
}

TEST_F(LinearizabilityTest, AtOnce_SomeOrderWillDo) {
  OneStartsAndLeaves()
      .Add(31, 50, Claim(2, 1, 1), Shows("CLAIMED", 2, 2))
      .Add(32, 33, Claim(3, 1, 1), Shows("LOST", 2, 2))
      .Add(25, 40, Get(), Shows("OK", 1, 1))
      .Add(34, 45, Checkpoint(1, 1, "late"), FencedBy(2, 2))
      .Add(60, 70, Checkpoint(2, 2, "one"), Shows("OK", 2, 2, "one"))
      .Add(61, 69, Checkpoint(2, 2, "two"), Shows("OK", 2, 2, "two"))
      .Add(71, 72, Get(), Shows("OK", 2, 2, "one"));
  ExpectGood();
}

TEST_F(LinearizabilityTest, Unknown_MayTakeEffectLateOrNever) {
  OneStartsAndLeaves().AddUnknown(6, Checkpoint(1, 1, "half"));
  ExpectGood();
  Add(10, 11, Get(), Shows("OK", 1, 1));
  Add(12, 13, Get(), Shows("OK", 1, 1, "half"));
  ExpectGood();
  AddUnknown(32, Claim(2, 1, 1)).Add(40, 41, Get(), Orphan("OK", 1, 1, "half"));
  Add(50, 51, Get(), Shows("OK", 2, 2, "half"));
  ExpectGood();
  Add(52, 53, Get(), Orphan("OK", 1, 1, "half"));
  ExpectBad();
}

TEST_F(LinearizabilityTest, Unknown_OfAnyItemMayBeOfThisOne) {
  OneStartsAndLeaves().AddUnknown(31, ClaimOrphans(2)).AddUnknown(35, Leave(2));
  Add(40, 41, Get(), Orphan("OK", 2, 2));
  Add(42, 43, ClaimOrphans(3), Shows("CLAIMED", 3, 3));
  ExpectGood();
}

TEST_F(LinearizabilityTest, Unknown_NotBeforeItWasMade) {
  OneStartsAndLeaves().AddUnknown(12, Checkpoint(1, 1, "half"));
  Add(10, 11, Get(), Shows("OK", 1, 1, "half"));
  ExpectBad();
}

TEST_F(LinearizabilityTest, Repeated_ARefusalMayFollowItsOwnEffect) {
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  AddRepeated(10, 30, Release(1, 1), FencedBy(2, 2));
  Add(12, 14, Start(2), Shows("STARTED", 2, 2));
  ExpectGood();
  history_.records[1].repeated = false;
  ExpectBad();
}

TEST_F(LinearizabilityTest, Repeated_TheEffectIsNotAfterTheAnswer) {
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  AddRepeated(10, 12, Claim(2, 1, 1), OwnerAliveIs(1, 1));
  Add(20, 30, Leave(1), Done()).Add(40, 41, Get(), Shows("OK", 2, 2));
  ExpectBad();
}

TEST_F(LinearizabilityTest, TwoWinners_AreFound) {  // P5
  OneStartsAndLeaves()
      .Add(31, 50, Claim(2, 1, 1), Shows("CLAIMED", 2, 2))
      .Add(32, 51, Claim(3, 1, 1), Shows("CLAIMED", 3, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be LOST (OWNED, owner 2, fence 2"));
}

TEST_F(LinearizabilityTest, FenceThatDoesNotGrow_IsFound) {  // P5
  OneStartsAndLeaves().Add(31, 32, Claim(2, 1, 1), Shows("CLAIMED", 2, 1));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be CLAIMED (OWNED, owner 2, fence 2"));
}

TEST_F(LinearizabilityTest, StaleFenceAccepted_IsFound) {  // P5
  Add(0, 5, Start(1), Shows("STARTED", 1, 1)).Add(6, 7, Release(1, 1), Released(1));
  Add(8, 9, Start(1), Shows("STARTED", 1, 2));
  Add(10, 11, Checkpoint(1, 1, "stale"), Shows("OK", 1, 2, "stale"));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be FENCED (owner 1, fence 2)"));
}

TEST_F(LinearizabilityTest, WrongOwnerExpected_IsFound) {  // P5
  OneStartsAndLeaves().Add(31, 32, Claim(2, 7, 1), Shows("CLAIMED", 2, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be LOST (OWNED orphan, owner 1, fence 1"));
}

TEST_F(LinearizabilityTest, ClaimFromTheLiving_IsFound) {  // P6
  OneStartsAndLeaves().Add(15, 19, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be OWNER_ALIVE (owner 1, fence 1)"));
  // While it dies, it may be dead already.
  history_.records.back().answered = At(21);
  ExpectGood();
}

TEST_F(LinearizabilityTest, ClaimByTheDead_IsFound) {  // P6
  OneStartsAndLeaves().Add(31, 32, Die(2), Done());
  Add(33, 34, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be INCARNATION_ENDED"));
}

TEST_F(LinearizabilityTest, WriteOfTheDead_IsFound) {  // P6
  OneStartsAndLeaves().Add(31, 32, Checkpoint(1, 1, "late"), Orphan("OK", 1, 1, "late"));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be INCARNATION_ENDED"));
}

TEST_F(LinearizabilityTest, GivenUpAndTransferred_Passes) {
  const auto adopted = [](Answer answer, uint32_t times) {
    answer.item->adoptions = times;
    return answer;
  };
  Add(0, 1, Start(1), Shows("STARTED", 1, 1)).Add(2, 3, Die(1), Done());
  Add(4, 5, Claim(2, 1, 1), adopted(Shows("CLAIMED", 2, 2), 1));
  Add(6, 7, Fail(2, 2), adopted(Released(2), 2)).Add(8, 9, Fail(2, 2), adopted(Released(2), 2));
  Add(10, 11, Start(3), adopted(Shows("STARTED", 3, 3), 2));
  Add(12, 13, Transfer(3, 3, 1), Refused(reason::kPodNotFound));
  Add(14, 15, Transfer(3, 3, 3), adopted(Shows("OK", 3, 3), 2));
  Add(16, 17, Transfer(3, 3, 4), adopted(Shows("OK", 4, 4), 2));
  Add(18, 19, Transfer(3, 3, 4), adopted(Shows("OK", 4, 4), 2));
  Add(20, 21, Transfer(3, 3, 5), FencedBy(4, 4));
  ExpectGood();
  Log(EventKind::kPodDied, 1).Log(EventKind::kWorkClaimed, 2, 2, 1);
  Log(EventKind::kWorkReleased, 2, 2).Log(EventKind::kWorkClaimed, 3, 3);
  Log(EventKind::kWorkClaimed, 4, 4, 3);
  ExpectGood();
}

TEST_F(LinearizabilityTest, Repeated_ATransferMayShowWhatCameOfItSince) {
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  AddRepeated(10, 30, Transfer(1, 1, 2), Shows("OK", 2, 2, "half"));
  Add(12, 14, Checkpoint(2, 2, "half"), Shows("OK", 2, 2, "half"));
  ExpectGood();
  history_.records[1].repeated = false;
  ExpectBad();
}

TEST_F(LinearizabilityTest, TransferToTheDead_IsFound) {  // P6
  OneStartsAndLeaves().Add(6, 7, Die(2), Done());
  Add(8, 9, Transfer(1, 1, 2), Orphan("OK", 2, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be POD_NOT_FOUND"));
}

TEST_F(LinearizabilityTest, EarlierState_IsNotShownAgain) {
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  Add(6, 9, Checkpoint(1, 1, "one"), Shows("OK", 1, 1, "one"));
  Add(10, 11, Get(), Shows("OK", 1, 1));
  EXPECT_THAT(
      ExpectBad(),
      HasSubstr(R"(it would be OK (OWNED, owner 1, fence 1, adopted 0 times, "payload", "one")"));
  // At the same time as the checkpoint, it may be the state before it.
  history_.records.back().called = At(8);
  ExpectGood();
}

TEST_F(LinearizabilityTest, RefusalWithAWrongOwner_IsFound) {
  OneStartsAndLeaves().Add(31, 32, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  Add(33, 34, Release(1, 1), FencedBy(3, 2));
  EXPECT_THAT(ExpectBad(), HasSubstr("it would be FENCED (owner 2, fence 2)"));
}

TEST_F(LinearizabilityTest, Explanation_IsOfTheShortestBeginning) {
  OneStartsAndLeaves().Add(31, 32, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  Add(33, 34, Get(), Shows("OK", 3, 3)).Add(35, 36, Get(), Shows("OK", 4, 4));
  const std::string text = ExpectBad();
  EXPECT_THAT(text, HasSubstr("item a: no order of its calls explains its first 4 answers; the "
                              "longest one explains 3, and ends with"));
  EXPECT_THAT(text, HasSubstr("[31.000, 32.000] thread 2: Claim(a, owner 1, fence 1) by 2: "
                              "CLAIMED (OWNED, owner 2, fence 2"));
  EXPECT_THAT(text, HasSubstr("Then the item is OWNED, owner 2, fence 2"));
  EXPECT_THAT(text, AllOf(HasSubstr("OK (OWNED, owner 3, fence 3"), Not(HasSubstr("owner 4"))));
}

TEST_F(LinearizabilityTest, Log_IsExplainedByTheCalls) {
  OneStartsAndLeaves()
      .Add(31, 50, Claim(2, 1, 1), Shows("CLAIMED", 2, 2))
      .Add(51, 52, Release(2, 2), Released(2))
      .Log(EventKind::kPodLeft, 1)
      .Log(EventKind::kWorkClaimed, 2, 2, 1)
      .Log(EventKind::kWorkReleased, 2, 2);
  ExpectGood();
  Log(EventKind::kWorkClaimed, 3, 3);
  EXPECT_THAT(ExpectBad(), HasSubstr("what the log tells next: WORK_CLAIMED by 3 with fence 3"));
  AddUnknown(45, Start(3));
  ExpectGood();
}

TEST_F(LinearizabilityTest, Log_TellsOfEveryChange) {
  OneStartsAndLeaves().Add(31, 50, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  Log(EventKind::kPodLeft, 1);
  EXPECT_THAT(ExpectBad(), HasSubstr("the log tells nothing more"));
  Log(EventKind::kWorkClaimed, 2, 2, 7);
  EXPECT_THAT(ExpectBad(), HasSubstr("the log tells next WORK_CLAIMED by 2 with fence 2 from 7"));
}

TEST_F(LinearizabilityTest, Log_IsInTheOrderOfTheChanges) {
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  Add(10, 11, Release(1, 1), Released(1)).Add(12, 13, Start(2), Shows("STARTED", 2, 2));
  Log(EventKind::kWorkClaimed, 2, 2).Log(EventKind::kWorkReleased, 1, 1);
  ExpectBad();
}

TEST_F(LinearizabilityTest, OtherItems_AreJudgedAlone) {
  OneStartsAndLeaves().Add(31, 32, Claim(2, 1, 1), Shows("CLAIMED", 2, 2));
  Call other = Start(9);
  other.key = "b";
  Add(1, 2, other, Shows("OWNED", 8, 1));
  EXPECT_EQ(Judge(history_, "a").verdict, Verdict::kLinearizable);
  EXPECT_EQ(Judge(history_, "b").verdict, Verdict::kNotLinearizable);
  EXPECT_EQ(Contradictions(history_).size(), 1U);
}

TEST_F(LinearizabilityTest, TooLarge_IsSaid) {  // P11
  Add(0, 5, Start(1), Shows("STARTED", 1, 1));
  for (int i = 0; i < 8; ++i) {
    const std::string text(1, static_cast<char>('a' + i));
    Add(10, 100, Checkpoint(1, 1, text), Shows("OK", 1, 1, text));
  }
  Add(101, 102, Get(), Shows("OK", 1, 1, "nobody wrote this"));
  const Judgement judgement = Judge(history_, kKey, 100);
  EXPECT_EQ(judgement.verdict, Verdict::kTooLarge);
  EXPECT_LE(judgement.looked_at, 101U);
  EXPECT_THAT(judgement.explanation,
              HasSubstr("10 answers are too many to be judged with 100 configurations"));
  EXPECT_EQ(Judge(history_, kKey).verdict, Verdict::kNotLinearizable);
}

}  // namespace
}  // namespace vigil::linearizability
