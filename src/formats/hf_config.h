// SPDX-License-Identifier: Apache-2.0
// Typed access to a Hugging Face config.json under its old and new key names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::formats {

// Rotary embedding settings, whichever of the two spellings the file uses.
struct RopeConfig {
  double theta = 10000;
  std::string type = "default";
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_positions = 0;
  double partial_rotary_factor = 1;  // share of each head that is rotated
};

// The values of one config.json. A list of names means: the first one that is there and not null
// counts, the newest name first. All getters throw kInvalidFile naming file, key, value and what
// was expected. Immutable.
class HfConfig {
 public:
  HfConfig(Json root, std::string what);
  // DIR/config.json.
  [[nodiscard]] static HfConfig read(const std::filesystem::path& directory);

  using Names = std::initializer_list<std::string_view>;
  // A size: an integer of 1 .. 2^31-1.
  [[nodiscard]] int64_t size(Names names) const;
  [[nodiscard]] int64_t size_or(Names names, int64_t fallback) const;
  [[nodiscard]] double positive_or(Names names, double fallback) const;
  [[nodiscard]] bool flag_or(Names names, bool fallback) const;
  [[nodiscard]] std::string text_or(Names names, std::string fallback) const;
  // A token id or a list of them; empty when absent.
  [[nodiscard]] std::vector<int32_t> token_ids(std::string_view name) const;
  // `rope_parameters` (new) or `rope_theta` with `rope_scaling` (old; `type` or `rope_type`).
  [[nodiscard]] RopeConfig rope() const;

  [[nodiscard]] std::string model_type() const;  // empty when absent
  [[nodiscard]] std::vector<std::string> architectures() const;
  // The value when the key is there and not null, else null.
  [[nodiscard]] const Json* find(std::string_view name) const;
  [[nodiscard]] const std::string& what() const { return what_; }  // the file, for messages

 private:
  [[nodiscard]] const Json* find(Names names) const;

  Json root_;
  std::string what_;
};

}  // namespace partita::formats
