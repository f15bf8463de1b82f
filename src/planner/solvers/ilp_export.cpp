// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/ilp_export.h"

#include <fstream>
#include <string>

#include "planner/solvers/ilp_encode.h"
#include "support/error.h"

namespace partita::planner {

void export_ilp(const Problem& problem, const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".lp" && extension != ".mps") {
    throw Error(ErrorCode::kInvalidArgument,
                str("[ilp] cannot export to ", path.string(), "; expected a name in .lp or .mps"));
  }
  const IlpModel model = encode_ilp(problem).model;
  std::ofstream out(path, std::ios::binary);
  out << (extension == ".lp" ? to_lp_text(model) : to_mps_text(model));
  if (!out.flush()) {
    throw Error(ErrorCode::kSystem, str("[ilp] cannot write ", path.string(),
                                        "; check the folder, its permissions and the free space"));
  }
}

}  // namespace partita::planner
