// SPDX-License-Identifier: Apache-2.0
// Attributes of a window and the number of its places.
#include "ops/window2d.h"

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// Larger than any image or filter; keeps sums and products of a few of them within 64 bits.
constexpr int64_t kMaxExtent = int64_t{1} << 30;

std::vector<int64_t> list_or(const ir::Attributes& attributes,
                             const std::string& name,
                             std::vector<int64_t> fallback) {
  return attributes.has(name) ? attributes.integers(name) : std::move(fallback);
}

void check_list(const OpCall& call, const std::string& name, size_t count, int64_t least) {
  if (!call.attributes.has(name)) return;
  const std::vector<int64_t>& values = call.attributes.integers(name);
  if (values.size() != count) {
    fail(call, str(name, " has ", values.size(), " entries; expected ", count));
  }
  for (const int64_t value : values) {
    if (value < least || value > kMaxExtent) {
      fail(call, str(name, " = ", value, "; expected ", least, " to ", kMaxExtent));
    }
  }
}

}  // namespace

Window2d checked_window(const ir::Attributes& attributes, std::array<int64_t, 2> size) {
  const auto strides = list_or(attributes, "strides", {1, 1});
  const auto dilations = list_or(attributes, "dilations", {1, 1});
  const auto padding = list_or(attributes, "padding", {0, 0, 0, 0});
  return {.size = size,
          .strides = {strides[0], strides[1]},
          .dilations = {dilations[0], dilations[1]},
          .before = {padding[0], padding[1]},
          .after = {padding[2], padding[3]}};
}

Window2d read_window(const OpCall& call, std::array<int64_t, 2> size) {
  for (const int64_t extent : size) {
    if (extent < 1 || extent > kMaxExtent) {
      fail(call, str("a window of size ", extent, "; expected 1 to ", kMaxExtent));
    }
  }
  check_list(call, "strides", 2, 1);
  check_list(call, "dilations", 2, 1);
  check_list(call, "padding", 4, 0);
  return checked_window(call.attributes, size);
}

std::array<int64_t, 2> window_places(const OpCall& call, const Window2d& window) {
  std::array<int64_t, 2> places = {0, 0};
  for (size_t i = 0; i < 2; ++i) {
    const ir::Dim& dim = call.inputs[0].dims.at(2 + i);
    if (dim.is_symbolic() || dim.size > kMaxExtent) {
      fail(call, str("dim ", 2 + i, " of ", ir::to_string(call.inputs[0]),
                     "; expected a known size of at most ", kMaxExtent));
    }
    const int64_t room = dim.size + window.before[i] + window.after[i] - window.extent(i);
    if (room < 0) {
      fail(call, str("a window over ", window.extent(i), " elements in dim ", 2 + i, " of ",
                     ir::to_string(call.inputs[0]), " with its padding; expected a smaller one"));
    }
    places[i] = room / window.strides[i] + 1;
  }
  return places;
}

}  // namespace partita::ops
