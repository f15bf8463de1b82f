// SPDX-License-Identifier: Apache-2.0
#include "cli/option_checks.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "partita/error.h"

namespace partita::cli {
namespace {

constexpr std::string_view kFieldLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";

// "--max-context" for "max_context", or nothing when the command has no such option.
std::string option_of(std::string field, const CLI::App& command) {
  std::replace(field.begin(), field.end(), '_', '-');
  const std::string name = "--" + field;
  return command.get_option_no_throw(name) != nullptr ? name : "";
}

// A name with '_' is always a field; a plain word only where the message begins with what it is.
bool is_field(const std::string& message, size_t begin, size_t end) {
  const bool is_apart = begin > 0 && (message[begin - 1] == ' ' || message[begin - 1] == '(') &&
                        (end == message.size() ||
                         std::string_view(" ,;)").find(message[end]) != std::string_view::npos);
  if (!is_apart) return false;
  const bool has_line = message.substr(begin, end - begin).find('_') != std::string::npos;
  const bool is_subject =
      message[0] == '[' && message.find("] ") + 2 == begin && message.compare(end, 4, " is ") == 0;
  return has_line || is_subject;
}

}  // namespace

CLI::Validator not_empty() {
  return {[](const std::string& text) {
            return text.empty() ? std::string("is empty; give a value or drop the option")
                                : std::string();
          },
          ""};
}

CLI::Validator at_least(int64_t least) {
  return {[least](const std::string& text) {
            char* end = nullptr;
            const double value = std::strtod(text.c_str(), &end);
            const bool is_number = !text.empty() && *end == '\0';
            if (!is_number || value >= static_cast<double>(least)) return std::string();
            return "is " + text + "; expected " + std::to_string(least) + " or more";
          },
          ""};
}

void exclude_each_other(const std::vector<CLI::Option*>& options) {
  for (size_t i = 0; i < options.size(); ++i) {
    for (size_t k = i + 1; k < options.size(); ++k) options[i]->excludes(options[k]);
  }
}

void refuse_beside_plan_file(const CLI::App& command, const std::vector<std::string>& names) {
  if (command.count("--plan") == 0) return;
  std::string given;
  for (const std::string& name : names) {
    if (command.count(name) > 0) given += (given.empty() ? "" : ", ") + name;
  }
  if (given.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "[plan] --plan names a plan that has decided this already: " + given +
                  "; drop one or the other");
}

std::string with_option_names(const std::string& message, const CLI::App& command) {
  std::string result;
  size_t at = 0;
  while (at < message.size()) {
    const size_t begin = std::min(message.find_first_of(kFieldLetters, at), message.size());
    const size_t end = std::min(message.find_first_not_of(kFieldLetters, begin), message.size());
    result += message.substr(at, begin - at);
    const std::string word = message.substr(begin, end - begin);
    const std::string option = is_field(message, begin, end) ? option_of(word, command) : "";
    result += option.empty() ? word : option;
    at = end;
  }
  return result;
}

const CLI::App& parsed_command(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return parsed.empty() ? app : parsed_command(*parsed.front());
}

}  // namespace partita::cli
