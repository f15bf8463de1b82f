// SPDX-License-Identifier: Apache-2.0
// Copies of random source expressions give the same elements as evaluating the expression step by
// step.
#include "ir/weight_copy.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>

namespace partita::ir {
namespace {

// A dense tensor of element numbers; the obvious evaluation the copies are compared with.
struct Dense {
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
};

using Tensors = std::map<std::string, Dense>;

int64_t offset_of(const std::vector<int64_t>& shape, const std::vector<int64_t>& index) {
  int64_t offset = 0;
  for (size_t dim = 0; dim < shape.size(); ++dim) offset = offset * shape[dim] + index[dim];
  return offset;
}

// Calls `element` with every index of the shape in row-major order.
template <typename Element>
Dense make_dense(std::vector<int64_t> shape, const Element& element) {
  Dense result{std::move(shape), {}};
  const int64_t count =
      std::accumulate(result.shape.begin(), result.shape.end(), int64_t{1}, std::multiplies<>());
  for (int64_t number = 0; number < count; ++number) {
    std::vector<int64_t> index(result.shape.size());
    int64_t rest = number;
    for (size_t dim = index.size(); dim-- > 0; rest /= result.shape[dim])
      index[dim] = rest % result.shape[dim];
    result.values.push_back(element(index));
  }
  return result;
}

Dense evaluate(const WeightSource& source, const Tensors& tensors);

Dense evaluate_concat(const WeightSource& source, const Tensors& tensors) {
  const auto dim = static_cast<size_t>(source.dim);
  std::vector<Dense> parts;
  for (const WeightSource& input : source.inputs) parts.push_back(evaluate(input, tensors));
  std::vector<int64_t> shape = parts[0].shape;
  shape[dim] = 0;
  for (const Dense& part : parts) shape[dim] += part.shape[dim];
  return make_dense(shape, [&](std::vector<int64_t> index) {
    size_t part = 0;
    while (index[dim] >= parts[part].shape[dim]) index[dim] -= parts[part++].shape[dim];
    return parts[part].values[static_cast<size_t>(offset_of(parts[part].shape, index))];
  });
}

Dense evaluate_stack(const WeightSource& source, const Tensors& tensors) {
  Dense result;
  for (const WeightSource& input : source.inputs) {
    const Dense part = evaluate(input, tensors);
    result.shape = part.shape;
    result.values.insert(result.values.end(), part.values.begin(), part.values.end());
  }
  result.shape.insert(result.shape.begin(), static_cast<int64_t>(source.inputs.size()));
  return result;
}

Dense evaluate(const WeightSource& source, const Tensors& tensors) {
  using Kind = WeightSource::Kind;
  if (source.kind == Kind::kTensor) return tensors.at(source.tensor);
  if (source.kind == Kind::kConcat) return evaluate_concat(source, tensors);
  if (source.kind == Kind::kStack) return evaluate_stack(source, tensors);
  const Dense input = evaluate(source.inputs[0], tensors);
  if (source.kind == Kind::kReshape) return {source.integers, input.values};
  std::vector<int64_t> shape = input.shape;
  if (source.kind == Kind::kSlice) shape[static_cast<size_t>(source.dim)] = source.range.size();
  if (source.kind == Kind::kTranspose) {
    for (size_t dim = 0; dim < shape.size(); ++dim)
      shape[dim] = input.shape[static_cast<size_t>(source.integers[dim])];
  }
  return make_dense(shape, [&](const std::vector<int64_t>& index) {
    std::vector<int64_t> from = index;
    if (source.kind == Kind::kSlice) from[static_cast<size_t>(source.dim)] += source.range.begin;
    if (source.kind == Kind::kTranspose) {
      for (size_t dim = 0; dim < index.size(); ++dim)
        from[static_cast<size_t>(source.integers[dim])] = index[dim];
    }
    return input.values[static_cast<size_t>(offset_of(input.shape, from))];
  });
}

// Carries the copies out and counts how often each element is written.
std::vector<int64_t> run_copies(const std::vector<WeightCopy>& copies,
                                const Tensors& tensors,
                                size_t elements) {
  std::vector<int64_t> values(elements, -1);
  for (const WeightCopy& copy : copies) {
    std::vector<int64_t> counts;
    for (const CopyDim& dim : copy.dims) counts.push_back(dim.count);
    make_dense(counts, [&](const std::vector<int64_t>& index) {
      int64_t from = copy.tensor_start;
      int64_t to = copy.dst_start;
      for (size_t i = 0; i < index.size(); ++i) {
        from += index[i] * copy.dims[i].tensor_stride;
        to += index[i] * copy.dims[i].dst_stride;
      }
      EXPECT_EQ(values.at(static_cast<size_t>(to)), -1) << "element written twice";
      values.at(static_cast<size_t>(to)) =
          tensors.at(copy.tensor).values.at(static_cast<size_t>(from));
      return 0;
    });
  }
  return values;
}

class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : random_(seed) {}

  int64_t below(int64_t bound) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound));
  }

  WeightSource grow(WeightSource source, const TensorTypeLookup& lookup) {
    const std::vector<int64_t> shape = type_of(source, lookup).shape();
    const auto dims = static_cast<int64_t>(shape.size());
    const int dim = static_cast<int>(below(dims));
    const int64_t size = shape[static_cast<size_t>(dim)];
    switch (below(5)) {
      case 0: {
        const int64_t begin = below(size);
        return source.slice(dim, {begin, begin + 1 + below(size - begin)});
      }
      case 1: {
        std::vector<int64_t> permutation(shape.size());
        std::iota(permutation.begin(), permutation.end(), 0);
        std::shuffle(permutation.begin(), permutation.end(), random_);
        return source.transpose(permutation);
      }
      case 2:
        return source.reshape(other_shape(shape));
      case 3:
        return WeightSource::stack({source, source});
      default:
        return WeightSource::concat(dim, {source, source.slice(dim, {0, 1 + below(size)})});
    }
  }

 private:
  // The same number of elements cut at random divisors, so that dims rarely line up with the old
  // ones.
  std::vector<int64_t> other_shape(const std::vector<int64_t>& shape) {
    int64_t rest = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    std::vector<int64_t> result;
    while (rest > 1 && result.size() < 3) {
      int64_t divisor = 1 + below(rest);
      while (rest % divisor != 0) --divisor;
      result.push_back(divisor);
      rest /= divisor;
    }
    result.push_back(rest);
    std::shuffle(result.begin(), result.end(), random_);
    return result;
  }

  std::mt19937_64 random_;
};

Tensors two_tensors() {
  int64_t next = 0;
  const auto number = [&](const std::vector<int64_t>&) { return next++; };
  Tensors tensors;
  tensors["a"] = make_dense({6, 12}, number);
  tensors["b"] = make_dense({4, 5, 3}, number);
  return tensors;
}

TEST(PlanCopies, RandomExpressionsGiveTheElementsOfStepByStepEvaluation) {
  const Tensors tensors = two_tensors();
  const TensorTypeLookup lookup = [&](const std::string& name) {
    TensorType type;
    for (const int64_t size : tensors.at(name).shape) type.dims.emplace_back(size);
    return type;
  };
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomSource random(seed);
    WeightSource source = WeightSource::from_tensor(random.below(2) == 0 ? "a" : "b");
    const int64_t steps = random.below(6);
    for (int64_t step = 0; step < steps; ++step) source = random.grow(source, lookup);
    const Dense expected = evaluate(source, tensors);
    ASSERT_EQ(run_copies(plan_copies(source, lookup), tensors, expected.values.size()),
              expected.values)
        << to_string(source);
  }
}

TEST(PlanCopies, PerHeadInterleavedQueriesAreOneStridedBlock) {
  // [heads 4, 3, head_dim 2] rows of a fused weight [24, 5]: the queries of heads 1 and 2 as a [4,
  // 5] weight.
  const TensorTypeLookup lookup = [](const std::string&) { return parse_type("f32[24,5]"); };
  const WeightSource queries = WeightSource::from_tensor("qkv")
                                   .reshape({4, 3, 2, 5})
                                   .slice(1, {0, 1})
                                   .reshape({8, 5})
                                   .slice(0, {2, 6});
  const std::vector<WeightCopy> copies = plan_copies(queries, lookup);
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].tensor_start, 30);
  // Two heads 30 elements apart, in each 2 rows of 5.
  EXPECT_EQ(copies[0].dims, (std::vector<CopyDim>{{2, 30, 10}, {2, 5, 5}, {5, 1, 1}}));
}

TEST(PlanCopies, EmptyPieceNeedsNothing) {
  const TensorTypeLookup lookup = [](const std::string&) { return parse_type("f32[24,5]"); };
  EXPECT_TRUE(plan_copies(WeightSource::from_tensor("x").slice(0, {3, 3}), lookup).empty());
}

}  // namespace
}  // namespace partita::ir
