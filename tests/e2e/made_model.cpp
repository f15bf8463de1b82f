// SPDX-License-Identifier: Apache-2.0
#include "e2e/made_model.h"

namespace partita::tests {

std::filesystem::path made_model(const std::string& name,
                                 const ModelShape& shape,
                                 const MakeModelOptions& options) {
  const std::filesystem::path path = std::filesystem::path(PARTITA_BINARY_DIR) / name;
  if (!std::filesystem::exists(path)) make_model(shape, options, path);
  return path;
}

}  // namespace partita::tests
