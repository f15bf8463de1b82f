// SPDX-License-Identifier: Apache-2.0
#include "cost/op_cost.h"

#include <algorithm>
#include <limits>

#include "cost/measured_points.h"
#include "cost/memory.h"

namespace partita::cost {
namespace {

// Kernels run at the rate of their narrowest operand: bf16 weights with f32 activations use the
// bf16 units.
DType rate_dtype(const ops::OpCall& call) {
  for (const ir::TensorType& type : call.inputs) {
    const bool is_half = type.dtype == DType::kBF16 || type.dtype == DType::kF16;
    if (is_half || is_block_type(type.dtype)) return type.dtype;
  }
  return DType::kF32;
}

// Records the largest piece of every factor that a split dim of the tensor shows whole.
void note_shares(const spec::TensorIndex& index,
                 const spec::TensorSpec& spec,
                 const spec::Notation& notation,
                 std::vector<double>& shares) {
  for (size_t dim = 0; dim < index.size(); ++dim) {
    if (spec.dims[dim].axes.empty() || index[dim][0].divide != 1) continue;
    int64_t longest = 0;
    int64_t size = notation.factors[static_cast<size_t>(index[dim][0].factor)].size;
    for (const Range& piece : spec.dims[dim].pieces) longest = std::max(longest, piece.size());
    for (size_t term = 1; term < index[dim].size(); ++term) {
      size *= notation.factors[static_cast<size_t>(index[dim][term].factor)].size;
    }
    shares[static_cast<size_t>(index[dim][0].factor)] =
        static_cast<double>(longest) / static_cast<double>(size);
  }
}

// The largest share of the op's index space on one rank, in (0, 1]. Factors are split along
// different axes, so some rank holds the largest piece of each.
double largest_share(const spec::Notation& notation, const spec::Strategy& strategy) {
  std::vector<double> shares(notation.factors.size(), 1.0);
  for (size_t i = 0; i < notation.inputs.size(); ++i) {
    note_shares(notation.inputs[i], strategy.inputs[i], notation, shares);
  }
  for (size_t i = 0; i < notation.outputs.size(); ++i) {
    note_shares(notation.outputs[i], strategy.outputs[i], notation, shares);
  }
  double product = 1;
  for (const double share : shares) product *= share;
  return product;
}

// What the operator says, else tokens: the product of the symbolic dims of the first input; without
// any, of all dims but the last.
double rows_of(const ops::OpCall& call, const ir::SymbolSizes& symbols) {
  const ops::OpDef& op = ops::find_op(call.op);
  if (op.rows != nullptr) return op.rows(call, symbols);
  if (call.inputs.empty()) return 1;
  const ir::TensorType& type = call.inputs.front();
  const std::vector<int64_t> shape = type.shape(symbols);
  const bool is_static = type.is_static();
  int64_t rows = 1;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (is_static ? dim + 1 < shape.size() : type.dims[dim].is_symbolic()) rows *= shape[dim];
  }
  return static_cast<double>(rows);
}

// The measured rates of the op for as many ranks at once, or the next more, or the most measured.
const KernelRates* find_rates_of(const Device& device,
                                 const Work& work,
                                 DType dtype,
                                 int64_t ranks_at_once) {
  const KernelRates* best = nullptr;
  for (const KernelRates& rates : device.kernels) {
    if (rates.op != work.op || rates.dtype != dtype || rates.points.empty()) continue;
    const bool is_enough = rates.ranks >= ranks_at_once;
    const bool best_is_enough = best != nullptr && best->ranks >= ranks_at_once;
    if (best == nullptr || (is_enough && !best_is_enough) ||
        (is_enough == best_is_enough &&
         (is_enough ? rates.ranks < best->ranks : rates.ranks > best->ranks))) {
      best = &rates;
    }
  }
  return best;
}

// Blocks of weights of which nothing was measured count as bf16, like f16.
const KernelRates* find_rates(const Device& device, const Work& work, int64_t ranks_at_once) {
  const KernelRates* own = find_rates_of(device, work, work.dtype, ranks_at_once);
  const bool is_like_bf16 = work.dtype == DType::kF16 || is_block_type(work.dtype);
  if (own != nullptr || !is_like_bf16) return own;
  return find_rates_of(device, work, DType::kBF16, ranks_at_once);
}

// Seconds for `rows` rows of one operation each.
double seconds_per_column(const KernelRates& rates, double rows) {
  const std::vector<double> seconds = non_falling(rates.points, [](const RatePoint& point) {
    return static_cast<double>(point.rows) / point.flops;
  });
  const auto rows_of_point = [&](size_t i) { return static_cast<double>(rates.points[i].rows); };
  const size_t last = seconds.size() - 1;
  if (rows <= rows_of_point(0)) return seconds[0] * rows / rows_of_point(0);
  if (rows >= rows_of_point(last)) return seconds[last] * rows / rows_of_point(last);
  size_t above = 1;
  while (rows_of_point(above) < rows) ++above;
  return log_interpolated(rows, rows_of_point(above - 1), seconds[above - 1], rows_of_point(above),
                          seconds[above]);
}

// The types of the largest local piece of every input.
std::vector<ir::TensorType> largest_pieces(std::span<const ir::TensorType> types,
                                           std::span<const spec::TensorSpec> specs) {
  std::vector<ir::TensorType> pieces(types.begin(), types.end());
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t dim = 0; dim < pieces[i].dims.size(); ++dim) {
      if (specs[i].dims[dim].axes.empty()) continue;
      int64_t longest = 0;
      for (const Range& piece : specs[i].dims[dim].pieces)
        longest = std::max(longest, piece.size());
      pieces[i].dims[dim] = longest;
    }
  }
  return pieces;
}

}  // namespace

Work whole_work(const ops::OpCall& call, const ir::SymbolSizes& symbols) {
  Work work;
  work.flops = ops::flops_of(call, symbols);
  work.bytes = ops::bytes_of(call, symbols);
  work.dtype = rate_dtype(call);
  work.op = call.op;
  work.rows = rows_of(call, symbols);
  return work;
}

Work local_work(const PricedCall& priced,
                const Work& whole,
                const spec::Strategy& strategy,
                const ir::SymbolSizes& symbols) {
  Work work = whole;
  const double share = largest_share(priced.notation, strategy);
  work.flops *= share;
  int64_t bytes = 0;
  int64_t activation_bytes = 0;
  for (size_t i = 0; i < priced.call.inputs.size(); ++i) {
    const int64_t local = largest_local_bytes(priced.call.inputs[i], strategy.inputs[i], symbols);
    const bool is_stored = i < priced.is_stored.size() && priced.is_stored[i];
    bytes += local;
    activation_bytes += is_stored ? 0 : local;
  }
  for (size_t i = 0; i < priced.outputs.size(); ++i) {
    const int64_t local = largest_local_bytes(priced.outputs[i], strategy.outputs[i], symbols);
    bytes += local;
    activation_bytes += local;
  }
  const ops::OpDef& op = ops::find_op(priced.call.op);
  const bool counts_itself = op.bytes != nullptr;
  work.bytes = counts_itself ? whole.bytes * share : static_cast<double>(bytes);
  if (op.is_cost_of_piece) {
    const std::vector<ir::TensorType> pieces = largest_pieces(priced.call.inputs, strategy.inputs);
    const ops::OpCall piece = {priced.call.op, priced.call.attributes, pieces};
    work.flops = ops::flops_of(piece, symbols);
    work.bytes = ops::bytes_of(piece, symbols);
    if (op.rows != nullptr) work.rows = op.rows(piece, symbols);
  }
  work.activation_bytes = std::min(work.bytes, static_cast<double>(activation_bytes));
  return work;
}

double bandwidth_for(const Device& device, double working_set, int64_t ranks_at_once) {
  double memory = device.memory_bandwidth;
  const auto& shared = device.shared_bandwidth;
  if (!shared.empty()) {
    memory = shared.front().bandwidth;
    for (const SharedBandwidth& point : shared) {
      if (point.ranks <= ranks_at_once) memory = std::min(memory, point.bandwidth);
    }
    // More than were measured share what the largest number had together.
    if (ranks_at_once > shared.back().ranks) {
      memory *= static_cast<double>(shared.back().ranks) / static_cast<double>(ranks_at_once);
    }
  }
  double bandwidth = std::numeric_limits<double>::infinity();
  for (const CacheLevel& cache : device.caches) {
    bandwidth = std::min(bandwidth, std::max(cache.bandwidth, memory));
    if (working_set <= static_cast<double>(cache.bytes)) return bandwidth;
  }
  return memory;
}

double compute_seconds(const Work& work, const Device& device, int64_t ranks_at_once) {
  if (work.flops <= 0) return 0;
  const KernelRates* rates = find_rates(device, work, ranks_at_once);
  if (rates == nullptr) return work.flops / device.flops(work.dtype);
  const double rows = std::max(1.0, work.rows);
  return work.flops / rows * seconds_per_column(*rates, rows);
}

double seconds_of(const Work& work, const Device& device, const Surroundings& surroundings) {
  if (work.flops == 0 && work.bytes == 0) return 0;
  const int64_t at_once = surroundings.ranks_at_once;
  const double stored_bytes = work.bytes - work.activation_bytes;
  const double stored_set = surroundings.stored_set_bytes > 0
                                ? surroundings.stored_set_bytes
                                : std::numeric_limits<double>::infinity();
  const double memory_s =
      stored_bytes / bandwidth_for(device, stored_set, at_once) +
      work.activation_bytes / bandwidth_for(device, work.activation_bytes, at_once);
  const KernelRates* rates = find_rates(device, work, at_once);
  const double launch_s = rates != nullptr && rates->launch_s ? *rates->launch_s : device.launch_s;
  return std::max(compute_seconds(work, device, at_once), memory_s) + launch_s;
}

}  // namespace partita::cost
