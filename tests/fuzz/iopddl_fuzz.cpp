// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes, packed or not, are refused as an instance with an Error or give a problem
// that the solvers accept and that scores as the instance does.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "planner/iopddl.h"
#include "planner/iopddl_score.h"
#include "support/error.h"
#include "support/gzip.h"

namespace {

constexpr int64_t kMaxUnpackedBytes = int64_t{1} << 20;

void read(std::string_view bytes) {
  using namespace partita::planner;
  std::string text(bytes);
  if (partita::is_gzip(text)) text = partita::gunzip(text, "fuzz", kMaxUnpackedBytes);
  const IopddlInstance instance = parse_iopddl(text, "fuzz");
  const Problem problem = to_problem(instance);
  check_problem(problem);
  const std::vector<int> first(instance.nodes.size(), 0);
  const IopddlScore expected = score(instance, first);
  const Value value = evaluate(problem, first);
  if (value.cost != expected.cost.value_or(kForbidden)) std::abort();
  if (value.bytes != expected.peak_usage) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    read({reinterpret_cast<const char*>(data), size});
  } catch (const partita::Error& error) {
    if (error.code() == partita::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
