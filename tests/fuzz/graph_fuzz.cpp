// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text is either refused with an Error or prints and reads back to the same text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ir/graph.h"
#include "support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto graph = partita::ir::parse_graph({reinterpret_cast<const char*>(data), size});
    const std::string text = partita::ir::print_graph(graph);
    if (partita::ir::print_graph(partita::ir::parse_graph(text)) != text) std::abort();
  } catch (const partita::Error& error) {
    if (error.code() == partita::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
