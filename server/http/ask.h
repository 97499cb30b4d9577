// The other end of the HTTP port: one question, as an orchestrator asks it.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace vigil {

struct HttpReply {
  int status = 0;
  std::string body;
};

// Asks `address` (HOST:PORT, as for HttpServer::Start) with GET for `target`, on a connection of
// its own, and blocks until the answer is whole. An address that stands for every one of this
// machine's is asked on the loopback.
//
// Errors: kUnavailable when nobody answers there in HTTP, kDeadlineExceeded when the answer is not
// whole within `patience`, beside the time that the look-up of a host name takes. An answer larger
// than 64 KiB is no answer.   (P11)
Result<HttpReply> Ask(const std::string& address, const std::string& target, Duration patience);

}  // namespace vigil
