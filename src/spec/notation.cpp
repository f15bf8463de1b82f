// SPDX-License-Identifier: Apache-2.0
// Factor sizes of index notation: inferred from input shapes, and the output shapes that follow.
#include "spec/notation.h"

#include <optional>

#include "support/checked_math.h"
#include "support/error.h"

namespace partita::spec {
namespace {

int64_t divide_up(int64_t value, int64_t by) { return value / by + (value % by != 0 ? 1 : 0); }

// Where a dim stands, for messages.
struct Place {
  size_t input;
  size_t dim;
};

class Binder {
 public:
  Binder(Notation& notation, std::span<const std::vector<int64_t>> shapes, std::string_view op)
      : notation_(notation), shapes_(shapes), op_(op), symbolic_(notation.factors.size(), false) {}

  void run() {
    check_counts();
    // Plain dims first: they decide most factors, and messages then name the plain dim.
    for_each_dim([&](const DimIndex& dim, int64_t size, Place place) {
      if (is_plain(dim)) bind_plain(dim[0].factor, size, place);
    });
    bool has_changed = true;
    while (has_changed) {
      has_changed = false;
      for_each_dim([&](const DimIndex& dim, int64_t size, Place) {
        if (!is_plain(dim) && solve(dim, size)) has_changed = true;
      });
    }
    for_each_dim([&](const DimIndex& dim, int64_t size, Place place) { check(dim, size, place); });
  }

 private:
  static bool is_plain(const DimIndex& dim) { return dim.size() == 1 && dim[0].divide == 1; }

  template <typename Visit>
  void for_each_dim(const Visit& visit) {
    for (size_t input = 0; input < shapes_.size(); ++input) {
      for (size_t dim = 0; dim < shapes_[input].size(); ++dim) {
        visit(notation_.inputs[input][dim], shapes_[input][dim], Place{input, dim});
      }
    }
  }

  void check_counts() {
    if (shapes_.size() != notation_.inputs.size()) {
      refuse(str(shapes_.size(), " inputs; expected ", notation_.inputs.size()));
    }
    for (size_t input = 0; input < shapes_.size(); ++input) {
      const size_t expected = notation_.inputs[input].size();
      if (shapes_[input].size() != expected) {
        refuse(str("input ", input, " has ", shapes_[input].size(), " dims; expected ", expected));
      }
    }
  }

  Factor& factor(int index) { return notation_.factors[static_cast<size_t>(index)]; }
  bool is_symbolic(int index) const { return symbolic_[static_cast<size_t>(index)]; }
  bool is_open(int index) { return factor(index).size < 0 && !is_symbolic(index); }

  void bind_plain(int index, int64_t size, Place place) {
    if (size < 0 && factor(index).size < 0) {
      symbolic_[static_cast<size_t>(index)] = true;
    } else if (is_open(index)) {
      factor(index).size = size;
    } else if (is_symbolic(index) || factor(index).size != size) {
      refuse_size(place, size, factor(index).size);
    }
  }

  // Decides the only open factor of a compound or divided dim, if there is exactly one.
  bool solve(const DimIndex& dim, int64_t size) {
    const IndexTerm* open = nullptr;
    int64_t known = 1;
    for (const IndexTerm& term : dim) {
      if (is_symbolic(term.factor)) return false;
      if (!is_open(term.factor)) {
        const auto next = checked_mul(known, divide_up(factor(term.factor).size, term.divide));
        if (!next) return false;
        known = *next;
      } else if (open != nullptr) {
        return false;
      } else {
        open = &term;
      }
    }
    if (open == nullptr) return false;
    if (size < 0) {
      symbolic_[static_cast<size_t>(open->factor)] = true;
      return true;
    }
    if (known == 0 || size % known != 0) return false;
    const auto whole = checked_mul(size / known, open->divide);
    if (!whole) return false;
    factor(open->factor).size = *whole;
    return true;
  }

  void check(const DimIndex& dim, int64_t size, Place place) {
    std::optional<int64_t> expected = 1;
    for (const IndexTerm& term : dim) {
      const int64_t whole = factor(term.factor).size;
      if (whole < 0 && !is_symbolic(term.factor)) {
        refuse(str("input ", place.input, " dim ", place.dim, " of size ", size,
                   " does not decide factor '", factor(term.factor).name,
                   "'; expected a multiple of its other factors"));
      }
      if (whole < 0) expected.reset();
      if (expected) expected = checked_mul(*expected, divide_up(whole, term.divide));
    }
    if (size != expected.value_or(-1)) refuse_size(place, size, expected.value_or(-1));
  }

  static std::string size_text(int64_t size) {
    return size < 0 ? "symbolic" : std::to_string(size);
  }

  [[noreturn]] void refuse_size(Place place, int64_t size, int64_t expected) const {
    refuse(str("input ", place.input, " dim ", place.dim, " is ", size_text(size), "; expected ",
               size_text(expected), " as in ", to_string(notation_)));
  }

  [[noreturn]] void refuse(const std::string& message) const {
    throw Error(ErrorCode::kInvalidArgument, str("[", op_, "] ", message));
  }

  Notation& notation_;
  std::span<const std::vector<int64_t>> shapes_;
  std::string_view op_;
  std::vector<bool> symbolic_;
};

}  // namespace

void bind(Notation& notation,
          std::span<const std::vector<int64_t>> input_shapes,
          std::string_view op) {
  Binder(notation, input_shapes, op).run();
}

int64_t dim_size(const Notation& notation, std::span<const IndexTerm> terms) {
  int64_t product = 1;
  for (const IndexTerm& term : terms) {
    const int64_t size = notation.factors[static_cast<size_t>(term.factor)].size;
    if (size < 0) return -1;
    const auto next = checked_mul(product, divide_up(size, term.divide));
    if (!next) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[notation] a dim has more than 2^63 elements in ", to_string(notation)));
    }
    product = *next;
  }
  return product;
}

std::vector<std::vector<int64_t>> output_shapes(const Notation& notation) {
  std::vector<std::vector<int64_t>> shapes;
  for (const TensorIndex& output : notation.outputs) {
    std::vector<int64_t>& shape = shapes.emplace_back();
    for (const DimIndex& dim : output) shape.push_back(dim_size(notation, dim));
  }
  return shapes;
}

}  // namespace partita::spec
