// SPDX-License-Identifier: Apache-2.0
// Reads config.json in its several spellings.
#include "formats/hf_config.h"

#include <cmath>
#include <limits>

#include "support/error.h"

namespace partita::formats {
namespace {

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

std::string joined(HfConfig::Names names) {
  std::string text;
  for (const std::string_view name : names)
    text += str(text.empty() ? "" : " or ", "\"", name, "\"");
  return text;
}

[[noreturn]] void refuse(const std::string& what,
                         const std::string& key,
                         const Json& value,
                         std::string_view expected) {
  throw Error(ErrorCode::kInvalidFile, str("[config] ", what, ": ", key, " is ",
                                           value.dump().substr(0, 80), "; expected ", expected));
}

double positive(const std::string& what, const std::string& key, const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() <= 0) {
    refuse(what, key, value, "a number above 0");
  }
  return value.get<double>();
}

int64_t size_value(const std::string& what, const std::string& key, const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 ||
      value.get<uint64_t>() > static_cast<uint64_t>(kMaxSize)) {
    refuse(what, key, value, "an integer of 1 .. 2^31-1");
  }
  return value.get<int64_t>();
}

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(std::string(name));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The members of `rope_scaling` or `rope_parameters`.
void read_rope(const std::string& what,
               const std::string& key,
               const Json& value,
               RopeConfig& rope) {
  if (!value.is_object()) refuse(what, key, value, "an object");
  const auto number = [&](std::string_view name, double& target) {
    if (const Json* found = member(value, name))
      target = positive(what, str(key, ".", name), *found);
  };
  for (const char* name : {"type", "rope_type"}) {  // the newer one last, so that it wins
    const Json* type = member(value, name);
    if (type == nullptr) continue;
    if (!type->is_string()) refuse(what, key, value, "a text as rope type");
    rope.type = type->get<std::string>();
  }
  number("rope_theta", rope.theta);
  number("factor", rope.factor);
  number("low_freq_factor", rope.low_freq_factor);
  number("high_freq_factor", rope.high_freq_factor);
  number("partial_rotary_factor", rope.partial_rotary_factor);
  if (const Json* found = member(value, "original_max_position_embeddings")) {
    rope.original_max_positions =
        size_value(what, key + ".original_max_position_embeddings", *found);
  }
}

}  // namespace

HfConfig::HfConfig(Json root, std::string what) : root_(std::move(root)), what_(std::move(what)) {
  if (!root_.is_object()) refuse(what_, "the file", root_, "a JSON object");
}

HfConfig HfConfig::read(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(directory, ignored)) {
    throw Error(ErrorCode::kNotFound,
                str("[config] ", directory.string(), " is a file; give the folder that holds it (",
                    "with config.json), or a file that ends in .gguf"));
  }
  const auto path = directory / "config.json";
  return {read_json(path, kMaxConfigBytes), path.string()};
}

const Json* HfConfig::find(std::string_view name) const { return member(root_, name); }

const Json* HfConfig::find(Names names) const {
  for (const std::string_view name : names) {
    if (const Json* value = member(root_, name)) return value;
  }
  return nullptr;
}

int64_t HfConfig::size(Names names) const {
  const Json* value = find(names);
  if (value == nullptr) refuse(what_, joined(names), "missing", "an integer of 1 .. 2^31-1");
  return size_value(what_, joined(names), *value);
}

int64_t HfConfig::size_or(Names names, int64_t fallback) const {
  return find(names) == nullptr ? fallback : size(names);
}

double HfConfig::positive_or(Names names, double fallback) const {
  const Json* value = find(names);
  return value == nullptr ? fallback : positive(what_, joined(names), *value);
}

bool HfConfig::flag_or(Names names, bool fallback) const {
  const Json* value = find(names);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(what_, joined(names), *value, "true or false");
  return value->get<bool>();
}

std::string HfConfig::text_or(Names names, std::string fallback) const {
  const Json* value = find(names);
  if (value == nullptr) return fallback;
  if (!value->is_string()) refuse(what_, joined(names), *value, "a text");
  return value->get<std::string>();
}

std::vector<int32_t> HfConfig::token_ids(std::string_view name) const {
  std::vector<int32_t> ids;
  const Json* value = find(name);
  if (value == nullptr) return ids;
  const auto add = [&](const Json& id) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(kMaxSize)) {
      refuse(what_, joined({name}), *value, "a token id or a list of token ids");
    }
    ids.push_back(id.get<int32_t>());
  };
  if (value->is_array()) {
    for (const Json& id : *value) add(id);
  } else {
    add(*value);
  }
  return ids;
}

RopeConfig HfConfig::rope() const {
  RopeConfig rope;
  rope.theta = positive_or({"rope_theta"}, rope.theta);
  rope.partial_rotary_factor = positive_or({"partial_rotary_factor"}, 1);
  if (const Json* parameters = find("rope_parameters")) {
    read_rope(what_, "rope_parameters", *parameters, rope);
  } else if (const Json* scaling = find("rope_scaling")) {
    read_rope(what_, "rope_scaling", *scaling, rope);
  }
  return rope;
}

std::string HfConfig::model_type() const { return text_or({"model_type"}, ""); }

std::vector<std::string> HfConfig::architectures() const {
  std::vector<std::string> names;
  const Json* value = find("architectures");
  if (value == nullptr) return names;
  if (!value->is_array()) refuse(what_, "\"architectures\"", *value, "a list of texts");
  for (const Json& name : *value) {
    if (!name.is_string()) refuse(what_, "\"architectures\"", *value, "a list of texts");
    names.push_back(name.get<std::string>());
  }
  return names;
}

}  // namespace partita::formats
