// SPDX-License-Identifier: Apache-2.0
// Pushes the wanted elements of a source expression down to its tensors.
#include "ir/weight_copy.h"

#include <algorithm>

#include "support/error.h"

namespace partita::ir {
namespace {

using Shape = std::vector<int64_t>;

// One loop over the wanted elements of an expression: index[dim] grows by `step` and the place in
// the destination by `dst_stride`. Several loops may walk over one dim.
struct Loop {
  int64_t count = 0;
  size_t dim = 0;
  int64_t step = 0;
  int64_t dst_stride = 0;
};

// The wanted elements: index = base + sum of the loops.
struct Wanted {
  Shape base;
  int64_t dst_start = 0;
  std::vector<Loop> loops;
};

Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t dim = shape.size(); dim-- > 1;) strides[dim - 1] = strides[dim] * shape[dim];
  return strides;
}

// Largest index of `dim` that is wanted.
int64_t last_index(const Wanted& wanted, size_t dim) {
  int64_t last = wanted.base[dim];
  for (const Loop& loop : wanted.loops) {
    if (loop.dim == dim) last += loop.step * (loop.count - 1);
  }
  return last;
}

// Removes loops of one step, so that every loop that is left can be split.
void drop_single_steps(Wanted& wanted) {
  std::erase_if(wanted.loops, [](const Loop& loop) { return loop.count == 1; });
}

// Splits loop number `number` into its first `count` steps and the rest.
std::pair<Wanted, Wanted> split(const Wanted& wanted, size_t number, int64_t count) {
  std::pair<Wanted, Wanted> parts = {wanted, wanted};
  const Loop& loop = wanted.loops[number];
  parts.first.loops[number].count = count;
  parts.second.loops[number].count -= count;
  parts.second.base[loop.dim] += count * loop.step;
  parts.second.dst_start += count * loop.dst_stride;
  drop_single_steps(parts.first);
  drop_single_steps(parts.second);
  return parts;
}

// The loop over `dim` with the largest step.
size_t outermost_loop(const Wanted& wanted, size_t dim) {
  size_t best = wanted.loops.size();
  for (size_t i = 0; i < wanted.loops.size(); ++i) {
    const Loop& loop = wanted.loops[i];
    if (loop.dim != dim) continue;
    if (best == wanted.loops.size() || loop.step > wanted.loops[best].step) best = i;
  }
  CHECK(best < wanted.loops.size(), "a dim without loop cannot pass a boundary");
  return best;
}

// Splits the outermost loop over `dim` where it reaches `boundary`.
std::pair<Wanted, Wanted> split_at(const Wanted& wanted, size_t dim, int64_t boundary) {
  const size_t number = outermost_loop(wanted, dim);
  const Loop& loop = wanted.loops[number];
  const int64_t before = (boundary - wanted.base[dim] + loop.step - 1) / loop.step;
  return split(wanted, number, std::clamp<int64_t>(before, 1, loop.count - 1));
}

class Planner {
 public:
  explicit Planner(const TensorTypeLookup& lookup) : lookup_(lookup) {}

  void visit(const WeightSource& source, Wanted wanted) {
    using Kind = WeightSource::Kind;
    switch (source.kind) {
      case Kind::kTensor:
        emit(source, wanted);
        break;
      case Kind::kSlice:
        wanted.base[static_cast<size_t>(source.dim)] += source.range.begin;
        visit(source.inputs[0], std::move(wanted));
        break;
      case Kind::kTranspose:
        visit_transpose(source, std::move(wanted));
        break;
      case Kind::kReshape:
        visit_reshape(source, wanted);
        break;
      case Kind::kConcat:
        visit_concat(source, wanted);
        break;
      case Kind::kStack:
        visit_stack(source, wanted);
        break;
    }
  }

  std::vector<WeightCopy> take() { return std::move(copies_); }

 private:
  Shape shape_of(const WeightSource& source) const { return type_of(source, lookup_).shape(); }

  void emit(const WeightSource& source, const Wanted& wanted) {
    const Shape strides = strides_of(shape_of(source));
    WeightCopy copy{
        .tensor = source.tensor, .tensor_start = 0, .dst_start = wanted.dst_start, .dims = {}};
    for (size_t dim = 0; dim < strides.size(); ++dim)
      copy.tensor_start += wanted.base[dim] * strides[dim];
    for (const Loop& loop : wanted.loops) {
      copy.dims.push_back({loop.count, loop.step * strides[loop.dim], loop.dst_stride});
    }
    std::stable_sort(copy.dims.begin(), copy.dims.end(), [](const CopyDim& a, const CopyDim& b) {
      return a.tensor_stride > b.tensor_stride;
    });
    copies_.push_back(std::move(copy));
  }

  void visit_transpose(const WeightSource& source, Wanted wanted) {
    const Shape outer = wanted.base;
    for (size_t dim = 0; dim < outer.size(); ++dim) {
      wanted.base[static_cast<size_t>(source.integers[dim])] = outer[dim];
    }
    for (Loop& loop : wanted.loops) loop.dim = static_cast<size_t>(source.integers[loop.dim]);
    visit(source.inputs[0], std::move(wanted));
  }

  void visit_concat(const WeightSource& source, const Wanted& wanted) {
    const auto dim = static_cast<size_t>(source.dim);
    int64_t begin = 0;
    for (const WeightSource& part : source.inputs) {
      const int64_t end = begin + shape_of(part)[dim];
      if (wanted.base[dim] < end) {
        if (last_index(wanted, dim) >= end) {
          const auto [low, high] = split_at(wanted, dim, end);
          visit_concat(source, low);
          visit_concat(source, high);
        } else {
          Wanted inside = wanted;
          inside.base[dim] -= begin;
          visit(part, std::move(inside));
        }
        return;
      }
      begin = end;
    }
  }

  // Each index of the first dim is a part of its own.
  void visit_stack(const WeightSource& source, const Wanted& wanted) {
    const auto over_parts = std::find_if(wanted.loops.begin(), wanted.loops.end(),
                                         [](const Loop& loop) { return loop.dim == 0; });
    if (over_parts != wanted.loops.end()) {
      Wanted step = wanted;
      step.loops.erase(step.loops.begin() + (over_parts - wanted.loops.begin()));
      for (int64_t i = 0; i < over_parts->count; ++i) {
        visit_stack(source, step);
        step.base[0] += over_parts->step;
        step.dst_start += over_parts->dst_stride;
      }
      return;
    }
    Wanted inside = wanted;
    const WeightSource& part = source.inputs.at(static_cast<size_t>(wanted.base[0]));
    inside.base.erase(inside.base.begin());
    for (Loop& loop : inside.loops) --loop.dim;
    visit(part, std::move(inside));
  }

  // Both shapes number the elements alike: indices become numbers and then indices again.
  void visit_reshape(const WeightSource& source, const Wanted& wanted) {
    const Shape outer_strides = strides_of(source.integers);
    Wanted linear{.base = {0}, .dst_start = wanted.dst_start, .loops = wanted.loops};
    for (size_t dim = 0; dim < outer_strides.size(); ++dim) {
      linear.base[0] += wanted.base[dim] * outer_strides[dim];
    }
    for (Loop& loop : linear.loops) {
      loop.step *= outer_strides[loop.dim];
      loop.dim = 0;
    }
    visit_linear(source.inputs[0], shape_of(source.inputs[0]), linear);
  }

  // `linear` wants element numbers of a tensor of that shape. A loop whose index would carry over
  // into the next outer dim is split: into whole periods where they fit, else at the boundary.
  void visit_linear(const WeightSource& source, const Shape& shape, const Wanted& linear) {
    const Shape strides = strides_of(shape);
    Wanted wanted{.base = shape, .dst_start = linear.dst_start, .loops = linear.loops};
    int64_t rest = linear.base[0];
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      wanted.base[dim] = rest / strides[dim];
      rest %= strides[dim];
    }
    for (Loop& loop : wanted.loops) {
      loop.dim = 0;
      while (loop.step % strides[loop.dim] != 0) ++loop.dim;
      loop.step /= strides[loop.dim];
    }
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      if (last_index(wanted, dim) < shape[dim]) continue;
      const size_t number = outermost_loop(wanted, dim);
      for (const Wanted& part : split_carry(linear, wanted, number, shape[dim])) {
        visit_linear(source, shape, part);
      }
      return;
    }
    visit(source, std::move(wanted));
  }

  // Parts of `linear` in which loop `number` (over a dim of `size`, see `wanted`) carries less.
  static std::vector<Wanted> split_carry(const Wanted& linear,
                                         const Wanted& wanted,
                                         size_t number,
                                         int64_t size) {
    const Loop& loop = wanted.loops[number];
    const int64_t period = size / loop.step;
    const int64_t inner_last = last_index(wanted, loop.dim) - loop.step * (loop.count - 1);
    const bool periodic = size % loop.step == 0 && inner_last < loop.step && loop.count > period;
    if (periodic && loop.count % period == 0) {
      Wanted nested = linear;
      Loop outer = linear.loops[number];
      outer.count /= period;
      outer.step *= period;
      outer.dst_stride *= period;
      nested.loops[number].count = period;
      nested.loops.push_back(outer);
      drop_single_steps(nested);
      return {nested};
    }
    const int64_t before = periodic ? loop.count / period * period
                                    : (size - wanted.base[loop.dim] + loop.step - 1) / loop.step;
    auto [first, second] = split(linear, number, std::clamp<int64_t>(before, 1, loop.count - 1));
    return {std::move(first), std::move(second)};
  }

  const TensorTypeLookup& lookup_;
  std::vector<WeightCopy> copies_;
};

}  // namespace

std::vector<WeightCopy> plan_copies(const WeightSource& source, const TensorTypeLookup& lookup) {
  const TensorType type = type_of(source, lookup);
  if (type.elements() == 0) return {};
  const Shape shape = type.shape();
  const Shape strides = strides_of(shape);
  Wanted wanted{.base = Shape(shape.size(), 0), .dst_start = 0, .loops = {}};
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    wanted.loops.push_back(
        {.count = shape[dim], .dim = dim, .step = 1, .dst_stride = strides[dim]});
  }
  drop_single_steps(wanted);
  Planner planner(lookup);
  planner.visit(source, std::move(wanted));
  return planner.take();
}

}  // namespace partita::ir
