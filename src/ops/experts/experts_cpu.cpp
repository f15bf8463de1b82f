// SPDX-License-Identifier: Apache-2.0
// experts on the CPU: tokens grouped by expert and a product for each, or a plain reference.
#include <algorithm>
#include <array>
#include <vector>

#include "ops/activations.h"
#include "ops/cpu_kernel.h"
#include "ops/experts/expert_matrices.h"
#include "ops/experts/experts_blocks.h"
#include "ops/parallel.h"
#include "ops/products.h"
#include "ops/vector/row_kernels_cpu.h"
#include "ops/weight_product.h"
#include "support/quant_blocks.h"

namespace partita::ops {
namespace {

enum Input : size_t { kTokens, kRouting, kGate, kUp, kDown };

struct Sizes {
  int64_t tokens, experts, k, f, d;
};

// What the routing r[t, a] gives to a token and the expert of that column.
float share_of(const TensorView& routing, int64_t token, int64_t column) {
  return routing.as<const float>()[token * routing.shape[1] + column];
}

Sizes sizes_of(Views inputs) {
  return {inputs[kTokens].shape[0], inputs[kGate].shape[0], inputs[kGate].shape[2],
          inputs[kGate].shape[1], inputs[kDown].shape[1]};
}

// h[f] = activation(gate x) * (up x) of one token and one expert; gate and up are [f, k].
template <typename Weight, typename Factor, typename Function>
void reference_inner(
    const float* x, const Weight* gate, const Weight* up, const Sizes& sizes, double* h) {
  for (int64_t i = 0; i < sizes.f; ++i) {
    double gated = 0;
    double straight = 0;
    for (int64_t j = 0; j < sizes.k; ++j) {
      const auto value = static_cast<double>(rounded_like<Factor>(x[j]));
      gated += value * to_float(gate[i * sizes.k + j]);
      straight += value * to_float(up[i * sizes.k + j]);
    }
    h[i] = static_cast<double>(Function{}(static_cast<float>(gated))) * straight;
  }
}

// x[t,k], r[t,a], gate[e,f,k], up[e,f,k], down[e,d,f]; y[t,d]. Expert 0 has column e_begin of r.
// Sums in double; what meets the weights is rounded to Factor first.
template <typename Weight, typename Factor, typename Function>
void reference_experts(Views inputs, Views outputs, int64_t e_begin, std::vector<double>& h) {
  const Sizes sizes = sizes_of(inputs);
  h.resize(static_cast<size_t>(sizes.f));
  auto* y = outputs[0].as<float>();
  for (int64_t token = 0; token < sizes.tokens; ++token, y += sizes.d) {
    std::fill_n(y, sizes.d, 0.0F);
    for (int64_t expert = 0; expert < sizes.experts; ++expert) {
      const float share = share_of(inputs[kRouting], token, e_begin + expert);
      if (share == 0) continue;
      const int64_t inner = expert * sizes.f * sizes.k;
      reference_inner<Weight, Factor, Function>(inputs[kTokens].as<const float>() + token * sizes.k,
                                                inputs[kGate].as<const Weight>() + inner,
                                                inputs[kUp].as<const Weight>() + inner, sizes,
                                                h.data());
      const auto* down = inputs[kDown].as<const Weight>() + expert * sizes.d * sizes.f;
      for (int64_t i = 0; i < sizes.d; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < sizes.f; ++j) {
          const auto rounded = rounded_like<Factor>(static_cast<float>(h[static_cast<size_t>(j)]));
          sum += static_cast<double>(rounded) * to_float(down[i * sizes.f + j]);
        }
        y[i] += static_cast<float>(share * sum);
      }
    }
  }
}

bool has_one_weight_type(const BindArgs& args) {
  return args.inputs[kTokens].dtype == DType::kF32 && args.inputs[kRouting].dtype == DType::kF32 &&
         args.inputs[kGate].dtype == args.inputs[kUp].dtype &&
         args.inputs[kGate].dtype == args.inputs[kDown].dtype;
}

int64_t first_expert(const BindArgs& args) { return args.node.attributes.integer_or("e_begin", 0); }

std::string activation_of(const BindArgs& args) {
  return args.node.attributes.text_or("activation", "silu");
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!has_one_weight_type(args)) return nullptr;
  if (is_block_type(args.inputs[kGate].dtype)) return bind_blocks_experts(args);
  std::unique_ptr<BoundKernel> kernel;
  visit_activation(activation_of(args), [&]<typename Function>(Function) {
    visit_float_type(args.inputs[kGate].dtype, [&]<typename Weight>(Weight) {
      const auto reference = are_near_f32(args.node.attributes)
                                 ? reference_experts<Weight, float, Function>
                                 : reference_experts<Weight, Weight, Function>;
      kernel = make_kernel(
          [reference, e_begin = first_expert(args), h = std::vector<double>()](
              Views inputs, Views outputs) mutable { reference(inputs, outputs, e_begin, h); });
    });
  });
  return kernel;
}

template <typename ExpertMatrices>
struct Matrices {
  ExpertMatrices gate;
  ExpertMatrices up;
  ExpertMatrices down;
};

// Places of three arrays in one slot of the scratch memory, each aligned to 64 bytes.
std::array<std::byte*, 3> carve(Scratch& scratch,
                                Scratch::Slot slot,
                                std::array<int64_t, 3> bytes) {
  int64_t total = 0;
  std::array<int64_t, 3> offsets = {};
  for (size_t i = 0; i < bytes.size(); ++i) {
    offsets[i] = total;
    total += (bytes[i] + 63) / 64 * 64;
  }
  std::byte* data = scratch.reserve(slot, total);
  return {data + offsets[0], data + offsets[1], data + offsets[2]};
}

// For each expert: gather its tokens, three products, scatter. An expert without tokens is not
// touched, so a decoded token reads the weights of its own experts only. Tokens are added to y in
// the order of the experts, whatever the batch.
template <typename ExpertMatrices>
class GroupedExperts final : public BoundKernel {
 public:
  GroupedExperts(const BindArgs& args, Matrices<ExpertMatrices> matrices)
      : matrices_(std::move(matrices)),
        gated_(gated_kernel(row_kernels(device::usable_instructions()), activation_of(args))),
        scratch_(args),
        e_begin_(first_expert(args)) {}

  void run(Views inputs, Views outputs) override {
    const Sizes sizes = sizes_of(inputs);
    auto* y = outputs[0].as<float>();
    std::fill_n(y, sizes.tokens * sizes.d, 0.0F);
    if (sizes.tokens == 0 || sizes.experts == 0 || sizes.k == 0 || sizes.f == 0 || sizes.d == 0) {
      return;
    }
    reserve(sizes);
    for (int64_t expert = 0; expert < sizes.experts; ++expert) {
      const int64_t count = gather_tokens(inputs[kRouting], e_begin_ + expert);
      for (int64_t begin = 0; begin < count; begin += kMostProductRows) {
        const int64_t rows = std::min(kMostProductRows, count - begin);
        run_group(inputs, sizes, {expert, tokens_ + begin, rows}, y);
      }
    }
  }

 private:
  struct Group {
    int64_t expert;
    const int64_t* tokens;
    int64_t rows;
  };

  // How many tokens an expert gets depends on the data, so everything is made ready for the most
  // that a step of this size can give: later steps of this size or less allocate nothing.
  void reserve(const Sizes& sizes) {
    const int64_t rows = std::min(sizes.tokens, kMostProductRows);
    if (rows > prepared_rows_) {
      for (ExpertMatrices* matrices : {&matrices_.gate, &matrices_.up, &matrices_.down}) {
        matrices->prepare(rows);
      }
      prepared_rows_ = rows;
    }
    const int64_t float_bytes = size_of(DType::kF32);
    const auto narrow = carve(*scratch_, Scratch::kInput,
                              {sizes.tokens * size_of(DType::kI64),
                               matrices_.gate.input_bytes(rows), matrices_.down.input_bytes(rows)});
    tokens_ = reinterpret_cast<int64_t*>(narrow[0]);
    x_ = narrow[1];
    h_ = narrow[2];
    const auto wide = carve(
        *scratch_, Scratch::kOutput,
        {rows * sizes.f * float_bytes, rows * sizes.f * float_bytes, rows * sizes.d * float_bytes});
    gate_ = reinterpret_cast<float*>(wide[0]);
    up_ = reinterpret_cast<float*>(wide[1]);
    down_ = reinterpret_cast<float*>(wide[2]);
  }

  // The numbers of the tokens of the expert in that column, ascending.
  int64_t gather_tokens(const TensorView& routing, int64_t column) {
    int64_t count = 0;
    for (int64_t token = 0; token < routing.shape[0]; ++token) {
      if (share_of(routing, token, column) != 0) tokens_[count++] = token;
    }
    return count;
  }

  void run_group(Views inputs, const Sizes& sizes, const Group& group, float* y) {
    const int64_t rows = group.rows;
    matrices_.gate.prepare_input(inputs[kTokens].as<const float>(), group.tokens, rows, x_);
    matrices_.gate.run(inputs[kGate], group.expert, x_, rows, gate_, *scratch_);
    matrices_.up.run(inputs[kUp], group.expert, x_, rows, up_, *scratch_);
    parallel_ranges(floats_split(rows * sizes.f, 1), [&](Range range) {
      gated_(gate_ + range.begin, up_ + range.begin, gate_ + range.begin, range.size());
    });
    matrices_.down.prepare_input(gate_, nullptr, rows, h_);
    matrices_.down.run(inputs[kDown], group.expert, h_, rows, down_, *scratch_);
    parallel_ranges(floats_split(rows, sizes.d), [&](Range range) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        const int64_t token = group.tokens[row];
        const float share = share_of(inputs[kRouting], token, e_begin_ + group.expert);
        float* to = y + token * sizes.d;
        const float* from = down_ + row * sizes.d;
        for (int64_t i = 0; i < sizes.d; ++i) to[i] += share * from[i];
      }
    });
  }

  // Items of so many floats, of which each is read twice and written once; whole cache lines.
  static Split floats_split(int64_t items, int64_t floats) {
    return {.items = items,
            .bytes_per_item = 3 * floats * int64_t{sizeof(float)},
            .multiple = floats == 1 ? 16 : 1,
            .least_bytes = 256 << 10};
  }

  Matrices<ExpertMatrices> matrices_;
  BinaryRow gated_;
  ScratchHandle scratch_;
  int64_t e_begin_;
  int64_t prepared_rows_ = 0;
  // Places in the scratch memory during run().
  int64_t* tokens_ = nullptr;
  std::byte* x_ = nullptr;
  std::byte* h_ = nullptr;
  float* gate_ = nullptr;
  float* up_ = nullptr;
  float* down_ = nullptr;
};

// Packing gives the plain data away, so it needs the loader's consent.
template <typename ExpertMatrices>
void take_weight(const BindArgs& args, size_t input, ExpertMatrices& matrices) {
  const bool may_pack =
      input < args.weights.size() && args.weights[input] != nullptr && !args.release_weight.empty();
  if (!may_pack || args.inputs[input].elements() == 0) {
    matrices.use_plain_weights();
    return;
  }
  matrices.pack(*args.weights[input]);
  args.release_weight[input] = true;
}

template <typename ExpertMatrices>
std::unique_ptr<BoundKernel> bind_grouped_with(const BindArgs& args) {
  const DType dtype = args.inputs[kGate].dtype;
  // oneDNN 2.6 refuses empty layouts; run() returns before it would use them.
  const int64_t least = is_block_type(dtype) ? kQuantBlock : 1;
  const int64_t f = std::max(args.inputs[kGate].dims[1].size, least);
  const int64_t k = std::max(args.inputs[kGate].dims[2].size, least);
  const int64_t d = std::max<int64_t>(args.inputs[kDown].dims[1].size, 1);
  const bool x_is_f32 = are_near_f32(args.node.attributes);
  Matrices<ExpertMatrices> matrices{
      {dtype, f, k, x_is_f32}, {dtype, f, k, x_is_f32}, {dtype, d, f, x_is_f32}};
  take_weight(args, kGate, matrices.gate);
  take_weight(args, kUp, matrices.up);
  take_weight(args, kDown, matrices.down);
  return std::make_unique<GroupedExperts<ExpertMatrices>>(args, std::move(matrices));
}

std::unique_ptr<BoundKernel> bind_grouped(const BindArgs& args) {
  if (!has_one_weight_type(args)) return nullptr;
  for (const size_t weight : {kGate, kUp, kDown}) {
    if (!args.inputs[weight].is_static()) return nullptr;
  }
  if (is_block_type(args.inputs[kGate].dtype)) return bind_grouped_with<BlockExpertMatrices>(args);
  if (!is_product_call(args.inputs[kTokens], args.inputs[kGate])) return nullptr;
  return bind_grouped_with<DenseExpertMatrices>(args);
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"grouped", bind_grouped}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"experts", kKernels}}};

}  // namespace

std::span<const KernelList> experts_cpu_kernels() { return kLists; }

}  // namespace partita::ops
