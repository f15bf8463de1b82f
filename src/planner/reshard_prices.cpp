// SPDX-License-Identifier: Apache-2.0
#include "planner/reshard_prices.h"

#include <algorithm>

#include "cost/collective_cost.h"
#include "cost/memory.h"

namespace partita::planner {

namespace {

PricedReshard forbidden() {
  PricedReshard priced;
  priced.cost = kForbidden;
  priced.is_local = false;
  return priced;
}

}  // namespace

SpecId SpecPool::id_of(const spec::TensorSpec& spec) {
  const auto [found, is_new] = ids_.try_emplace(spec, static_cast<SpecId>(specs_.size()));
  if (is_new) specs_.push_back(&found->first);
  return found->second;
}

const PricedReshard& ReshardPrices::price(SpecId from, SpecId to, int type) {
  const auto [found, is_new] = known_.try_emplace({from, to, type});
  if (is_new && from != to) found->second = search(from, to, context_.facts.type(type));
  return found->second;
}

PricedReshard ReshardPrices::search(SpecId from, SpecId to, const ir::TensorType& type) const {
  if (is_block_type(type.dtype)) return forbidden();
  const Phases& phases = context_.phases;
  std::vector<int64_t> shape = type.shape(phases.prefill);
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (type.dims[dim].is_symbolic()) shape[dim] = -shape[dim];  // never split
  }
  const auto element_bytes = static_cast<double>(size_of(type.dtype));
  // Symbolic dims are never split, so local sizes of a decode step are a fixed share of these.
  const double decode_share =
      static_cast<double>(type.elements(phases.decode)) /
      static_cast<double>(std::max<int64_t>(1, type.elements(phases.prefill)));
  const auto step_cost = [&](const spec::StepShape& step) {
    const double bytes_in = static_cast<double>(step.elements_in) * element_bytes;
    const double bytes_out = static_cast<double>(step.elements_out) * element_bytes;
    const auto seconds = [&](double share) {
      return cost::collective_seconds(
          context_.profile, context_.mesh,
          {step.kind, step.axes, {bytes_in * share, bytes_out * share}});
    };
    return phases.request_seconds({seconds(decode_share), seconds(1)});
  };
  const spec::TensorSpec& before = pool_.spec(from);
  auto path = spec::cheapest_path(before, pool_.spec(to), shape, context_.mesh, step_cost);
  if (!path) return forbidden();
  PricedReshard priced;
  priced.steps = std::move(path->steps);
  for (size_t i = 0; i < priced.steps.size(); ++i) {
    add_step(priced.steps[i], i == 0 ? before : priced.steps[i - 1].result, type, priced);
  }
  priced.cost = phases.cost(priced.seconds);
  return priced;
}

void ReshardPrices::add_step(const spec::ReshardStep& step,
                             const spec::TensorSpec& before,
                             const ir::TensorType& type,
                             PricedReshard& priced) const {
  const auto payload = [&](const ir::SymbolSizes& symbols) {
    return std::pair(cost::largest_local_bytes(type, before, symbols),
                     cost::largest_local_bytes(type, step.result, symbols));
  };
  const auto seconds = [&](const std::pair<int64_t, int64_t>& bytes) {
    return cost::collective_seconds(
        context_.profile, context_.mesh,
        {step.kind,
         step.axes,
         {static_cast<double>(bytes.first), static_cast<double>(bytes.second)}});
  };
  const auto decode = payload(context_.phases.decode);
  const auto largest = payload(context_.phases.largest);
  priced.seconds += {seconds(decode), seconds(payload(context_.phases.prefill))};
  priced.largest_bytes = std::max(priced.largest_bytes, largest.first + largest.second);
  if (spec::is_local(step.kind)) return;
  priced.is_local = false;
  // The payload of a gather is what it makes, of a reduction what it takes.
  priced.decode_bytes += std::max(decode.first, decode.second);
}

}  // namespace partita::planner
