// SPDX-License-Identifier: Apache-2.0
#include "cost/device.h"

#include <algorithm>

namespace partita::cost {

double Device::flops(DType dtype) const {
  const bool is_like_bf16 = dtype == DType::kBF16 || dtype == DType::kF16 || is_block_type(dtype);
  return is_like_bf16 ? bf16_flops : f32_flops;
}

Device weaker_of(const Device& a, const Device& b) {
  if (a == b) return a;
  Device weaker;
  // The room for a plan counts, so the reserve goes with the memory that it leaves least of.
  const bool a_has_less = a.memory_bytes - a.reserve_bytes < b.memory_bytes - b.reserve_bytes;
  weaker.memory_bytes = (a_has_less ? a : b).memory_bytes;
  weaker.reserve_bytes = (a_has_less ? a : b).reserve_bytes;
  weaker.memory_bandwidth = std::min(a.memory_bandwidth, b.memory_bandwidth);
  weaker.f32_flops = std::min(a.f32_flops, b.f32_flops);
  weaker.bf16_flops = std::min(a.bf16_flops, b.bf16_flops);
  weaker.launch_s = std::max(a.launch_s, b.launch_s);
  return weaker;
}

}  // namespace partita::cost
