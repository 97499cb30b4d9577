#include "pg/host_list.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "pg/connecting.h"

namespace vigil::pg {
namespace {

// The parts between the commas; none of an empty text.
std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  if (list.empty()) return parts;
  for (size_t begin = 0;;) {
    const size_t comma = list.find(',', begin);
    parts.push_back(list.substr(begin, comma - begin));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

// Nothing when all of the parts are empty.
std::string Joined(const HostList& hosts, std::string ListedHost::*part) {
  std::string list;
  for (const ListedHost& host : hosts) {
    if (&host != hosts.data()) list += ',';
    list += host.*part;
  }
  return list.find_first_not_of(',') == std::string::npos ? "" : list;
}

}  // namespace

Result<HostList> HostListOf(const std::string& conninfo) {
  if (auto checked = CheckConninfo(conninfo); !checked) return Fail(std::move(checked.error()));
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
  const auto list = [&](std::string_view keyword) {
    for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
      if (option->keyword == keyword && option->val != nullptr) return Split(option->val);
    }
    return std::vector<std::string>();
  };
  std::vector<std::string> names = list("host");
  std::vector<std::string> addresses = list("hostaddr");
  std::vector<std::string> ports = list("port");
  const size_t count = std::max(names.size(), addresses.size());
  if (names.empty()) names.resize(count);
  if (addresses.empty()) addresses.resize(count);
  // One port may stand for all hosts.
  if (ports.size() < 2) ports.resize(count, ports.empty() ? "" : ports.front());
  if (names.size() != count || addresses.size() != count || ports.size() != count) return {};
  HostList hosts;
  for (size_t place = 0; place < count; ++place) {
    hosts.push_back({names[place], addresses[place], ports[place]});
  }
  return hosts;
}

std::vector<std::pair<std::string, std::string>> KeywordsOf(const HostList& hosts) {
  std::vector<std::pair<std::string, std::string>> keywords;
  const auto add = [&](const char* keyword, std::string value) {
    if (!value.empty()) keywords.emplace_back(keyword, std::move(value));
  };
  add("host", Joined(hosts, &ListedHost::host));
  add("hostaddr", Joined(hosts, &ListedHost::hostaddr));
  add("port", Joined(hosts, &ListedHost::port));
  return keywords;
}

}  // namespace vigil::pg
