// Numbers in the wire's byte order, and the type numbers of the types that we speak. Only for
// params.cc and rows.cc.
#pragma once

#include <cstdint>
#include <string>

namespace vigil::pg::wire {

// From Postgres' pg_type.dat, where they are fixed for ever.
inline constexpr uint32_t kBool = 16;
inline constexpr uint32_t kBytea = 17;
inline constexpr uint32_t kName = 19;
inline constexpr uint32_t kBigint = 20;
inline constexpr uint32_t kInteger = 23;
inline constexpr uint32_t kText = 25;
inline constexpr uint32_t kBoolArray = 1000;
inline constexpr uint32_t kTextArray = 1009;
inline constexpr uint32_t kBigintArray = 1016;
inline constexpr uint32_t kTimestamptz = 1184;
inline constexpr uint32_t kInterval = 1186;
inline constexpr uint32_t kIntervalArray = 1187;

inline void Put32(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

inline void Put64(std::string& out, uint64_t number) {
  Put32(out, static_cast<uint32_t>(number >> 32));
  Put32(out, static_cast<uint32_t>(number));
}

inline uint32_t Get32(const char* bytes) {
  uint32_t number = 0;
  for (int i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

inline uint64_t Get64(const char* bytes) {
  return static_cast<uint64_t>(Get32(bytes)) << 32 | Get32(bytes + 4);
}

}  // namespace vigil::pg::wire
