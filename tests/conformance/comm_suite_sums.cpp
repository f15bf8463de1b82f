// SPDX-License-Identifier: Apache-2.0
// Communicator suite: terms made in place, terms shown to kernels, one and two exchanges, terms
// that travel as bf16.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "comm_suite.h"
#include "comm_suite_values.h"

namespace partita::comm {
namespace {

constexpr int64_t kHuge = int64_t{1} << 40;
// Within a small slot; more than one.
constexpr std::array<int64_t, 2> kCounts = {777, 5003};

std::vector<float> serial_sum(int64_t count, int ranks) {
  std::vector<float> sum = rough_numbers(count, 0);
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<float> next = rough_numbers(count, rank);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += next[i];
  }
  return sum;
}

bool same_bits(const std::vector<float>& left, const std::vector<float>& right) {
  return left.size() == right.size() &&
         std::memcmp(left.data(), right.data(), left.size() * sizeof(float)) == 0;
}

std::vector<float> summed(Communicator& group, const std::vector<float>& in) {
  std::vector<float> out(in.size());
  group.all_reduce(in.data(), out.data(), static_cast<int64_t>(in.size()), DType::kF32,
                   ReduceKind::kSum);
  return out;
}

// As summed(), but the terms are made where the transport wants them.
std::vector<float> summed_in_place(Communicator& group, const std::vector<float>& in) {
  void* memory = group.reserve(static_cast<int64_t>(in.size() * sizeof(float)));
  if (memory == nullptr) return summed(group, in);
  expect(reinterpret_cast<uintptr_t>(memory) % 64 == 0, "reserved memory is not aligned");
  std::memcpy(memory, in.data(), in.size() * sizeof(float));
  std::vector<float> out(in.size());
  group.all_reduce(memory, out.data(), static_cast<int64_t>(in.size()), DType::kF32,
                   ReduceKind::kSum);
  return out;
}

std::vector<float> summed_from_terms(Communicator& group, const std::vector<float>& in) {
  const auto count = static_cast<int64_t>(in.size());
  const Terms terms = group.exchange_terms(in.data(), count);
  if (terms.empty()) return summed(group, in);
  expect(static_cast<int>(terms.by_rank.size()) == group.size(), "one term per rank");
  std::vector<float> out(in.size());
  add_terms(terms, 0, {}, out);
  return out;
}

// Whatever way each rank takes, and however often slots have changed before.
void sums_are_the_same_on_every_way(Communicator& world) {
  for (const int64_t limit : {int64_t{-1}, int64_t{0}, kHuge}) {
    const auto group = world.split(0, 0);
    group->set_all_reduce({.one_shot_bytes = limit});
    for (const int64_t count : kCounts) {
      const std::vector<float> in = rough_numbers(count, group->rank());
      const std::vector<float> expected = serial_sum(count, group->size());
      for (int run = 0; run < 3; ++run) {
        expect(same_bits(summed(*group, in), expected), "plain");
        expect(same_bits(summed_in_place(*group, in), expected), "made in place");
        expect(same_bits(summed_from_terms(*group, in), expected), "from terms");
        const bool is_even = (group->rank() + run) % 2 == 0;
        expect(same_bits(is_even ? summed_in_place(*group, in) : summed_from_terms(*group, in),
                         expected),
               "each rank its own way");
        group->barrier();
      }
    }
  }
}

// A rank that starts on its next terms at once must not disturb a peer that still reads the last.
void terms_made_early_do_not_disturb_slow_readers(Communicator& world) {
  constexpr int64_t kCount = 900;
  for (int run = 0; run < 50; ++run) {
    void* memory = world.reserve(kCount * static_cast<int64_t>(sizeof(float)));
    std::vector<float> own(memory == nullptr ? kCount : 0);
    auto* in = memory == nullptr ? own.data() : static_cast<float*>(memory);
    for (int64_t i = 0; i < kCount; ++i) in[i] = static_cast<float>(run + world.rank());
    std::vector<float> out(kCount);
    world.all_reduce(in, out.data(), kCount, DType::kF32, ReduceKind::kSum);
    const auto expected =
        static_cast<float>(run * world.size() + world.size() * (world.size() - 1) / 2);
    expect(std::all_of(out.begin(), out.end(), [&](float sum) { return sum == expected; }),
           str("run ", run, ": ", out[0], ", expected ", expected));
  }
}

void kernels_add_to_the_terms_in_order(Communicator& world) {
  constexpr int64_t kCount = 600;
  const std::vector<float> in = rough_numbers(kCount, world.rank());
  const std::vector<float> residual = rough_numbers(kCount, 100);
  std::vector<float> expected = serial_sum(kCount, world.size());
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = (expected[i] + 1.5F) + residual[i];
  const Terms terms = world.exchange_terms(in.data(), kCount);
  if (terms.empty()) return;
  const std::vector<float> bias(kCount, 1.5F);
  std::vector<float> out(kCount);
  for (int64_t half : {0, 1}) {
    const int64_t begin = half * kCount / 2;
    const std::array more = {bias.data() + begin, residual.data() + begin};
    add_terms(terms, begin, more, std::span(out).subspan(static_cast<size_t>(begin), kCount / 2));
  }
  expect(same_bits(out, expected), "the sum with bias and residual");
}

void sums_over_bf16_are_alike_and_as_near_as_said(Communicator& world) {
  for (const int64_t count : kCounts) {
    const std::vector<float> in = rough_numbers(count, world.rank());
    std::vector<float> first;
    for (const int64_t limit : {int64_t{-1}, int64_t{0}, kHuge}) {
      const auto parent = world.split(0, 0);
      parent->set_all_reduce({.one_shot_bytes = limit, .bf16_wire = true});
      const auto group = parent->split(0, 0);  // has the options of its parent
      const std::vector<float> out = summed(*group, in);
      if (first.empty()) first = out;
      expect(same_bits(out, first), "one and two exchanges differ");
      expect(same_bits(summed_in_place(*group, in), first), "made in place");
      expect(same_bits(summed_from_terms(*group, in), first), "from terms");
    }
    const std::vector<float> exact = serial_sum(count, world.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      double terms = 0;
      for (int rank = 0; rank < world.size(); ++rank) {
        terms += std::abs(rough_numbers(count, rank)[i]);
      }
      // The bound of AllReduceOptions, and f32's own rounding of each of the additions.
      const double bound = terms * (world.size() == 1 ? 0 : 1.0 / 256 + world.size() * 1.2e-7);
      expect(std::abs(first[i] - exact[i]) <= bound,
             str("element ", i, ": ", first[i], " instead of ", exact[i]));
    }
  }
}

// Only sums of f32 are narrowed: whole numbers up to 2^24 stay what they are in all others.
void other_reductions_stay_exact_over_a_bf16_wire(Communicator& world) {
  const auto group = world.split(0, 0);
  group->set_all_reduce({.bf16_wire = true});
  float largest = 16777215.0F - static_cast<float>(group->rank());
  group->all_reduce(&largest, &largest, 1, DType::kF32, ReduceKind::kMax);
  expect(largest == 16777215.0F, "max of f32");
  int32_t sum = 16777217;
  group->all_reduce(&sum, &sum, 1, DType::kI32, ReduceKind::kSum);
  expect(sum == 16777217 * group->size(), "sum of i32");
}

constexpr std::array kCases = {
    SuiteCase{"sums_are_the_same_on_every_way", 1, sums_are_the_same_on_every_way},
    SuiteCase{"terms_made_early_do_not_disturb_slow_readers", 1,
              terms_made_early_do_not_disturb_slow_readers},
    SuiteCase{"kernels_add_to_the_terms_in_order", 1, kernels_add_to_the_terms_in_order},
    SuiteCase{"sums_over_bf16_are_alike_and_as_near_as_said", 1,
              sums_over_bf16_are_alike_and_as_near_as_said},
    SuiteCase{"other_reductions_stay_exact_over_a_bf16_wire", 1,
              other_reductions_stay_exact_over_a_bf16_wire},
};

}  // namespace

std::span<const SuiteCase> sum_cases() { return kCases; }

}  // namespace partita::comm
