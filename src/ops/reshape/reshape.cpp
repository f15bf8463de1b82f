// SPDX-License-Identifier: Apache-2.0
// reshape: the same elements in row-major order under other dims.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "ops/declaration.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using Dims = std::span<const ir::Dim>;

std::string to_text(Dims dims) {
  std::string text;
  for (const ir::Dim& dim : dims) {
    text += str(text.empty() ? "" : ",", dim.is_symbolic() ? dim.symbol : std::to_string(dim.size));
  }
  return "[" + text + "]";
}

[[noreturn]] void fail_mismatch(const OpCall& call, Dims out) {
  fail(call, str(to_text(call.inputs[0].dims), " to ", to_text(out),
                 "; expected the same elements, symbolic dims kept as they are"));
}

// The dim that -1 stands for: what the input has and the other output dims have not.
ir::Dim remaining_dim(const OpCall& call, Dims out) {
  int64_t in_elements = 1;
  int64_t out_elements = 1;
  std::vector<std::string> symbols;
  for (const ir::Dim& dim : call.inputs[0].dims) {
    if (dim.is_symbolic()) symbols.push_back(dim.symbol);
    if (!dim.is_symbolic()) in_elements = checked_mul(in_elements, dim.size).value_or(0);
  }
  for (const ir::Dim& dim : out) {
    if (!dim.is_symbolic()) {
      out_elements = checked_mul(out_elements, dim.size).value_or(0);
      continue;
    }
    const auto found = std::ranges::find(symbols, dim.symbol);
    if (found == symbols.end()) fail_mismatch(call, out);
    symbols.erase(found);
  }
  if (symbols.size() == 1 && in_elements == out_elements) return ir::Dim(symbols.front().c_str());
  if (!symbols.empty()) fail_mismatch(call, out);
  if (out_elements == 0) return ir::Dim(int64_t{0});
  if (in_elements % out_elements != 0) fail_mismatch(call, out);
  return ir::Dim(in_elements / out_elements);
}

std::vector<ir::Dim> output_dims(const OpCall& call) {
  const std::vector<ir::Dim>& in = call.inputs[0].dims;
  std::vector<ir::Dim> out;
  std::optional<size_t> open;
  for (const int64_t size : call.attributes.integers("shape")) {
    if (size < -1 || (size == -1 && open)) fail(call, "shape: expected sizes, 0 or one -1");
    if (size == 0 && out.size() >= in.size()) fail(call, "shape: 0 stands beyond the input's dims");
    if (size == -1) open = out.size();
    out.push_back(size == 0 ? in[out.size()] : ir::Dim(std::max<int64_t>(size, 1)));
  }
  if (open) out[*open] = remaining_dim(call, out);
  return out;
}

// Divides both lists of dims into factors: a symbolic dim is a factor of its own, and a run of
// known dims is cut wherever a dim of either side ends, e.g. [4,6] -> [2,12] is [(a b),c] -> [a,(b
// c)] with a = b = 2, c = 6. Fails when the cuts do not nest ([2,6] -> [3,4]) or a dim is 0; then
// nothing can be split.
class Refinement {
 public:
  Refinement(Dims in, Dims out) : in_(in), out_(out) {}

  std::optional<spec::Notation> run() {
    notation_.inputs.resize(1);
    notation_.outputs.resize(1);
    while (in_at_ < in_.size() || out_at_ < out_.size()) {
      if (!take_unit_dims() && !take_symbol() && !take_factor()) return std::nullopt;
    }
    return notation_;
  }

 private:
  // Dims of size 1 (and finished ones) carry no further factor.
  bool take_unit_dims() {
    bool taken = false;
    while (in_at_ < in_.size() && in_left() == 1) taken = close(in_at_, in_done_, in_index_, true);
    while (out_at_ < out_.size() && out_left() == 1) {
      taken = close(out_at_, out_done_, out_index_, false);
    }
    return taken;
  }

  bool take_symbol() {
    if (in_at_ == in_.size() || out_at_ == out_.size()) return false;
    if (!in_[in_at_].is_symbolic() || in_[in_at_] != out_[out_at_]) return false;
    add(-1);
    close(in_at_, in_done_, in_index_, true);
    return close(out_at_, out_done_, out_index_, false);
  }

  // Takes the major factor of what is left of both dims: the smaller one, which must divide the
  // larger.
  bool take_factor() {
    if (in_at_ == in_.size() || out_at_ == out_.size()) return false;
    const int64_t smaller = std::min(in_left(), out_left());
    const int64_t larger = std::max(in_left(), out_left());
    if (smaller < 1 || larger % smaller != 0) return false;
    add(smaller);
    in_done_ *= smaller;
    out_done_ *= smaller;
    return true;
  }

  int64_t in_left() const { return left(in_[in_at_], in_done_); }
  int64_t out_left() const { return left(out_[out_at_], out_done_); }
  static int64_t left(const ir::Dim& dim, int64_t done) {
    return dim.is_symbolic() ? -1 : dim.size / done;
  }

  void add(int64_t size) {
    const int factor =
        add_factor(notation_, str("d", notation_.factors.size()), spec::FactorKind::kMap, size);
    in_index_.push_back({factor, 1});
    out_index_.push_back({factor, 1});
  }

  bool close(size_t& at, int64_t& done, spec::DimIndex& index, bool is_input) {
    auto& tensor = is_input ? notation_.inputs[0] : notation_.outputs[0];
    tensor.push_back(std::exchange(index, {}));
    done = 1;
    ++at;
    return true;
  }

  Dims in_;
  Dims out_;
  size_t in_at_ = 0;
  size_t out_at_ = 0;
  int64_t in_done_ = 1;  // product of the factors already taken from the dim at in_at_
  int64_t out_done_ = 1;
  spec::DimIndex in_index_;
  spec::DimIndex out_index_;
  spec::Notation notation_;
};

// Every dim a factor that is never split.
spec::Notation unsplit(Dims in, Dims out) {
  spec::Notation notation;
  std::vector<int> in_factors;
  std::vector<int> out_factors;
  for (size_t i = 0; i < in.size(); ++i) {
    in_factors.push_back(add_factor(notation, str("x", i), spec::FactorKind::kWhole, in[i].size));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    // A symbolic factor that no input carries gives its name to the output dim.
    const std::string name = out[i].is_symbolic() ? out[i].symbol : str("y", i);
    out_factors.push_back(add_factor(notation, name, spec::FactorKind::kWhole, out[i].size));
  }
  notation.inputs = {index_of(in_factors)};
  notation.outputs = {index_of(out_factors)};
  return notation;
}

std::optional<int64_t> known_elements(Dims dims) {
  std::vector<int64_t> sizes;
  for (const ir::Dim& dim : dims) {
    if (dim.is_symbolic()) return std::nullopt;
    sizes.push_back(dim.size);
  }
  return checked_product(sizes);
}

spec::Notation bind_reshape(const OpCall& call) {
  require_inputs(call, 1);
  const std::vector<ir::Dim>& in = call.inputs[0].dims;
  const std::vector<ir::Dim> out = output_dims(call);
  std::optional<spec::Notation> notation = Refinement(in, out).run();
  if (!notation) {
    const auto elements = known_elements(in);
    const bool has_zero = std::ranges::any_of(in, [](const ir::Dim& d) { return d.size == 0; }) &&
                          std::ranges::any_of(out, [](const ir::Dim& d) { return d.size == 0; });
    const bool keeps_elements = elements && elements == known_elements(out);
    if (!keeps_elements && !has_zero) fail_mismatch(call, out);
    notation = unsplit(in, out);
  }
  notation->linear_in = {{0}};
  return bound(call, std::move(*notation));
}

OpSample reshape_sample(std::initializer_list<int64_t> from, std::vector<int64_t> to) {
  return float_sample({f32(from)}, attributes({{"shape", std::move(to)}}));
}

std::vector<OpSample> reshape_samples() {
  return {reshape_sample({5, 12}, {0, 6, -1}), reshape_sample({5, 6, 2}, {0, -1}),
          reshape_sample({4, 6}, {2, 12}), reshape_sample({2, 6}, {3, 4})};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "reshape",
     .summary = "The same elements under other dims. Attribute shape: sizes, 0 keeps the input dim"
                " of that index, one -1 is what remains.",
     .notation = "y[t,h,e] = x[t,(h e)] and alike, from the sizes; map t h e; linear x",
     .bind = bind_reshape,
     .flops = no_cost,
     .bytes = no_cost,
     .samples = reshape_samples},
}};

}  // namespace

std::span<const OpDef> reshape_ops() { return kOps; }

}  // namespace partita::ops
