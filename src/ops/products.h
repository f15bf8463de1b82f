// SPDX-License-Identifier: Apache-2.0
// How exactly products with bf16 weights or caches take the activations: the attribute `products`.
#pragma once

#include <string_view>

#include "ops/op.h"

namespace partita::ops {

// Operators that multiply activations with weights or caches and know the attribute.
[[nodiscard]] bool has_products(std::string_view op);

// The attribute's name and only value. Without it, activations that meet bf16 weights are rounded
// to bf16 (relative error 2^-8), and those that meet bf16 caches may be; with it they are f32, or
// the sum of two bf16 numbers (2^-17). Weights and caches of other types are multiplied the same
// either way.
inline constexpr std::string_view kProducts = "products";
inline constexpr std::string_view kNearF32 = "near_f32";
[[nodiscard]] bool are_near_f32(const ir::Attributes& attributes);

// Throws kInvalidGraph for another value.
void check_products(const OpCall& call);
// What multiplying a row with an element of input `input` costs, beside a product with rounded
// activations: 2 where they are not rounded though the element is bf16, else 1.
[[nodiscard]] double passes_over(const OpCall& call, size_t input);

}  // namespace partita::ops
