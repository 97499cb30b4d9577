// What `vigil` prints: tables for people, JSON for programs.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "vigil/event.h"
#include "vigil/pod.h"
#include "vigil/subscription.h"
#include "vigil/work.h"

namespace vigil::client {

using Json = nlohmann::ordered_json;

Json ToJson(const Pod& pod);
Json ToJson(const WorkItem& item);
Json ToJson(const Event& event);
Json ToJson(const Position& position);

// One object, on one line.
std::string JsonLine(const Json& json);
// The same, written and flushed: whoever reads a stream of them waits for each.
void PrintJson(const Json& json);

// Columns as wide as their widest cell. The first row is the heading.
void PrintTable(const std::vector<std::vector<std::string>>& rows);

void PrintPods(const std::vector<Pod>& pods);
void PrintItems(const std::vector<WorkItem>& items);
// All there is to say of one.
void PrintItem(const WorkItem& item);
// A line for people.
std::string EventLine(const Event& event);
void PrintEvent(const Event& event);

}  // namespace vigil::client
