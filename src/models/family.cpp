// SPDX-License-Identifier: Apache-2.0
// Finds the family of a config.
#include "models/family.h"

#include "support/error.h"

namespace partita::models {

const Family& find_family(const formats::HfConfig& config) {
  const std::string model_type = config.model_type();
  const std::vector<std::string> architectures = config.architectures();
  const std::string architecture = architectures.empty() ? "" : architectures[0];
  std::string known;
  for (const Family* family : all_families()) {
    if (model_type.empty() ? architecture == family->architecture
                           : model_type == family->model_type) {
      return *family;
    }
    known += str(known.empty() ? "" : ", ", family->name);
  }
  throw Error(ErrorCode::kUnsupported, str("[importer] ", config.what(), ": model_type \"",
                                           model_type, "\", architecture \"", architecture,
                                           "\" is no known family; partita knows ", known));
}

}  // namespace partita::models
