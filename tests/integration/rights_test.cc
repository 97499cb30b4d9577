// Who may do what, with a real process, and what becomes of streams when that changes.
#include "integration/rights_fixture.h"

namespace vigil {
namespace {

TEST_F(RightsTest, EveryRpcWantsACallerThatItKnowsAndAGrant) {
  constexpr char kAway[] = "token-of-who-is-elsewhere";
  Serve(std::string(kTokens) + "away " + kAway + "\n",
        std::string(kGrants) + "away elsewhere operator\n");
  v1::SubscribeRequest subscribe;
  subscribe.set_namespace_("default");
  subscribe.mutable_from_now();
  v1::GetPodRequest other;  // whose namespace is where that of all others is
  other.set_namespace_("default");
  for (const Right& right : Rights()) {
    SCOPED_TRACE(right.name);
    const grpc::ByteBuffer request = right.rpc == Rpc::kSession     ? BytesOf(Registration("a"))
                                     : right.rpc == Rpc::kSubscribe ? BytesOf(subscribe)
                                                                    : BytesOf(other);
    ExpectRefusal(Call(right, request, ""), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
    ExpectRefusal(Call(right, request, kUnknown), StatusCode::UNAUTHENTICATED,
                  reason::kCallerUnknown);
    for (const char* token : {kNobody, kAway}) {
      ExpectRefusal(Call(right, request, token), StatusCode::PERMISSION_DENIED,
                    reason::kNotGranted);
    }
  }
}

TEST_F(RightsTest, ACertificateIsAnIdentity) {
  Serve();
  const auto shown = server_.Issue("client", "URI:spiffe://example/web");
  TokenPod pod(server_.Channel(&shown), "");
  EXPECT_TRUE(pod.Register("certified"));
  EXPECT_TRUE(pod.Beat());
  const auto stranger = server_.Issue("stranger", "URI:spiffe://example/other");
  TokenPod other(server_.Channel(&stranger), "");
  EXPECT_FALSE(other.Register("stranger"));
  ExpectRefusal(other.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
}

// A handshake that resumes a TLS session does not look at the certificate.
TEST_F(RightsTest, ACertificateThatHasExpiredEndsWhatLivesByItAndIsNotResumed) {
  Serve(kTokens, "brief default member,subscriber\n");
  const auto issued = server_.authority().IssueFor("brief", 6);
  ASSERT_TRUE(issued) << issued.error().message;
  const std::unique_ptr<grpc_ssl_session_cache, decltype(&grpc_ssl_session_cache_destroy)> sessions(
      grpc_ssl_session_cache_create_lru(8), grpc_ssl_session_cache_destroy);
  const auto channel = server_.Channel(&*issued, sessions.get());
  TokenPod pod(channel, "");
  ASSERT_TRUE(pod.Register("brief"));
  Follower follower(channel, "");
  ASSERT_TRUE(follower.ReadOne());

  while (pod.Beat() && follower.ReadOne()) {
  }
  ExpectRefusal(follower.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  TokenPod again(server_.Channel(&*issued, sessions.get()), "");
  EXPECT_FALSE(again.Resume(pod.registered()));
  ExpectRefusal(again.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  TokenPod anew(server_.Channel(&*issued), "");
  EXPECT_FALSE(anew.Resume(pod.registered()));
  EXPECT_EQ(anew.End().error_code(), StatusCode::UNAVAILABLE) << "no session is resumed";
}

TEST_F(RightsTest, AWithdrawnGrantEndsSessionsAndSubscriptions) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  Follower follower(channel_, kWeb);
  ASSERT_TRUE(follower.ReadOne());
  TokenPod unharmed(channel_, kOther);
  ASSERT_TRUE(unharmed.Register("b"));

  server_.Write("grants", "other default member,claimer,subscriber\n");
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
  ExpectRefusal(follower.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
  EXPECT_TRUE(unharmed.Beat());

  TokenPod again(channel_, kWeb);
  EXPECT_FALSE(again.Resume(pod.registered()));
  ExpectRefusal(again.End(), StatusCode::PERMISSION_DENIED, reason::kNotGranted);
}

TEST_F(RightsTest, ATokenCanBeReplacedWhileBothAreGood) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  Follower follower(channel_, kWeb);
  ASSERT_TRUE(follower.ReadOne());
  TokenPod moved(channel_, kNextWeb);
  ASSERT_TRUE(moved.Register("b"));

  server_.Write("tokens", "web next-token-of-the-web-pods\n");
  ExpectRefusal(pod.BeatToTheEnd(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  ExpectRefusal(follower.End(), StatusCode::UNAUTHENTICATED, reason::kCallerUnknown);
  EXPECT_TRUE(moved.Beat());
  TokenPod resumed(channel_, kNextWeb);
  EXPECT_TRUE(resumed.Resume(pod.registered())) << "the identity is the same";
}

TEST_F(RightsTest, AFileThatHasBecomeBadChangesNothing) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  server_.Write("grants", "web default everything\n");
  const auto complaint = server_.process().AwaitLine(
      [](const Process::Line& line) {
        return line.text.find("What was in force stays") != std::string::npos;
      },
      kPatience);
  ASSERT_TRUE(complaint) << server_.process().Transcript();
  EXPECT_THAT(complaint->text, HasSubstr("line 1"));
  EXPECT_TRUE(pod.Beat());
  TokenPod newcomer(channel_, kOther);
  EXPECT_TRUE(newcomer.Register("b"));
}

TEST_F(RightsTest, ASessionIsResumedByItsOwnIdentityAlone) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  ASSERT_TRUE(pod.Beat());
  for (const char* token : {kOther, kOps}) {
    TokenPod thief(channel_, token);
    EXPECT_FALSE(thief.Resume(pod.registered()));
    ExpectRefusal(thief.End(), StatusCode::PERMISSION_DENIED, reason::kIdentityMismatch);
  }
  EXPECT_TRUE(pod.Beat());
}

// Whoever repeats a registration gets its session.
TEST_F(RightsTest, ARegistrationIsRepeatedByItsOwnIdentityAlone) {
  Serve();
  const v1::SessionRequest registration = Registration("a");
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register(registration));
  TokenPod thief(channel_, kOther);
  EXPECT_FALSE(thief.Register(registration));
  ExpectRefusal(thief.End(), StatusCode::ALREADY_EXISTS, reason::kPodNameTaken);
  TokenPod again(channel_, kNextWeb);
  ASSERT_TRUE(again.Register(registration));
  EXPECT_EQ(again.incarnation(), pod.incarnation());
}

TEST_F(RightsTest, ANameIsSupersededByItsOwnIdentityAlone) {
  Serve();
  const auto with_key = [] {
    v1::SessionRequest registration = Registration("a");
    registration.mutable_register_()->set_supersede_key("a-key-that-was-found-out");
    return registration;
  };
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register(with_key()));
  TokenPod thief(channel_, kOther);
  EXPECT_FALSE(thief.Register(with_key()));
  ExpectRefusal(thief.End(), StatusCode::ALREADY_EXISTS, reason::kPodNameTaken);
  ASSERT_TRUE(pod.Beat());
  TokenPod successor(channel_, kNextWeb);
  ASSERT_TRUE(successor.Register(with_key()));
  EXPECT_NE(successor.incarnation(), pod.incarnation());
}

TEST_F(RightsTest, FilesAreReadWhileTheDatabaseIsAwaited) {
  ServeAlone();
  server_.Write("grants", "web default everything\n");
  EXPECT_THAT(AwaitLogged("What was in force stays"), HasSubstr("line 1"));
}

TEST_F(RightsTest, FilesAreReadWhileItDrains) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  ASSERT_TRUE(pod.Beat());
  server_.process().Signal(SIGTERM);
  AwaitLogged("Draining.");
  server_.Write("grants", "web default everything\n");
  AwaitLogged("What was in force stays");
  EXPECT_TRUE(server_.process().running());
}

// Else an editor that writes in place ends every session for a moment.
TEST_F(RightsTest, AFileThatIsEmptyEndsNobody) {
  Serve();
  TokenPod pod(channel_, kWeb);
  ASSERT_TRUE(pod.Register("a"));
  server_.Write("grants", "");
  EXPECT_THAT(AwaitLogged("What was in force stays"), HasSubstr("it has no entry"));
  EXPECT_TRUE(pod.Beat());
}

// Callers hear what they can do, and the log where the database is.
TEST_F(RightsTest, NoCallerIsToldOfTheDatabase) {
  ServeAlone();
  v1::GetPodRequest request;
  request.set_namespace_("default");
  request.set_name("a");
  const grpc::Status status = Call(RightOf(Rpc::kGetPod), BytesOf(request), kWeb);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(status).reason(), reason::kDatabaseUnavailable);
  const HttpResponse ready = Fetch(server_.http_port(), "/readyz?verbose");
  EXPECT_EQ(ready.status, 503);
  for (const char* part : {"127.0.0.1", "whoever", "port 1", "refused"}) {
    EXPECT_THAT(status.error_message() + InfoOf(status).DebugString(), Not(HasSubstr(part)));
    EXPECT_THAT(ready.body, Not(HasSubstr(part)));
  }
  EXPECT_THAT(AwaitLogged("callers are not told all"), HasSubstr("127.0.0.1"));
}

TEST_F(RightsTest, TheLogOverHttpWantsABearersToken) {
  Serve();
  constexpr std::string_view kEvents = "/v1/events?namespace=default";
  const auto bearer = [](const char* token) {
    return "Authorization: Bearer " + std::string(token) + "\r\n";
  };
  const int port = server_.http_port();
  EXPECT_EQ(Fetch(port, "/livez").status, 200);
  const HttpResponse bare = Fetch(port, kEvents);
  EXPECT_EQ(bare.status, 401);
  EXPECT_THAT(bare.head, HasSubstr("WWW-Authenticate: Bearer"));
  EXPECT_THAT(bare.body, HasSubstr("CALLER_UNKNOWN"));
  EXPECT_EQ(Fetch(port, kEvents, bearer(kUnknown)).status, 401);
  EXPECT_EQ(Fetch(port, kEvents, bearer(kUnknown) + bearer(kWeb)).status, 400) << "two are none";
  EXPECT_EQ(Fetch(port, kEvents, bearer(kWeb) + bearer(kWeb)).status, 400);
  EXPECT_EQ(Fetch(port, "/v1/events?unknown=1").status, 401) << "before the request is looked at";
  EXPECT_EQ(Fetch(port, "/v1/events?unknown=1", bearer(kNobody)).status, 403);
  EXPECT_EQ(Fetch(port, "/v1/events?unknown=1", bearer(kWeb)).status, 400);
  EXPECT_EQ(Fetch(port, kEvents, bearer(kNobody)).status, 403);

  EventStream stream(port, kEvents, bearer(kWeb));
  ASSERT_EQ(stream.status(), 200);
  ASSERT_TRUE(stream.Next());
  server_.Write("grants", "web default member\n");
  const auto failed = stream.Await("failed");
  ASSERT_TRUE(failed);
  EXPECT_THAT(failed->data, HasSubstr("NOT_GRANTED"));
}

}  // namespace
}  // namespace vigil
