// What gRPC itself has to say.
#pragma once

namespace vigil {

// From here on gRPC's own complaints are lines of our log. Strangers cause them, and some quote
// what those sent: so each is cut short, and there are few in a minute; the next one tells how many
// were left out. Once, before gRPC is used.
void TakeOverGrpcLog();

}  // namespace vigil
