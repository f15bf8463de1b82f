// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a text as a mesh, and its second line as the spec of a tensor on it, is refused with
// an Error or reads, prints and reads back to the same.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "spec/mesh.h"
#include "spec/tensor_spec.h"
#include "support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace partita;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = text.substr(0, text.find('\n'));
  const std::string_view second = first.size() == text.size() ? "" : text.substr(first.size() + 1);
  constexpr std::array<int64_t, 3> kShape = {-1, 12, 7};
  try {
    const spec::Mesh mesh = spec::Mesh::parse(first);
    if (spec::Mesh::parse(mesh.to_string()).axes() != mesh.axes()) std::abort();
    if (mesh.size() > 4096) return 0;
    const spec::TensorSpec spec = spec::parse_tensor_spec(second, kShape, mesh);
    const std::string written = spec::to_string(spec, kShape, mesh);
    if (spec::parse_tensor_spec(written, kShape, mesh) != spec) std::abort();
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      for (const Range& range : spec::local_ranges(spec, kShape, mesh, cell)) {
        if (range.begin < 0 || range.end > 12) std::abort();
      }
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
