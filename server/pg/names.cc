#include "pg/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr size_t kMost = 16;

bool IsAddress(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsSocket(const std::string& host) { return host.starts_with('/') || host.starts_with('@'); }

bool HasName(const ListedHost& host) {
  return host.hostaddr.empty() && !host.host.empty() && !IsSocket(host.host) &&
         !IsAddress(host.host);
}

}  // namespace

NameAnswer LookUp(const std::string& name) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(name.c_str(), nullptr, &wanted, &found);
  if (error != 0) return {{}, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  NameAnswer answer;
  for (; found != nullptr; found = found->ai_next) {
    char address[NI_MAXHOST];
    if (getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      answer.addresses.emplace_back(address);
    }
  }
  return answer;
}

struct Names::State {
  explicit State(Answers answers) : look_up(std::move(answers)) {}

  const Answers look_up;
  std::mutex mutex;
  std::condition_variable answered;
  std::set<std::string> running;  // guarded by mutex
  std::set<Question*> questions;  // those that wait; guarded by mutex

  // Under the lock. Those that find no room wait until another one is answered.
  static void Start(const std::shared_ptr<State>& state, Question& question) {
    for (auto& [name, answer] : question.answers_) {
      if (answer || state->running.contains(name)) continue;
      if (state->running.size() >= kMost) return;
      try {
        std::thread([state, name = name] { Run(state, name); }).detach();
        state->running.insert(name);
      } catch (const std::system_error& error) {
        answer = NameAnswer{{}, error.what()};
      }
    }
  }

  static void Run(const std::shared_ptr<State>& state, const std::string& name) {
    pthread_setname_np(pthread_self(), "vigil-names");
    const NameAnswer answer = state->look_up(name);
    const std::lock_guard lock(state->mutex);
    state->running.erase(name);
    for (Question* question : state->questions) {
      const auto asked = question->answers_.find(name);
      if (asked == question->answers_.end() || asked->second) continue;
      asked->second = answer;
      question->tell_();
    }
    for (Question* question : state->questions) Start(state, *question);
    state->answered.notify_all();
  }
};

Names::Names(Answers look_up) : state_(std::make_shared<State>(std::move(look_up))) {}

std::unique_ptr<Names::Question> Names::Ask(HostList hosts, std::function<void()> tell) const {
  return std::make_unique<Question>(state_, std::move(hosts), std::move(tell));
}

Result<HostList> Names::Resolve(HostList hosts, Instant deadline) const {
  const SystemClock clock;
  const auto question = Ask(std::move(hosts), [] {});
  std::unique_lock lock(state_->mutex);
  state_->answered.wait_for(lock, (deadline - clock.Now()) / 2,
                            [&] { return question->IsComplete(); });
  state_->answered.wait_for(lock, deadline - clock.Now(), [&] {
    return question->IsComplete() || question->FoundNow().has_value();
  });
  return question->FoundNow();
}

Names::Question::Question(std::shared_ptr<State> state, HostList hosts, std::function<void()> tell)
    : state_(std::move(state)), hosts_(std::move(hosts)), tell_(std::move(tell)) {
  const std::lock_guard lock(state_->mutex);
  for (const ListedHost& host : hosts_) {
    if (HasName(host)) answers_.try_emplace(host.host);
  }
  State::Start(state_, *this);
  if (!IsComplete()) state_->questions.insert(this);
}

Names::Question::~Question() {
  const std::lock_guard lock(state_->mutex);
  state_->questions.erase(this);
}

bool Names::Question::Complete() const {
  const std::lock_guard lock(state_->mutex);
  return IsComplete();
}

Result<HostList> Names::Question::Found() const {
  const std::lock_guard lock(state_->mutex);
  return FoundNow();
}

bool Names::Question::IsComplete() const {
  return std::ranges::all_of(answers_, [](const auto& asked) { return asked.second.has_value(); });
}

Result<HostList> Names::Question::FoundNow() const {
  HostList found;
  for (const ListedHost& host : hosts_) {
    if (!HasName(host)) {
      found.push_back(host);
    } else if (const auto& answer = answers_.at(host.host)) {
      for (const std::string& address : answer->addresses) {
        found.push_back({host.host, address, host.port});
      }
    }
  }
  if (!found.empty() || hosts_.empty()) return found;
  std::string faults;
  for (const auto& [name, answer] : answers_) {
    faults += fmt::format("{}{}: {}", faults.empty() ? "" : "; ", name,
                          answer ? answer->fault : "the name servers have not answered in time");
  }
  Error error = DatabaseUnavailable("no host of the database was found: " + faults);
  error.hint =
      "See whether the name is right and the name servers can be reached from here, or give the "
      "address beside it (hostaddr).";
  return Fail(std::move(error));
}

}  // namespace vigil::pg
