// SPDX-License-Identifier: Apache-2.0
// The index of checkpoints with several files.
#include "formats/safetensors_index.h"

#include <set>

#include "support/error.h"
#include "support/json.h"

namespace partita::formats {
namespace {

// The index comes from outside: a name with a folder in it could make us read any file of the
// machine.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

std::vector<std::string> SafetensorsIndex::files() const {
  std::set<std::string> names;
  for (const auto& [tensor, file] : file_of_tensor) names.insert(file);
  return {names.begin(), names.end()};
}

SafetensorsIndex read_safetensors_index(const std::filesystem::path& path) {
  const Json root = read_json(path);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (map == root.end() || !map->is_object()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[safetensors index] ", path.string(), " has no object \"weight_map\""));
  }
  SafetensorsIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      throw Error(
          ErrorCode::kInvalidFile,
          str("[safetensors index] ", path.string(), ": tensor ", tensor, " names file ",
              file.dump(), "; expected a plain file name inside ", path.parent_path().string()));
    }
    index.file_of_tensor[tensor] = file.get<std::string>();
  }
  return index;
}

}  // namespace partita::formats
