#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace vigil::log {
namespace {

Format g_format = Format::kText;  // set once before the first thread

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kNothing:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

// Text that keeps one line one line, whatever came in from outside.
std::string Quoted(std::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7f) return true;
  }
  return false;
}

void Write(Level level, std::string_view sentence, std::span<const Field> fields) {
  if (!spdlog::default_logger_raw()->should_log(ToSpdlog(level))) return;
  spdlog::log(ToSpdlog(level), "{}", Body(g_format, sentence, fields));
}

}  // namespace

void SetUp(Format format, Level level) {
  g_format = format;
  auto logger = spdlog::stderr_logger_mt("vigil");
  logger->set_pattern(format == Format::kJson
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                          : "%Y-%m-%dT%H:%M:%S.%fZ %-7l %v",
                      spdlog::pattern_time_type::utc);
  logger->set_level(ToSpdlog(level));
  spdlog::set_default_logger(std::move(logger));
}

std::string Body(Format format, std::string_view sentence, std::span<const Field> fields) {
  std::string body;
  if (format == Format::kJson) {
    body = fmt::format(R"("message":{})", Quoted(sentence));
    for (const Field& field : fields) {
      body += fmt::format(",{}:{}", Quoted(field.name), Quoted(field.value));
    }
    return body;
  }
  body = sentence;
  for (const Field& field : fields) {
    body += fmt::format(" {}={}", field.name,
                        NeedsQuotes(field.value) ? Quoted(field.value) : field.value);
  }
  return body;
}

void Debug(std::string_view sentence, Fields fields) {
  Write(Level::kDebug, sentence, {fields.begin(), fields.end()});
}
void Info(std::string_view sentence, Fields fields) {
  Write(Level::kInfo, sentence, {fields.begin(), fields.end()});
}
void Warning(std::string_view sentence, Fields fields) {
  Write(Level::kWarning, sentence, {fields.begin(), fields.end()});
}

void Failed(std::string_view sentence, const Error& error, Fields fields) {
  std::vector<Field> all(fields);
  all.emplace_back("reason", error.reason);
  all.emplace_back("error", error.message);
  all.emplace_back("hint", error.hint);
  Write(Level::kError, sentence, all);
}

}  // namespace vigil::log
