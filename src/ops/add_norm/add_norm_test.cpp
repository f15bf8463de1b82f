// SPDX-License-Identifier: Apache-2.0
// Sum, residual and norm in one: the same bits as one after the other, alone and on virtual ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <thread>

#include "comm/local/local.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

struct Case {
  std::string norm;  // "rms_norm" or "layer_norm"
  bool has_bias;
  int64_t rows;
  int64_t width;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* norm : {"rms_norm", "layer_norm"}) {
    for (const bool has_bias : {false, true}) {
      for (const auto& [rows, width] :
           std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 2048}, {3, 77}, {0, 8}, {200, 96}})
        all.push_back({norm, has_bias, rows, width});
    }
  }
  return all;
}

HostTensor random_tensor(std::vector<int64_t> shape, uint64_t seed) {
  OpSample sample;
  sample.inputs = {{DType::kF32, {}}};
  for (const int64_t size : shape) sample.inputs[0].dims.emplace_back(size);
  sample.integer_below = {0};
  return random_inputs(sample, seed)[0];
}

// What all ranks share.
struct Data {
  explicit Data(const Case& c)
      : bias(random_tensor({c.width}, 91)),
        residual(random_tensor({c.rows, c.width}, 92)),
        weight(random_tensor({c.width}, 93)),
        shift(random_tensor({c.width}, 94)) {}
  HostTensor bias;
  HostTensor residual;
  HostTensor weight;
  HostTensor shift;
};

ir::Attributes norm_attributes() { return attributes({{"eps", 1e-5}}); }

// One operator after the other, from the reduced sum on: the sum and the normalised sum.
std::vector<HostTensor> one_by_one(const Case& c, const Data& data, HostTensor x) {
  if (c.has_bias) {
    std::vector<HostTensor> inputs = {x, data.bias};
    x = evaluate("add", {}, inputs)[0];
  }
  std::vector<HostTensor> sum = {data.residual, x};
  const HostTensor s = evaluate("add", {}, sum)[0];
  std::vector<HostTensor> inputs = {s, data.weight};
  if (c.norm == "layer_norm") inputs.push_back(data.shift);
  return {s, evaluate(c.norm, norm_attributes(), inputs)[0]};
}

std::vector<HostTensor> fused(const Case& c,
                              const Data& data,
                              const HostTensor& x,
                              Groups* groups = nullptr) {
  std::vector<HostTensor> inputs = {x};
  if (c.has_bias) inputs.push_back(data.bias);
  inputs.push_back(data.residual);
  inputs.push_back(data.weight);
  if (c.norm == "layer_norm") inputs.push_back(data.shift);
  ir::Attributes attributes = norm_attributes();
  if (groups == nullptr) return evaluate("add_" + c.norm, attributes, inputs);
  attributes.set("group", "all");
  return evaluate("all_reduce_add_" + c.norm, attributes, inputs, {.groups = groups});
}

TEST(AddNorm, HasTheBitsOfAdditionAndNorm) {
  for (const Case& c : cases()) {
    const Data data(c);
    const HostTensor x = random_tensor({c.rows, c.width}, 5);
    EXPECT_EQ(fused(c, data, x), one_by_one(c, data, x))
        << c.norm << " " << c.rows << "x" << c.width << (c.has_bias ? " with bias" : "");
  }
}

class OneGroup final : public Groups {
 public:
  explicit OneGroup(comm::Communicator& group) : group_(group) {}
  comm::Communicator& group(std::string_view /*name*/) override { return group_; }

 private:
  comm::Communicator& group_;
};

// Runs `body(rank, groups)` on virtual ranks whose sums take one exchange up to `one_shot_bytes`.
template <typename Body>
void on_ranks(int ranks, int64_t one_shot_bytes, const Body& body) {
  auto group = comm::make_local_group(ranks);
  std::vector<std::exception_ptr> errors(group.size());
  {
    std::vector<std::jthread> threads;
    for (size_t rank = 0; rank < group.size(); ++rank) {
      threads.emplace_back([&, rank] {
        try {
          group[rank]->set_all_reduce({.one_shot_bytes = one_shot_bytes});
          OneGroup groups(*group[rank]);
          body(static_cast<int>(rank), groups);
        } catch (...) {
          errors[rank] = std::current_exception();
          group[rank]->cancel();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

// The sum in the order of the ranks is what one_by_one() starts from, on every rank.
void expect_same_on_ranks(const Case& c, int ranks, int64_t one_shot_bytes) {
  const Data data(c);
  std::vector<float> sum = random_tensor({c.rows, c.width}, 10).floats();
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<float> next =
        random_tensor({c.rows, c.width}, 10 + static_cast<uint64_t>(rank)).floats();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += next[i];
  }
  const auto expected = one_by_one(c, data, HostTensor::from_floats({c.rows, c.width}, sum));
  on_ranks(ranks, one_shot_bytes, [&](int rank, Groups& groups) {
    const HostTensor x = random_tensor({c.rows, c.width}, 10 + static_cast<uint64_t>(rank));
    for (int run = 0; run < 2; ++run) {
      EXPECT_EQ(fused(c, data, x, &groups), expected)
          << c.norm << " " << c.rows << "x" << c.width << " on rank " << rank << " of " << ranks;
    }
  });
}

TEST(AllReduceAddNorm, HasTheBitsOfTheThreeOperatorsOnEveryRank) {
  for (const Case& c : cases()) {
    for (const int ranks : {1, 2, 3}) expect_same_on_ranks(c, ranks, -1);
  }
}

TEST(AllReduceAddNorm, HasThemAlsoWhereTheSumTakesTwoExchanges) {
  for (const Case& c : cases()) expect_same_on_ranks(c, 2, 1000);
}

TEST(AddNorm, RefusesWhatDoesNotFit) {
  const Case c{"rms_norm", false, 3, 8};
  Data data(c);
  data.residual = random_tensor({3, 7}, 1);
  EXPECT_THROW((void)fused(c, data, random_tensor({3, 8}, 2)), Error);
  const Case full{"rms_norm", false, 3, 8};
  const Data whole(full);
  std::vector<HostTensor> inputs = {random_tensor({3, 8}, 2), whole.residual};
  EXPECT_THROW((void)evaluate("add_rms_norm", norm_attributes(), inputs), Error);
  try {
    ir::Attributes attributes = norm_attributes();
    attributes.set("group", "0,1");
    inputs.push_back(whole.weight);
    (void)evaluate("all_reduce_add_rms_norm", attributes, inputs);
    FAIL() << "a collective without groups";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("group \"0,1\""));
  }
}

}  // namespace
}  // namespace partita::ops
