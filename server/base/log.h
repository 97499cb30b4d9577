// Structured logs: a sentence and fields, as text for people or JSON for programs. Never a secret
// in either.
#pragma once

#include <concepts>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/number.h"

namespace vigil::log {

enum class Format { kText, kJson };
enum class Level { kDebug, kInfo, kWarning, kError, kNothing };

struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view field, std::string_view text) : name(field), value(text) {}
  Field(std::string_view field, std::integral auto number)
      : name(field), value(std::to_string(number)) {}
  template <typename Tag>
  Field(std::string_view field, Number<Tag> number) : Field(field, number.value) {}
};

using Fields = std::initializer_list<Field>;

// Once, before the first thread. Logs go to standard error.
void SetUp(Format format, Level level);

// Any thread.
void Debug(std::string_view sentence, Fields fields = {});
void Info(std::string_view sentence, Fields fields = {});
void Warning(std::string_view sentence, Fields fields = {});
void Failed(std::string_view sentence, const Error& error, Fields fields = {});

// What stands behind the time and the level in a line: escaped, so that one line stays one line
// whatever came in from outside.
std::string Body(Format format, std::string_view sentence, std::span<const Field> fields);

}  // namespace vigil::log
