// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/case_program.h"

#include "support/error.h"

namespace partita::api {

std::string program_text(const std::string& inputs,
                         int nodes,
                         const std::function<std::string(int)>& node) {
  std::string text = str("graph \"measured\" {\n", inputs);
  std::string body;
  for (int i = 0; i < nodes; ++i) {
    const std::string lines = node(i);
    // Weights are declared before all nodes.
    const size_t split = lines.find("  %y");
    text += lines.substr(0, split);
    body += lines.substr(split);
  }
  return str(text, body, "  return %y", nodes - 1, "\n}\n");
}

}  // namespace partita::api
