// SPDX-License-Identifier: Apache-2.0
// Activation functions of neural networks, and the choice of one by operator name.
#pragma once

#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

namespace partita::ops {

struct Silu {
  float operator()(float x) const { return x / (1 + std::exp(-x)); }
};
struct Gelu {
  float operator()(float x) const {
    return 0.5F * x * (1 + std::erf(x * (std::numbers::sqrt2_v<float> / 2)));
  }
};
struct GeluTanh {
  float operator()(float x) const {
    constexpr float kSlope = std::numbers::sqrt2_v<float> * std::numbers::inv_sqrtpi_v<float>;
    return 0.5F * x * (1 + std::tanh(kSlope * (x + 0.044715F * x * x * x)));
  }
};
struct Relu {
  template <typename T>
  T operator()(T x) const {
    return x < 0 ? T{0} : x;  // keeps NaN
  }
};

// Names of the activations that an operator with a gate may have: those of the elementwise
// operators.
inline constexpr std::array<std::string_view, 4> kActivationNames = {"gelu", "gelu_tanh", "relu",
                                                                     "silu"};

// Calls visit(Function{}) with the activation of that name; false when there is none.
template <typename Visit>
bool visit_activation(std::string_view name, const Visit& visit) {
  if (name == "gelu") return visit(Gelu{}), true;
  if (name == "gelu_tanh") return visit(GeluTanh{}), true;
  if (name == "relu") return visit(Relu{}), true;
  if (name == "silu") return visit(Silu{}), true;
  return false;
}

}  // namespace partita::ops
