// SPDX-License-Identifier: Apache-2.0
// For tests: logits of small models on described devices, and how far apart they are.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "api/bundled_model.h"
#include "partita/engine.h"
#include "partita/model.h"
#include "partita/plan.h"

namespace partita::api {

inline PlanOptions on_mesh(const std::string& mesh) {
  return {.mesh = mesh, .devices = test_devices(), .max_context = 32, .max_step_tokens = 16};
}

// Of a fixed prompt of seven tokens below 67, as small_checkpoint.h has them.
inline std::vector<float> logits_of(const Model& model, const PlanOptions& options) {
  Engine engine(model, Plan::make(model, options), {.threads_per_rank = 1});
  return engine.logits({3, 17, 42, 5, 61, 8, 30});
}

inline double largest_of(const std::vector<float>& values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
  }
  return largest;
}

}  // namespace partita::api
