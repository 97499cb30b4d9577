#include "integration/secure_server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace vigil {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);
constexpr char kNoDatabase[] = "host=127.0.0.1 port=1 user=whoever dbname=vigil";

std::string TextOf(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::string AwaitPort(Process& process, const std::string& sentence) {
  const auto line = process.AwaitLine(
      [&](const Process::Line& read) { return read.text.find(sentence) != std::string::npos; },
      kPatience);
  if (!line) {
    ADD_FAILURE() << sentence << " is missing in:\n" << process.Transcript();
    return "0";
  }
  // ` port=1234` as text, `"port":"1234"` as JSON.
  const size_t begin =
      line->text.find_first_of("0123456789", line->text.find("port", line->text.find("address")));
  return line->text.substr(begin, line->text.find_first_not_of("0123456789", begin) - begin);
}

}  // namespace

CertificateAuthority MakeAuthority(const std::string& name) {
  auto authority = CertificateAuthority::Make(name);
  EXPECT_TRUE(authority) << authority.error().message;
  return std::move(*authority);
}

SecureServer::Issued SecureServer::IssueBy(const CertificateAuthority& authority,
                                           const std::string& name, const std::string& alternatives,
                                           int days) {
  const auto issued = authority.Issue(name, alternatives, days);
  EXPECT_TRUE(issued) << issued.error().message;
  return *issued;
}

SecureServer::Issued SecureServer::Issue(const std::string& name, const std::string& alternatives,
                                         int days) {
  return IssueBy(authority_, name, alternatives, days);
}

std::string SecureServer::Write(const std::string& name, const std::string& text) const {
  std::string file = authority_.directory() + "/" + name;
  std::ofstream(file + ".new") << text;
  std::filesystem::rename(file + ".new", file);
  return file;
}

void SecureServer::Serve(const std::vector<std::string>& settings,
                         const std::string& alternatives) {
  ASSERT_NO_FATAL_FAILURE(Start(settings, alternatives, database_.conninfo()));
  const auto joined = process_->AwaitLine(
      [](const Process::Line& line) {
        return line.text.find("Joined the cluster.") != std::string::npos;
      },
      kPatience);
  ASSERT_TRUE(joined) << process_->Transcript();
}

void SecureServer::ServeAlone(const std::vector<std::string>& settings) {
  Start(settings, "IP:127.0.0.1", kNoDatabase);
}

void SecureServer::Start(const std::vector<std::string>& settings, const std::string& alternatives,
                         const std::string& conninfo) {
  own_ = Issue("vigild", alternatives);
  const auto program = FindBuilt("vigild");
  ASSERT_TRUE(program) << program.error().message;
  std::vector<std::string> command = {*program,
                                      "serve",
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--http-listen",
                                      "127.0.0.1:0",
                                      "--tls-cert",
                                      own_.certificate,
                                      "--tls-key",
                                      own_.key,
                                      "--log-level",
                                      "debug",
                                      "--position-interval",
                                      "200ms"};
  command.insert(command.end(), settings.begin(), settings.end());
  auto process = Process::Spawn(
      {.command = std::move(command), .environment = {{"VIGIL_DATABASE", conninfo}}});
  ASSERT_TRUE(process) << process.error().message;
  process_ = std::move(*process);
  port_ = AwaitPort(*process_, "Listening.");
  http_port_ = std::stoi(AwaitPort(*process_, "Serving HTTP."));
}

std::shared_ptr<grpc::Channel> SecureServer::Channel(const Issued* shown,
                                                     grpc_ssl_session_cache* sessions) const {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = TextOf(authority_.certificate());
  if (shown) {
    options.pem_cert_chain = TextOf(shown->certificate);
    options.pem_private_key = TextOf(shown->key);
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (sessions) {
    const grpc_arg kept = grpc_ssl_session_cache_create_channel_arg(sessions);
    arguments.SetPointerWithVtable(kept.key, kept.value.pointer.p, kept.value.pointer.vtable);
  }
  return grpc::CreateCustomChannel(address(), grpc::SslCredentials(options), arguments);
}

}  // namespace vigil
