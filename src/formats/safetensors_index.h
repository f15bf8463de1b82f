// SPDX-License-Identifier: Apache-2.0
// Reads model.safetensors.index.json: which file holds which tensor.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace partita::formats {

inline constexpr std::string_view kSafetensorsIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kSafetensorsSingleName = "model.safetensors";

struct SafetensorsIndex {
  std::map<std::string, std::string, std::less<>> file_of_tensor;  // tensor -> plain file name

  // Each file once, sorted.
  [[nodiscard]] std::vector<std::string> files() const;
};

// Reads the index only. Throws kInvalidFile naming index, tensor and rule: no weight_map, or a file
// name that is not a plain name inside the index' directory.
[[nodiscard]] SafetensorsIndex read_safetensors_index(const std::filesystem::path& path);

}  // namespace partita::formats
