// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text as config.json is refused with an Error or gives a graph that verifies.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/hf_config.h"
#include "models/family.h"
#include "ops/op.h"
#include "support/error.h"
#include "support/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const partita::formats::HfConfig config(partita::parse_json(text, "config.json"),
                                            "config.json");
    (void)config.token_ids("eos_token_id");
    // Deep models take long to build and differ from shallow ones in nothing that matters here.
    if (config.size_or({"num_hidden_layers", "n_layer"}, 1) > 8) return 0;
    const auto model = partita::models::find_family(config).build(config, {});
    partita::ops::verify_types(model.graph);
  } catch (const partita::Error& error) {
    if (error.code() == partita::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
