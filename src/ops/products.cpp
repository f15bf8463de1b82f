// SPDX-License-Identifier: Apache-2.0
// The attribute `products` of operators that multiply with weights or caches.
#include "ops/products.h"

#include <algorithm>
#include <array>
#include <string>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

constexpr std::array<std::string_view, 4> kOperators = {"attention", "experts", "linear", "router"};

std::string value_of(const ir::Attributes& attributes) {
  return attributes.text_or(std::string(kProducts), "");
}

}  // namespace

bool has_products(std::string_view op) {
  return std::ranges::find(kOperators, op) != kOperators.end();
}

bool are_near_f32(const ir::Attributes& attributes) { return value_of(attributes) == kNearF32; }

void check_products(const OpCall& call) {
  const std::string value = value_of(call.attributes);
  if (value.empty() || value == kNearF32) return;
  fail(call, str("products = \"", value, "\"; expected ", kNearF32, ", or no such attribute"));
}

double passes_over(const OpCall& call, size_t input) {
  return are_near_f32(call.attributes) && call.inputs[input].dtype == DType::kBF16 ? 2 : 1;
}

}  // namespace partita::ops
