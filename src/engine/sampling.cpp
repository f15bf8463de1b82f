// SPDX-License-Identifier: Apache-2.0
#include "engine/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/error.h"
#include "support/philox.h"

namespace partita::engine {
namespace {

struct Candidate {
  float logit;
  int32_t token;
};

// Likelier first; the id breaks ties, so that the order is the same everywhere.
bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

std::vector<Candidate> candidates_of(std::span<const float> logits) {
  std::vector<Candidate> candidates(logits.size());
  bool some_finite = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == HUGE_VALF) {
      throw Error(
          ErrorCode::kRankFailed,
          str("[sampling] the logit of token ", i, " is ", std::isnan(logits[i]) ? "NaN" : "+inf",
              "; expected a number; run `partita check` on the checkpoint"));
    }
    some_finite |= std::isfinite(logits[i]);
    candidates[i] = {logits[i], static_cast<int32_t>(i)};
  }
  if (!some_finite) {
    throw Error(ErrorCode::kRankFailed,
                "[sampling] all logits are -inf; run `partita check` on the checkpoint");
  }
  return candidates;
}

// Keskar et al., "CTRL", 2019, section 4.1; each present token counts once.
void penalise_repetition(std::vector<Candidate>& candidates,
                         std::span<const int32_t> history,
                         double penalty) {
  std::vector<bool> seen(candidates.size(), false);
  for (const int32_t token : history) {
    if (token < 0 || static_cast<size_t>(token) >= seen.size() || seen[token]) continue;
    seen[token] = true;
    float& logit = candidates[token].logit;
    logit = static_cast<float>(logit > 0 ? logit / penalty : logit * penalty);
  }
}

void keep_top_k(std::vector<Candidate>& candidates, int64_t top_k) {
  if (top_k <= 0 || static_cast<size_t>(top_k) >= candidates.size()) {
    std::sort(candidates.begin(), candidates.end(), likelier);
    return;
  }
  std::partial_sort(candidates.begin(), candidates.begin() + top_k, candidates.end(), likelier);
  candidates.resize(static_cast<size_t>(top_k));
}

// Unnormalised probabilities of sorted candidates; the largest is 1.
std::vector<double> weights_of(const std::vector<Candidate>& candidates, double temperature) {
  std::vector<double> weights(candidates.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::exp((candidates[i].logit - candidates[0].logit) / temperature);
  }
  return weights;
}

void keep_top_p(std::vector<double>& weights, double top_p) {
  double total = 0;
  for (const double weight : weights) total += weight;
  double kept = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    kept += weights[i];
    if (kept >= top_p * total) {
      weights.resize(i + 1);
      return;
    }
  }
}

size_t draw(const std::vector<double>& weights, double uniform) {
  double total = 0;
  for (const double weight : weights) total += weight;
  double rest = uniform * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    rest -= weights[i];
    if (rest < 0) return i;
  }
  return weights.size() - 1;  // rounding ate the last bit of the sum
}

}  // namespace

void validate(const SamplingParams& params) {
  const auto refuse = [](const char* name, auto value, const char* range) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[sampling] ", name, " is ", value, "; expected ", range));
  };
  // The negated comparisons also refuse NaN.
  if (!(params.temperature >= 0 && std::isfinite(params.temperature))) {
    refuse("temperature", params.temperature, "a finite number >= 0 (0 = greedy)");
  }
  if (params.top_k < 0) refuse("top_k", params.top_k, "an integer >= 0 (0 = all tokens)");
  if (!(params.top_p > 0 && params.top_p <= 1)) refuse("top_p", params.top_p, "a number in (0, 1]");
  if (!(params.repetition_penalty > 0 && std::isfinite(params.repetition_penalty))) {
    refuse("repetition_penalty", params.repetition_penalty, "a finite number > 0 (1 = off)");
  }
}

int32_t sample(std::span<const float> logits,
               std::span<const int32_t> history,
               const SamplingParams& params,
               uint64_t index) {
  CHECK(!logits.empty());
  std::vector<Candidate> candidates = candidates_of(logits);
  if (params.repetition_penalty != 1)
    penalise_repetition(candidates, history, params.repetition_penalty);
  if (params.temperature == 0) {
    return std::min_element(candidates.begin(), candidates.end(), likelier)->token;
  }
  keep_top_k(candidates, params.top_k);
  std::vector<double> weights = weights_of(candidates, params.temperature);
  keep_top_p(weights, params.top_p);
  return candidates[draw(weights, uniform_at(params.seed, index))].token;
}

}  // namespace partita::engine
