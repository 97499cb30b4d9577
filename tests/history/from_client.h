// Histories of what the client library tells.
#pragma once

#include <span>

#include "history/history.h"
#include "vigil/event.h"
#include "vigil/subscription.h"

namespace vigil::history {

// A cursor that is none stands at the beginning.
Position FromClient(const client::Cursor& cursor, const std::string& ns);
Start FromClient(const client::SubscriptionStart& start, const std::string& ns);
Event FromClient(const client::Event& event);

}  // namespace vigil::history
