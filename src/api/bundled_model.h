// SPDX-License-Identifier: Apache-2.0
// For tests: the model that comes with the project, and a description of devices to plan for.
#pragma once

#include <filesystem>

#include "partita/model.h"

namespace partita::api {

inline std::filesystem::path bundled_folder() {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "models" / "tiny-tales";
}

inline std::filesystem::path test_devices() {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests" / "data" / "devices" / "test-cpu.toml";
}

// Loaded once, in f32.
inline const Model& bundled() {
  static const Model model = Model::load(bundled_folder(), {.dtype = "f32"});
  return model;
}

}  // namespace partita::api
