// The look-up of a host's name holds up nobody but those who wait for it, and them no longer than
// they want.
#include "pg/names.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "cluster_test.h"
#include "pg/async_connection.h"
#include "pg/host_list.h"
#include "support/certificates.h"
#include "support/held_names.h"

namespace vigil::pg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Instant In(Duration delay) { return SystemClock().Now() + delay; }

auto Listed(const std::string& conninfo) {
  const auto hosts = HostListOf(conninfo);
  EXPECT_TRUE(hosts) << conninfo;
  return KeywordsOf(hosts.value_or(HostList()));
}

TEST(HostList, IsPairedAsLibpqDoesIt) {
  EXPECT_THAT(Listed("dbname=d"), ElementsAre());
  EXPECT_THAT(Listed("host=a"), ElementsAre(Pair("host", "a")));
  EXPECT_THAT(Listed("host=a,b port=5"), ElementsAre(Pair("host", "a,b"), Pair("port", "5,5")));
  EXPECT_THAT(Listed("postgresql://u@a,b:7/d"),
              ElementsAre(Pair("host", "a,b"), Pair("port", ",7")));
  EXPECT_THAT(Listed("hostaddr=1.1.1.1"), ElementsAre(Pair("hostaddr", "1.1.1.1")));
  EXPECT_THAT(Listed("host=a,/run hostaddr=1.1.1.1,"),
              ElementsAre(Pair("host", "a,/run"), Pair("hostaddr", "1.1.1.1,")));
  EXPECT_THAT(Listed("host=a,b hostaddr=1.1.1.1"), ElementsAre()) << "libpq refuses it";
  EXPECT_THAT(Listed("host=a,b,c port=1,2"), ElementsAre()) << "libpq refuses it";
  EXPECT_FALSE(HostListOf("postgresql://u:p@w/x@host/d")) << "a part of a password is no name";
}

TEST(Names, EachAddressStandsBesideItsNameAndWhatIsNoNameIsNotAsked) {
  HeldNames held;
  held.Answer("two.test", {{"10.0.0.1", "fe80::1"}, ""});
  const auto found = held.names().Resolve(
      *HostListOf(
          "host=two.test,/run,127.0.0.1,::1,given.test hostaddr=,,,,10.0.0.9 port=1,2,3,4,5"),
      In(seconds(10)));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(
      KeywordsOf(*found),
      ElementsAre(Pair("host", "two.test,two.test,/run,127.0.0.1,::1,given.test"),
                  Pair("hostaddr", "10.0.0.1,fe80::1,,,,10.0.0.9"), Pair("port", "1,1,2,3,4,5")));
  for (const char* name : {"/run", "127.0.0.1", "::1", "given.test"}) {
    EXPECT_EQ(held.asked(name), 0) << name;
  }
}

TEST(Names, TheSystemKnowsThisMachine) {
  const auto found = Names().Resolve(*HostListOf("host=localhost"), In(seconds(10)));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->front().hostaddr, testing::AnyOf("127.0.0.1", "::1"));
}

TEST(Names, AnUnknownOneIsPassedOverWhereThereAreOthers) {
  HeldNames held;
  held.Answer("unknown.test", {{}, "nobody knows it"});
  const auto some = held.names().Resolve(*HostListOf("host=unknown.test,b.test"), In(seconds(10)));
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_THAT(KeywordsOf(*some),
              ElementsAre(Pair("host", "b.test"), Pair("hostaddr", "127.0.0.1")));
  const auto none = held.names().Resolve(*HostListOf("host=unknown.test"), In(seconds(10)));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("unknown.test: nobody knows it"));
  EXPECT_THAT(none.error().hint, HasSubstr("hostaddr"));
}

// P11
TEST(Names, OneThatHangsIsLookedUpOnceAndSixteenAtMost) {
  HeldNames held;
  const Names names = held.names();
  held.Hold("hangs.test");
  const auto expect_late = [&] {
    const auto late = names.Resolve(*HostListOf("host=hangs.test"), In(milliseconds(20)));
    ASSERT_FALSE(late);
    EXPECT_THAT(late.error().message, HasSubstr("hangs.test: the name servers have not answered"));
  };
  const Instant limit = In(seconds(10));
  while (held.asked("hangs.test") == 0 && SystemClock().Now() < limit) expect_late();
  for (int turn = 0; turn < 5; ++turn) expect_late();
  EXPECT_EQ(held.asked("hangs.test"), 1);

  std::string many = "host=x10.test";
  for (int i = 11; i <= 26; ++i) many += ",x" + std::to_string(i) + ".test";
  for (int i = 10; i <= 26; ++i) held.Hold("x" + std::to_string(i) + ".test");
  const auto question = names.Ask(*HostListOf(many), [] {});
  while (held.asked("x24.test") == 0 && SystemClock().Now() < limit) std::this_thread::yield();
  EXPECT_FALSE(question->Complete());
  EXPECT_EQ(held.asked("x25.test") + held.asked("x26.test"), 0);
  held.Release();
  while (!question->Complete() && SystemClock().Now() < limit) std::this_thread::yield();
  EXPECT_EQ(question->Found().value_or(HostList()).size(), 17U) << "the others had their turn";
}

TEST(Names, OneThatHangsHoldsTheOthersUpForHalfOfTheTime) {
  HeldNames held;
  held.Hold("hangs.test");
  const Instant begin = SystemClock().Now();
  const auto found =
      held.names().Resolve(*HostListOf("host=hangs.test,b.test"), begin + seconds(1));
  EXPECT_GE(SystemClock().Now() - begin, milliseconds(500));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(KeywordsOf(*found),
              ElementsAre(Pair("host", "b.test"), Pair("hostaddr", "127.0.0.1")));
}

class NamedHostTest : public ClusterTest {
 protected:
  // The last one of two counts.
  std::string At(const std::string& hosts) const { return conninfo() + " host=" + hosts; }

  // What became of it, while the loop turned.
  Result<void> Open(AsyncConnection& connection) {
    std::optional<Result<void>> outcome;
    connection.Open([&](Result<void> opened) {
      outcome = std::move(opened);
      loop_.Stop();
    });
    const auto limit = loop_.After(seconds(20), [this] { loop_.Stop(); });
    loop_.Run();
    loop_.context().restart();
    return outcome.value_or(Fail(Error{Code::kInternal, "", "nothing happened", "", {}}));
  }

  EventLoop loop_;
  HeldNames held_;
  const Names names_ = held_.names();
};

TEST_F(NamedHostTest, ALoopTurnsOnWhileANameIsLookedUp) {
  held_.Hold("db.test");
  AsyncConnection waiting(loop_, {.conninfo = At("db.test"), .names = names_}, milliseconds(300));
  int turns = 0;
  std::unique_ptr<Timer> timer;
  const std::function<void()> turn = [&] {
    ++turns;
    timer = loop_.After(milliseconds(10), turn);
  };
  turn();
  const auto opened = Open(waiting);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().Is(kDatabaseUnavailable));
  EXPECT_THAT(opened.error().message, HasSubstr("db.test: the name servers have not answered"));
  EXPECT_GT(turns, 5);

  // One that goes meanwhile is not told.
  auto given_up = std::make_unique<AsyncConnection>(
      loop_, ConnectOptions{.conninfo = At("db.test"), .names = names_}, seconds(10));
  given_up->Open([](const Result<void>&) { ADD_FAILURE() << "it is gone"; });
  given_up.reset();

  AsyncConnection patient(loop_, {.conninfo = At("db.test"), .names = names_}, seconds(10));
  const auto release = loop_.After(milliseconds(20), [this] { held_.Release(); });
  const auto found = Open(patient);
  EXPECT_TRUE(found) << found.error().message;
  EXPECT_EQ(held_.asked("db.test"), 1);
}

TEST_F(NamedHostTest, AThreadWaitsForANameUntilItsDeadline) {
  held_.Hold("db.test");
  const ConnectOptions options{.conninfo = At("db.test"), .names = names_};
  const Instant begin = SystemClock().Now();
  const auto opened = Connection::Open(options, begin + milliseconds(200));
  ASSERT_FALSE(opened);
  EXPECT_GE(SystemClock().Now() - begin, milliseconds(200));
  EXPECT_THAT(opened.error().error.message, HasSubstr("db.test: the name servers"));
  held_.Release();
  const auto found = Connection::Open(options, In(seconds(10)));
  EXPECT_TRUE(found) << found.error().error.message;
}

TEST_F(NamedHostTest, OfSeveralHostsTheOthersServeWhileANameIsLookedUp) {
  held_.Hold("hangs.test");
  AsyncConnection connection(loop_, {.conninfo = At("hangs.test,db.test"), .names = names_},
                             seconds(2));
  const auto opened = Open(connection);
  EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(NamedHostTest, EveryAddressOfANameIsTried) {
  held_.Answer("db.test", {{"127.0.0.99", "127.0.0.1"}, ""});
  AsyncConnection connection(loop_, {.conninfo = At("db.test"), .names = names_}, seconds(10));
  const auto opened = Open(connection);
  EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(NamedHostTest, OfSeveralAddressesOneThatIsSilentIsNotTriedFirstAgain) {
  // Takes connections, as the kernel of a server that is frozen does.
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET,
                      .sin_port = htons(static_cast<uint16_t>(cluster().port())),
                      .sin_addr = {},
                      .sin_zero = {}};
  ASSERT_EQ(inet_pton(AF_INET, "127.0.0.99", &address.sin_addr), 1);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(silent, SOMAXCONN), 0);
  held_.Answer("db.test", {{"127.0.0.99", "127.0.0.1"}, ""});
  const auto known = std::make_shared<KnownServer>();
  const auto open = [&](Duration patience) {
    AsyncConnection connection(loop_, {.conninfo = At("db.test"), .known = known, .names = names_},
                               patience);
    return Open(connection).has_value();
  };
  EXPECT_FALSE(open(milliseconds(300)));
  EXPECT_TRUE(open(seconds(10)));
  close(silent);
}

// The certificate's name is compared with the host's, not with the address that it led to.
TEST(NamedHost, IsWhatACertificateIsComparedWith) {
  const auto cluster = PrivateCluster::Start({.fsync = false});
  ASSERT_TRUE(cluster) << cluster.error().message;
  const auto authority = CertificateAuthority::Make("one");
  ASSERT_TRUE(authority) << authority.error().message;
  const auto issued = authority->Issue("db.test", "DNS:db.test");
  ASSERT_TRUE(issued) << issued.error().message;
  struct stat owner {};
  ASSERT_EQ(stat((*cluster)->directory().c_str(), &owner), 0);
  const auto place = [&](const std::string& file, const char* name) {
    std::string placed = (*cluster)->directory() + "/" + name;
    std::filesystem::copy_file(file, placed);
    EXPECT_EQ(chown(placed.c_str(), owner.st_uid, owner.st_gid), 0);
    EXPECT_EQ(chmod(placed.c_str(), S_IRUSR), 0);
    return placed;
  };
  const auto admin = Connection::Open({(*cluster)->Conninfo(), "test", {}}, In(seconds(10)));
  ASSERT_TRUE(admin) << admin.error().error.message;
  for (const std::string& sql :
       {"ALTER SYSTEM SET ssl_cert_file = '" + place(issued->certificate, "server.pem") + "'",
        "ALTER SYSTEM SET ssl_key_file = '" + place(issued->key, "server.key") + "'",
        std::string("ALTER SYSTEM SET ssl = on")}) {
    ASSERT_TRUE((*admin)->ExecuteScript(sql, In(seconds(10)))) << sql;
  }
  ASSERT_TRUE((*cluster)->Restart(PrivateCluster::Shutdown::kFast));

  HeldNames held;
  const auto open = [&](const std::string& host) {
    return Connection::Open(
        {.conninfo = (*cluster)->Conninfo() + " sslmode=verify-full sslrootcert=" +
                     authority->certificate() + " host=" + host,
         .names = held.names()},
        In(seconds(10)));
  };
  const auto named = open("db.test");
  EXPECT_TRUE(named) << named.error().error.message;
  const auto other = open("other.test");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().error.message, HasSubstr("other.test"));
}

}  // namespace
}  // namespace vigil::pg
