#include "scenario.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "history/promised.h"
#include "support/network_namespace.h"

namespace vigil {
namespace {

using ::testing::IsEmpty;

// A suite without its programs has nothing to say.
[[noreturn]] void GiveUp(const Error& error) {
  std::fprintf(stderr, "%s\n%s\n", error.message.c_str(), error.hint.c_str());
  std::abort();
}

std::vector<std::string> Described(const std::vector<client::Event>& events) {
  std::vector<std::string> described;
  for (const client::Event& event : events) {
    described.push_back(std::to_string(event.seq.value()) + " " +
                        std::string(client::Name(event.kind)) + " " + event.pod_name + " " +
                        std::to_string(event.incarnation.value()) + " " + event.work_key);
  }
  return described;
}

}  // namespace

std::vector<std::string> Counting() {
  return {"/bin/sh", "-c",
          "while :; do n=$((n + 1)); echo \"$VIGIL_WORK_KEY $VIGIL_FENCE $n\"; sleep 0.05; done"};
}

std::vector<std::string> WithAChild() {
  return {"/bin/sh", "-c", "sleep 1000 & echo \"grandchild $!\"; wait"};
}

// One for all scenarios; each has a database of its own.
pg::PrivateCluster& Scenario::Postgres() {
  static const std::unique_ptr<pg::PrivateCluster> cluster = [] {
    const std::string addresses = std::string("127.0.0.1,") + kHubAddress;
    auto started =
        pg::PrivateCluster::Start({.fsync = false, .settings = {{"listen_addresses", addresses}}});
    if (!started) GiveUp(started.error());
    return std::move(*started);
  }();
  return *cluster;
}

void Scenario::StartClusterOn(pg::PrivateCluster& postgres, VigilCluster::Options options) {
  auto cluster = VigilCluster::Start(postgres, std::move(options));
  ASSERT_TRUE(cluster) << cluster.error().message << "\n" << cluster.error().hint;
  cluster_ = std::move(*cluster);
  database_ = std::make_unique<DatabaseView>(cluster_->Conninfo());
  Watch(cluster_->Connect());
}

void Scenario::WatchFrom(int place) { Watch(cluster_->ConnectOnly(place)); }

void Scenario::Watch(Result<client::Client> connected) {
  ASSERT_TRUE(connected) << connected.error().message;
  client_ = std::move(*connected);
  log_ = std::make_unique<EventRecorder>(*client_, "default");
  ASSERT_TRUE(log_->AwaitStart(kPatience));
}

void Scenario::StopCluster() {
  log_.reset();
  client_.reset();
  database_.reset();
  cluster_.reset();
}

void Scenario::TearDown() {
  if (log_) {
    const auto events = log_->Events();
    EventRecorder late(*client_, "default");
    const client::Seq last = events.empty() ? client::Seq() : events.back().seq;
    EXPECT_TRUE(events.empty() || late.AwaitSeq(last, kPatience));
    history::Reference truth = Truth();
    truth.through = Seq{last.value()};
    EXPECT_THAT(history::Validate(log_->History(), truth), IsEmpty());
    EXPECT_THAT(history::Validate(late.History(), truth), IsEmpty());
    if (HasFailure()) {
      std::printf("the events of the scenario:\n");
      for (const std::string& event : Described(events)) std::printf("  %s\n", event.c_str());
      std::printf("%s", cluster_->Logs().c_str());
      for (const auto& pod : pods_) {
        std::printf("--- a pod\n%s", pod->process().Transcript().c_str());
      }
    }
  }
  pods_.clear();
}

void Scenario::ExpectAllHeardToTheEnd(
    const std::vector<std::unique_ptr<EventRecorder>>& followers) {
  ReportingProcess& last = Run({.pod = "last", .work = "last", .command = Counting()});
  const auto heard =
      ExpectEvent("last", Of(client::EventKind::kPodRegistered, ExpectRegistered(last)));
  for (const auto& follower : followers) {
    ASSERT_TRUE(follower->AwaitSeq(heard.event.seq, kPatience));
    EXPECT_THAT(history::Validate(follower->History(), Truth(Told::kAnything)),
                ::testing::IsEmpty());
  }
}

history::Reference Scenario::Truth(Told told) {
  auto truth = DatabaseView(LogConninfo()).ReadLog("default");
  if (!truth) {
    ADD_FAILURE() << "the log cannot be read: " << truth.error().message;
    return {};
  }
  if (told == Told::kEverything && !truth->log.empty()) truth->through = truth->log.back().seq;
  truth->bounds = history::kPromised;
  return std::move(*truth);
}

ReportingProcess& Scenario::Keep(Result<std::unique_ptr<ReportingProcess>> pod) {
  if (!pod) GiveUp(pod.error());
  pods_.push_back(std::move(*pod));
  return *pods_.back();
}

ReportingProcess& Scenario::Run(RunOptions options) {
  return Keep(cluster().Run(std::move(options)));
}

ReportingProcess& Scenario::Play(PodScript script) {
  if (script.addresses.empty()) script.addresses = cluster().Addresses();
  return Keep(RunScriptedPod(script));
}

Report Scenario::Expect(ReportingProcess& pod, const std::string& event,
                        const ReportingProcess::Match& matches) {
  const auto report = pod.Await(
      [&](const Report& candidate) {
        return candidate.event == event && (!matches || matches(candidate));
      },
      kPatience);
  if (report) return *report;
  ADD_FAILURE() << "a pod did not report '" << event << "'; it said:\n"
                << pod.process().Transcript();
  return {};
}

EventRecorder::Seen Scenario::ExpectEvent(const std::string& what,
                                          const EventRecorder::Match& matches, Duration within) {
  const auto seen = log().Await(matches, within);
  if (seen) return *seen;
  ADD_FAILURE() << "there was no event: " << what;
  return {};
}

client::Incarnation Scenario::ExpectRegistered(ReportingProcess& pod) {
  return client::Incarnation(Expect(pod, "registered").Number("incarnation"));
}

pid_t Scenario::ExpectRunning(ReportingProcess& pod) {
  return static_cast<pid_t>(Expect(pod, "running").Number("pid"));
}

pid_t Scenario::ExpectChildOfCommand(ReportingProcess& pod) {
  const auto line = pod.process().AwaitLine(
      [](const Process::Line& candidate) { return candidate.text.starts_with("grandchild "); },
      kPatience);
  if (line) return std::stoi(line->text.substr(line->text.find(' ')));
  ADD_FAILURE() << "the command has no child; it said:\n" << pod.process().Transcript();
  return 0;
}

void Scenario::ExpectCounting(ReportingProcess& pod, const std::string& key, uint64_t fence) {
  const std::string beginning = key + " " + std::to_string(fence) + " ";
  const auto line = pod.process().AwaitLine(
      [&](const Process::Line& candidate) { return candidate.text.starts_with(beginning); },
      kPatience);
  EXPECT_TRUE(line) << "no work is done on " << key << " with fence " << fence;
}

client::WorkItem Scenario::Item(const std::string& key) {
  auto item = client::Work(client(), "default").Get(key);
  if (item) return *item;
  ADD_FAILURE() << key << ": " << client::Describe(item.error());
  return {};
}

client::Pod Scenario::PodNamed(const std::string& name) {
  auto pod = client().GetPod("default", name);
  if (pod) return *pod;
  ADD_FAILURE() << name << ": " << client::Describe(pod.error());
  return {};
}

std::vector<std::string> Scenario::Owners() {
  const auto page = client::Work(client(), "default").List();
  std::vector<std::string> owners;
  if (!page) {
    ADD_FAILURE() << client::Describe(page.error());
    return owners;
  }
  for (const client::WorkItem& item : page->items) {
    owners.push_back(item.key + " " + std::to_string(item.owner.value()) + " " +
                     std::to_string(item.fence.value()));
  }
  return owners;
}

std::vector<std::string> Scenario::Living() {
  const auto page = client().ListPods({});
  std::vector<std::string> living;
  if (!page) {
    ADD_FAILURE() << client::Describe(page.error());
    return living;
  }
  for (const client::Pod& pod : page->pods) {
    living.push_back(pod.name + " " + std::to_string(pod.incarnation.value()));
  }
  return living;
}

}  // namespace vigil
