// SPDX-License-Identifier: Apache-2.0
// The kernel cases of operators that multiply matrices: linear, experts, matmul, conv2d.
#pragma once

#include <vector>

#include "api/calibrate/kernel_cases.h"

namespace partita::api {

// linear and experts with weights in f32, bf16, q8_0 and q4_0, and the router of the experts; the
// rows of experts are tokens per expert. Products of activations (matmul) in f32 and bf16, and of
// images and filters (conv2d) in f32, whose rows are images.
[[nodiscard]] std::vector<KernelCase> product_cases(bool is_quick);

}  // namespace partita::api
