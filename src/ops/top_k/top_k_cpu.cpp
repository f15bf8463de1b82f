// SPDX-License-Identifier: Apache-2.0
// top_k on the CPU: one pass that skips whole blocks below the worst that is kept, or a plain sort.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/collective/pieces.h"
#include "ops/cpu_kernel.h"
#include "ops/parallel.h"

namespace partita::ops {
namespace {

float key_of(float value) {
  return std::isnan(value) ? std::numeric_limits<float>::infinity() : value;
}

// True where the first comes before the second.
bool is_before(float value, int32_t id, float other, int32_t other_id) {
  const float key = key_of(value);
  const float other_key = key_of(other);
  return key != other_key ? key > other_key : id < other_id;
}

// The best of what was offered so far, sorted, in the rows of the outputs.
class Kept {
 public:
  Kept(float* values, int32_t* ids, int64_t k) : values_(values), ids_(ids), k_(k) {}

  void offer(float value, int32_t id) {
    if (count_ == k_ && (k_ == 0 || !is_before(value, id, values_[count_ - 1], ids_[count_ - 1]))) {
      return;
    }
    const int64_t end = count_ < k_ ? count_++ : count_ - 1;
    int64_t at = 0;  // the first that comes after it
    for (int64_t last = end; at < last;) {
      const int64_t middle = (at + last) / 2;
      is_before(value, id, values_[middle], ids_[middle]) ? last = middle : at = middle + 1;
    }
    std::copy_backward(values_ + at, values_ + end, values_ + end + 1);
    std::copy_backward(ids_ + at, ids_ + end, ids_ + end + 1);
    values_[at] = value;
    ids_[at] = id;
  }

  [[nodiscard]] bool is_full() const { return count_ == k_; }
  // What a later element of a row must exceed.
  [[nodiscard]] float worst() const {
    return k_ == 0 ? std::numeric_limits<float>::infinity() : key_of(values_[count_ - 1]);
  }

 private:
  float* values_;
  int32_t* ids_;
  int64_t k_;
  int64_t count_ = 0;
};

constexpr int64_t kBlock = 64;

// How many elements of a block are not at most `limit`: those above, and NaN.
int32_t count_above(const float* x, float limit) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < kBlock; ++i) count += x[i] <= limit ? 0 : 1;
  return count;
}

void keep_best(const float* x, int64_t width, Kept& kept) {
  int64_t i = 0;
  for (; i + kBlock <= width; i += kBlock) {
    if (kept.is_full() && count_above(x + i, kept.worst()) == 0) continue;
    for (int64_t j = i; j < i + kBlock; ++j) {
      if (!kept.is_full() || !(x[j] <= kept.worst())) kept.offer(x[j], static_cast<int32_t>(j));
    }
  }
  for (; i < width; ++i) kept.offer(x[i], static_cast<int32_t>(i));
}

struct Rows {
  explicit Rows(Views inputs, Views outputs)
      : rows(elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1)),
        width(inputs[0].shape.back()),
        k(outputs[0].shape.back()),
        x(inputs[0].as<const float>()),
        values(outputs[0].as<float>()),
        ids(outputs[1].as<int32_t>()) {}
  int64_t rows, width, k;
  const float* x;
  float* values;
  int32_t* ids;
};

bool accepts(const BindArgs& args) {
  return args.inputs[0].dtype == DType::kF32 && args.outputs[0].dtype == DType::kF32 &&
         args.outputs[1].dtype == DType::kI32 &&
         (args.inputs.size() == 1 || args.inputs[1].dtype == DType::kI32);
}

std::unique_ptr<BoundKernel> bind_blocks(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  return make_kernel([](Views inputs, Views outputs) {
    const Rows call(inputs, outputs);
    const Split split{call.rows, call.width * int64_t{sizeof(float)}};
    parallel_ranges(split, [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        Kept kept(call.values + row * call.k, call.ids + row * call.k, call.k);
        keep_best(call.x + row * call.width, call.width, kept);
      }
    });
  });
}

std::unique_ptr<BoundKernel> bind_sorted(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  return make_kernel([](Views inputs, Views outputs) {
    const Rows call(inputs, outputs);
    std::vector<int32_t> order(static_cast<size_t>(call.width));
    for (int64_t row = 0; row < call.rows; ++row) {
      const float* x = call.x + row * call.width;
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(),
                [&](int32_t a, int32_t b) { return is_before(x[a], a, x[b], b); });
      for (int64_t i = 0; i < call.k; ++i) {
        call.ids[row * call.k + i] = order[static_cast<size_t>(i)];
        call.values[row * call.k + i] = x[order[static_cast<size_t>(i)]];
      }
    }
  });
}

// A few candidates of each piece.
std::unique_ptr<BoundKernel> bind_merge(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  return make_kernel(
      [pieces = pieces_of(args.node.attributes, "", args.node.op),
       firsts = args.node.attributes.integers("firsts")](Views inputs, Views outputs) {
        const Rows call(inputs, outputs);
        for (int64_t row = 0; row < call.rows; ++row) {
          Kept kept(call.values + row * call.k, call.ids + row * call.k, call.k);
          const float* x = call.x + row * call.width;
          const int32_t* ids = inputs[1].as<const int32_t>() + row * call.width;
          for (size_t piece = 0; piece < pieces.size(); ++piece) {
            for (int64_t i = pieces[piece].begin; i < pieces[piece].end; ++i) {
              kept.offer(x[i], ids[i] + static_cast<int32_t>(firsts[piece]));
            }
          }
        }
      });
}

constexpr std::array<Kernel, 2> kTopK = {{{"blocks", bind_blocks}, {"reference", bind_sorted}}};
constexpr std::array<Kernel, 1> kMerge = {{{"reference", bind_merge}}};
constexpr std::array<KernelList, 2> kLists = {{{"top_k", kTopK}, {"merge_top_k", kMerge}}};

}  // namespace

std::span<const KernelList> top_k_cpu_kernels() { return kLists; }

}  // namespace partita::ops
