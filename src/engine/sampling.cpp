// SPDX-License-Identifier: Apache-2.0
#include "engine/sampling.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
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

void require_number(const Candidate& candidate) {
  if (!std::isnan(candidate.logit) && candidate.logit != HUGE_VALF) return;
  throw Error(ErrorCode::kRankFailed,
              str("[sampling] the logit of token ", candidate.token, " is ",
                  std::isnan(candidate.logit) ? "NaN" : "+inf",
                  "; expected a number; run `partita check` on the checkpoint"));
}

[[noreturn]] void refuse_nothing_possible() {
  throw Error(ErrorCode::kRankFailed,
              "[sampling] all logits are -inf; run `partita check` on the checkpoint");
}

// Refuses what is no distribution; the highest logit, the first of equal ones.
Candidate highest_of(std::span<const float> logits) {
  Candidate best = {-HUGE_VALF, -1};
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate candidate = {logits[i], static_cast<int32_t>(i)};
    require_number(candidate);
    if (candidate.logit > best.logit) best = candidate;
  }
  if (best.token < 0) refuse_nothing_possible();
  return best;
}

std::vector<Candidate> candidates_of(std::span<const float> logits) {
  std::vector<Candidate> candidates(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates[i] = {logits[i], static_cast<int32_t>(i)};
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
  if (top_k <= 0 || static_cast<size_t>(top_k) >= candidates.size()) return;
  std::partial_sort(candidates.begin(), candidates.begin() + top_k, candidates.end(), likelier);
  candidates.resize(static_cast<size_t>(top_k));
}

// Candidates with their unnormalised probabilities, brought into the order of likelier() only as
// far as somebody looks: a few hundred of a hundred thousand carry nearly all of the probability.
class Ranking {
 public:
  Ranking(std::vector<Candidate> candidates, double temperature)
      : candidates_(std::move(candidates)),
        highest_(std::min_element(candidates_.begin(), candidates_.end(), likelier)->logit),
        temperature_(temperature) {}

  [[nodiscard]] size_t size() const { return candidates_.size(); }
  [[nodiscard]] int32_t token(size_t rank) {
    sort_to(rank);
    return candidates_[rank].token;
  }
  // The largest is 1.
  [[nodiscard]] double weight(size_t rank) {
    sort_to(rank);
    return weight_of(candidates_[rank]);
  }
  // Sum over all in their present order: by token, or by rank after keep_top_k().
  [[nodiscard]] double total() const {
    double sum = 0;
    for (const Candidate& candidate : candidates_) sum += weight_of(candidate);
    return sum;
  }

 private:
  [[nodiscard]] double weight_of(const Candidate& candidate) const {
    return std::exp((candidate.logit - highest_) / temperature_);
  }

  void sort_to(size_t rank) {
    while (rank >= sorted_) {
      const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted_);
      const size_t end = std::min(size(), std::max<size_t>(256, 4 * sorted_));
      const auto next = candidates_.begin() + static_cast<std::ptrdiff_t>(end);
      if (end < size()) std::nth_element(begin, next, candidates_.end(), likelier);
      std::sort(begin, next, likelier);
      sorted_ = end;
    }
  }

  std::vector<Candidate> candidates_;
  float highest_;
  double temperature_;
  size_t sorted_ = 0;
};

// The likeliest candidates that carry a probability, at least one, and what they weigh together.
struct Kept {
  size_t count;
  double weight;
};
Kept keep_top_p(Ranking& ranking, double top_p) {
  const double total = ranking.total();
  if (top_p >= 1) return {ranking.size(), total};
  double kept = 0;
  for (size_t i = 0; i < ranking.size(); ++i) {
    kept += ranking.weight(i);
    if (kept >= top_p * total) return {i + 1, kept};
  }
  return {ranking.size(), kept};
}

int32_t draw(Ranking& ranking, const Kept& kept, double uniform) {
  double rest = uniform * kept.weight;
  size_t last = 0;
  for (size_t i = 0; i < kept.count && ranking.weight(i) > 0; ++i) {
    last = i;
    rest -= ranking.weight(i);
    if (rest < 0) break;
  }
  return ranking.token(last);  // of those that can be, also where rounding ate the sum's last bit
}

int32_t draw_from(std::vector<Candidate> candidates, const SamplingParams& params, uint64_t index) {
  Ranking ranking(std::move(candidates), params.temperature);
  const Kept kept = keep_top_p(ranking, params.top_p);
  return draw(ranking, kept, uniform_at(params.seed, index));
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
  const Candidate highest = highest_of(logits);
  const bool is_greedy = params.temperature == 0;
  if (is_greedy && params.repetition_penalty == 1) return highest.token;
  std::vector<Candidate> candidates = candidates_of(logits);
  if (params.repetition_penalty != 1)
    penalise_repetition(candidates, history, params.repetition_penalty);
  if (is_greedy) return std::min_element(candidates.begin(), candidates.end(), likelier)->token;
  keep_top_k(candidates, params.top_k);
  return draw_from(std::move(candidates), params, index);
}

bool candidates_suffice(const SamplingParams& params, int64_t candidates, int64_t vocab_size) {
  if (candidates < 1 || params.repetition_penalty != 1) return false;
  if (params.temperature == 0) return true;
  return params.top_k > 0 && params.top_k <= candidates && params.top_k < vocab_size;
}

int32_t sample(const Candidates& candidates, const SamplingParams& params, uint64_t index) {
  CHECK(!candidates.logits.empty() && candidates.logits.size() == candidates.tokens.size());
  // What is no number comes first, the lowest id before the others: the one of highest_of().
  const Candidate highest = {candidates.logits.front(), candidates.tokens.front()};
  require_number(highest);
  if (highest.logit == -HUGE_VALF) refuse_nothing_possible();
  if (params.temperature == 0) return highest.token;
  const auto count = static_cast<size_t>(params.top_k);
  CHECK(count > 0 && count <= candidates.logits.size(), "the candidates do not suffice");
  std::vector<Candidate> kept(count);
  for (size_t i = 0; i < count; ++i) kept[i] = {candidates.logits[i], candidates.tokens[i]};
  return draw_from(std::move(kept), params, index);
}

}  // namespace partita::engine
