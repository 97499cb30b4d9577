#include "calling_pod.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "linearizability/from_client.h"
#include "linearizability/random_caller.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/work.h"

namespace vigil {
namespace {

using linearizability::Answers;
using linearizability::Call;
using linearizability::RandomCaller;
using linearizability::Record;

constexpr std::string_view kMode = "--as-calling-pod";
constexpr auto kNs = "default";
// The longest rest between two calls.
constexpr uint32_t kMostMilliseconds = 20;

// One write a line: whoever reads has a line, or nothing of it.
void Say(std::string_view event, Json fields) {
  fields["event"] = event;
  fields["at_ns"] = Now().time_since_epoch().count();
  const std::string line = fields.dump() + "\n";
  [[maybe_unused]] const ssize_t size = write(STDOUT_FILENO, line.data(), line.size());
}

int Fail(const client::Error& error) {
  Say("failed", {{"message", client::Describe(error)}});
  return 1;
}

class Caller {
 public:
  Caller(const client::Client& client, const Json& script, int signals)
      : client_(client),
        script_(script),
        signals_(signals),
        work_(client, kNs),
        random_({.seed = script.at("seed")}),
        rests_(script.at("seed").get<uint32_t>()) {}

  int Play() {
    for (int life = 0;; ++life) {
      client::PodSession session(client_, Options(life));
      const auto registration = session.AwaitRegistration();
      if (!registration) return Fail(registration.error());
      const uint64_t self = registration->pod.incarnation.value();
      Say("registered", {{"incarnation", self}});
      random_.Become({self});
      while (!random_.ended()) {
        if (AskedToLeave()) {
          const auto left = session.Leave();
          return left ? 0 : Fail(left.error());
        }
        MakeCall();
      }
    }
  }

 private:
  client::PodSession::Options Options(int life) const {
    return {.ns = kNs,
            .name = script_.at("name").get<std::string>() + "-" + std::to_string(life),
            .profile = script_.at("strict").get<bool>() ? client::Profile::kStrict
                                                        : client::Profile::kFast,
            .lease = std::chrono::milliseconds(script_.at("lease_ms").get<int>())};
  }

  // Within a short rest.
  bool AskedToLeave() {
    pollfd entry{signals_, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(rests_() % (kMostMilliseconds + 1))) != 0;
  }

  void MakeCall() {
    const Call call = random_.Next();
    Json asked = linearizability::ToJson(call);
    asked["number"] = ++calls_;
    Say("call", std::move(asked));
    const Answers answers = linearizability::Ask(work_, call);
    Json answered = linearizability::ToJson(answers);
    answered["number"] = calls_;
    Say("answer", std::move(answered));
    random_.Learn(answers);
  }

  const client::Client& client_;
  const Json& script_;
  const int signals_;
  const client::Work work_;
  RandomCaller random_;
  std::minstd_rand rests_;
  uint64_t calls_ = 0;
};

}  // namespace

Result<std::unique_ptr<ReportingProcess>> RunCallingPod(const CallingPod& pod) {
  const Json json{{"addresses", pod.addresses},
                  {"name", pod.name},
                  {"strict", pod.strict},
                  {"lease_ms", pod.lease / std::chrono::milliseconds(1)},
                  {"seed", pod.seed}};
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return ReportingProcess::Spawn({.command = {self.string(), std::string(kMode), json.dump()}});
}

std::vector<Record> RecordsFrom(const ReportingProcess& pod, const std::string& who) {
  std::map<uint64_t, Report> answers;
  for (Report& answer : pod.Reports("answer")) {
    const uint64_t number = answer.Number("number");
    answers.emplace(number, std::move(answer));
  }
  std::vector<Record> records;
  for (const Report& report : pod.Reports("call")) {
    Record call{.call = linearizability::CallFrom(report.fields),
                .who = who,
                .called = report.At(),
                .repeated = true};
    const auto answer = answers.find(report.Number("number"));
    if (answer == answers.end()) {
      records.push_back(std::move(call));
      continue;
    }
    call.answered = answer->second.At();
    const Answers told = linearizability::AnswersFrom(answer->second.fields);
    for (Record& record : RecordsOf(call, told)) records.push_back(std::move(record));
  }
  return records;
}

std::optional<int> MakeCallsIfAsked(int argc, char** argv) {
  if (argc != 3 || argv[1] != kMode) return std::nullopt;
  sigset_t termination;
  sigemptyset(&termination);
  sigaddset(&termination, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &termination, nullptr);  // before there is a second thread
  const int signals = signalfd(-1, &termination, SFD_CLOEXEC);
  const Json script = Json::parse(argv[2]);
  const auto client = client::Client::Create({.addresses = script.at("addresses")});
  if (!client) return Fail(client.error());
  return Caller(*client, script, signals).Play();
}

}  // namespace vigil
