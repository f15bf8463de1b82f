// SPDX-License-Identifier: Apache-2.0
// Reads the golden cases of tests/golden.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "partita/partita.h"

namespace partita::tests {

struct GoldenCase {
  std::string name;
  std::filesystem::path directory;
  std::vector<std::vector<int32_t>> inputs;  // rows of 64 tokens
  std::vector<float> logits;                 // [rows, 64, vocab], computed by transformers in f32
  std::vector<float> bf16_logits;            // the same in bf16 arithmetic; most cases have none
  std::vector<int32_t> prompt;
  std::vector<int32_t> greedy;
};

// Folders of tests/golden that hold logits, sorted by name. Throws when there is none.
[[nodiscard]] std::vector<GoldenCase> golden_cases();
[[nodiscard]] GoldenCase golden_case(const std::string& name);

// Where the tests find the model of the repository.
[[nodiscard]] std::filesystem::path bundled_model();

// A described machine, so that plans of tests do not depend on measurements.
[[nodiscard]] std::filesystem::path test_devices();

// Logits of all rows, one row after the other.
[[nodiscard]] std::vector<float> all_logits(Engine& engine, const GoldenCase& golden);
[[nodiscard]] std::vector<int32_t> greedy_tokens(Engine& engine, const GoldenCase& golden);

// The largest |a - b| / (tolerance + tolerance * |b|); at most 1 means equal in the sense of
// numpy.allclose with atol = rtol = tolerance. Infinite when the sizes differ or a value is NaN.
[[nodiscard]] double worst_share(const std::vector<float>& actual,
                                 const std::vector<float>& expected,
                                 double tolerance);

// Uneven, odd and more ranks than heads, KV heads and cores; stages of unequal length; both
// together.
[[nodiscard]] std::vector<std::string> meshes_for(int64_t layers);

// Planning options that make the KV cache and the buffers big enough for the golden rows.
[[nodiscard]] PlanOptions golden_plan_options(const std::string& mesh);

}  // namespace partita::tests
