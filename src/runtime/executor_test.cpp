// SPDX-License-Identifier: Apache-2.0
// One rank: steps of a tiny graph, states, errors, allocations, what stays loaded.
#include "runtime/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "comm/local/local.h"
#include "runtime/counting_new.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTiny = R"(graph "tiny" {
  input %x : f32[t,2]
  weight %w : f32[3,2] = tensor("w")
  %h : f32[t,3] = linear(%x, %w)
  %view : f32[t,3,1] = reshape(%h) {shape = [0,3,1]}
  %y : f32[t,3,1] = relu(%view)
  return %y
}
)";

// w = [[1, 2], [3, 4], [-5, 6]].
void read_tiny_weight(const ir::Value& weight, std::byte* to) {
  const float values[] = {1, 2, 3, 4, -5, 6};
  std::memcpy(to, values, static_cast<size_t>(weight.type.bytes()));
}

Program tiny_program(int rank = 0) { return {rank, ir::parse_graph(kTiny), {}, {{"t", 4}}}; }

std::vector<float> run_tiny(Executor& executor, const std::vector<float>& x) {
  const StepInput input{"x", DType::kF32, x.data(), static_cast<int64_t>(x.size())};
  const SymbolSize tokens{"t", static_cast<int64_t>(x.size()) / 2};
  const auto outputs = executor.run({{&input, 1}, {&tokens, 1}});
  const float* data = outputs[0].as<const float>();
  return {data, data + outputs[0].elements()};
}

TEST(Executor, StepsOfAnySizeUpToTheMaximum) {
  Executor executor(tiny_program(), read_tiny_weight, nullptr);
  EXPECT_THAT(run_tiny(executor, {1, 1}), ElementsAre(3, 7, 1));
  EXPECT_THAT(run_tiny(executor, {1, 0, 0, 1, 2, 0, 0, -1}),
              ElementsAre(1, 3, 0, 2, 4, 6, 2, 6, 0, 0, 0, 0));
  EXPECT_THAT(run_tiny(executor, {}), ElementsAre());
  EXPECT_THAT(run_tiny(executor, {1, 1}), ElementsAre(3, 7, 1));
}

TEST(Executor, ReportsItsMemory) {
  const Executor executor(tiny_program(), read_tiny_weight, nullptr);
  const MemoryUse memory = executor.memory();
  EXPECT_EQ(memory.weights, 24);
  EXPECT_EQ(memory.states, 0);
  EXPECT_EQ(memory.activations, 128);  // h and y: 48 bytes each, aligned
}

TEST(Executor, CountsTheTimeOfEveryOp) {
  Executor executor(tiny_program(), read_tiny_weight, nullptr);
  for (int step = 0; step < 3; ++step) (void)run_tiny(executor, {1, 1});
  ASSERT_EQ(executor.op_times().size(), 2U);  // the view costs nothing
  EXPECT_EQ(executor.op_times()[0].op, "linear");
  EXPECT_EQ(executor.op_times()[1].op, "relu");
  for (const OpTime& time : executor.op_times()) {
    EXPECT_EQ(time.calls, 3);
    EXPECT_GE(time.seconds, 0);
  }
}

// Allocations of ten steps of two sizes after both sizes have been seen.
int64_t allocations_of_ten_steps(Executor& executor) {
  const std::vector<float> x = {1, 0, 0, 1, 2, 0, 0, -1};
  const std::array inputs = {StepInput{"x", DType::kF32, x.data(), 8},
                             StepInput{"x", DType::kF32, x.data(), 2}};
  const std::array sizes = {SymbolSize{"t", 4}, SymbolSize{"t", 1}};
  const auto step = [&](size_t i) { (void)executor.run({{&inputs[i], 1}, {&sizes[i], 1}}); };
  for (const size_t i : {0, 1}) step(i);
  const int64_t before = allocations_so_far();
  for (int repeat = 0; repeat < 5; ++repeat) {
    for (const size_t i : {0, 1}) step(i);
  }
  return allocations_so_far() - before;
}

TEST(Executor, NothingIsAllocatedAfterWarmUp) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,2]
  weight %w : f32[2] = tensor("w")
  %n : f32[t,2] = rms_norm(%x, %w) {eps = 0.00001}
  %s : f32[t,2] = softmax(%n)
  %a : f32[t,2] = add(%s, %x)
  %y : f32[t,1,2] = reshape(%a) {shape = [0,1,2]}
  return %y
}
)");
  Executor executor({0, graph, {}, {{"t", 4}}}, read_tiny_weight, nullptr);
  EXPECT_EQ(allocations_of_ten_steps(executor), 0);
}

// oneDNN keeps small books of its own in each call (6 allocations in 2.6); what we add is nothing.
TEST(Executor, LinearKernelsAllocateOnlyInsideTheLibrary) {
  Executor executor(tiny_program(), read_tiny_weight, nullptr);
  EXPECT_LE(allocations_of_ten_steps(executor), 10 * 8);
}

// How many tokens an expert gets depends on the data, so a step like none before must find all
// ready. Row i of x goes to expert 0 when positive, else to expert 1.
TEST(Executor, ExpertsAllocateOnlyInsideTheLibraryWhateverTheRouting) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,1]
  weight %w : f32[2,1] = tensor("router")
  weight %gate : f32[2,3,1] = tensor("gate")
  weight %up : f32[2,3,1] = tensor("up")
  weight %down : f32[2,1,3] = tensor("down")
  %r : f32[t,2] = router(%x, %w) {normalize = 1, top_k = 1}
  %y : f32[t,1] = experts(%x, %r, %gate, %up, %down) {activation = "relu", top_k = 1}
  return %y
}
)");
  const auto read = [](const ir::Value& weight, std::byte* to) {
    const float values[] = {1, -1, 1, -1, 1, -1};
    std::memcpy(to, values, static_cast<size_t>(weight.type.bytes()));
  };
  Executor executor({0, graph, {}, {{"t", 4}}}, read, nullptr);
  const SymbolSize tokens{"t", 4};
  const auto allocations_of = [&](std::array<float, 4> x) {
    const StepInput input{"x", DType::kF32, x.data(), 4};
    const int64_t before = allocations_so_far();
    (void)executor.run({{&input, 1}, {&tokens, 1}});
    return allocations_so_far() - before;
  };
  const int64_t warm_up = allocations_of({1, 1, 1, 1});
  EXPECT_GT(warm_up, 7 * 8);
  // One product of the router and three per expert; see LinearKernelsAllocateOnlyInsideTheLibrary.
  EXPECT_LE(allocations_of({1, 1, 1, -1}), 7 * 8);
  EXPECT_LE(allocations_of({1, -1, 1, -1}), 7 * 8);
  EXPECT_LE(allocations_of({-1, -1, -1, -1}), 7 * 8);
}

constexpr const char* kCached = R"(graph "cached" {
  input %x : f32[t,1,2]
  input %positions : i32[t]
  input %sequence_ids : i32[t]
  input %block_tables : i32[s,m]
  state %k_cache : f32[1,c,2,4]
  state %v_cache : f32[1,c,4,2]
  %y : f32[t,1,2] = attention(%x, %x, %x, %k_cache, %v_cache, %positions, %sequence_ids, %block_tables) {group = 1, scale = 1}
  return %y
}
)";

std::vector<float> run_cached(Executor& executor, std::vector<float> x, int32_t position) {
  const int32_t zero = 0;
  const std::array inputs = {StepInput{"x", DType::kF32, x.data(), 2},
                             StepInput{"positions", DType::kI32, &position, 1},
                             StepInput{"sequence_ids", DType::kI32, &zero, 1},
                             StepInput{"block_tables", DType::kI32, &zero, 1}};
  const std::array sizes = {SymbolSize{"t", 1}, SymbolSize{"s", 1}, SymbolSize{"m", 1}};
  const auto outputs = executor.run({inputs, sizes});
  return {outputs[0].as<const float>(), outputs[0].as<const float>() + 2};
}

// A state keeps what earlier steps wrote; reset gives the first step's result again.
TEST(Executor, StatesLiveOverSteps) {
  Executor executor({0, ir::parse_graph(kCached), {}, {{"t", 2}, {"s", 1}, {"m", 1}, {"c", 3}}},
                    read_tiny_weight, nullptr);
  EXPECT_EQ(executor.memory().states, 2 * 3 * 4 * 2 * 4);
  EXPECT_THAT(run_cached(executor, {1, 0}, 0), ElementsAre(1, 0));
  const std::vector<float> mixed = run_cached(executor, {0, 1}, 1);  // attends to both positions
  EXPECT_GT(mixed[0], 0);
  EXPECT_GT(mixed[1], mixed[0]);
  executor.reset_states();
  EXPECT_NE(run_cached(executor, {0, 1}, 1), mixed);
}

void expect_error(ErrorCode code,
                  const std::vector<std::string>& parts,
                  const std::function<void()>& action) {
  try {
    action();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(Executor, BadStepsAreRefusedByName) {
  Executor executor(tiny_program(3), read_tiny_weight, nullptr);
  expect_error(ErrorCode::kInvalidArgument, {"rank 3", "t = 5", "0 .. 4"},
               [&] { (void)run_tiny(executor, std::vector<float>(10)); });
  expect_error(ErrorCode::kInvalidArgument, {"\"x\" has 3 elements", "expected 2"}, [&] {
    (void)run_tiny(executor, {1, 2, 3});
  });
  expect_error(ErrorCode::kInvalidArgument, {"lacks the input \"x\""},
               [&] { (void)executor.run({}); });
  EXPECT_THAT(run_tiny(executor, {1, 1}), ElementsAre(3, 7, 1));
}

TEST(Executor, ErrorsWhileLoadingNameRankNodeAndOp) {
  const WeightReader broken = [](const ir::Value&, std::byte*) {
    throw Error(ErrorCode::kInvalidFile, "[file] broken");
  };
  expect_error(ErrorCode::kInvalidFile, {"rank 7", "\"h\" (linear)", "[file] broken"},
               [&] { const Executor executor(tiny_program(7), broken, nullptr); });
}

TEST(Executor, CollectivesUseTheGroupsOfTheProgram) {
  auto worlds = comm::make_local_group(1);
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,2]
  %y : f32[t,2] = all_reduce(%x) {group = "0", reduce = "sum"}
  return %y
}
)");
  Executor executor({0, graph, {"0"}, {{"t", 4}}}, read_tiny_weight, worlds[0].get());
  EXPECT_THAT(run_tiny(executor, {1, 2}), ElementsAre(1, 2));
  EXPECT_EQ(executor.counters()[static_cast<size_t>(comm::CollectiveKind::kAllReduce)].calls, 1);
  expect_error(ErrorCode::kInvalidArgument, {"\"y\" (all_reduce)", "no group \"0\""}, [&] {
    const Executor without({0, graph, {}, {{"t", 4}}}, read_tiny_weight, worlds[0].get());
  });
}

TEST(RankGroups, NamesThatAreNoRanksAreRefused) {
  auto worlds = comm::make_local_group(1);
  for (const char* name : {"", "0,", "1", "0,0", "-1", "a"}) {
    const std::vector<std::string> names = {name};
    EXPECT_THROW(RankGroups(*worlds[0], names), Error) << name;
  }
}

TEST(LoadProgram, WeightsComeInNodeOrderOnceEachWithProgress) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,2]
  weight %unused : f32[2,2] = tensor("u")
  weight %b : f32[2,2] = tensor("b")
  weight %a : f32[2,2] = tensor("a")
  %h : f32[t,2] = linear(%x, %a)
  %i : f32[t,2] = linear(%h, %b)
  %y : f32[t,2] = linear(%i, %a)
  return %y
}
)");
  std::vector<std::string> read;
  std::vector<int64_t> progress;
  const Executor executor(
      {0, graph, {}, {{"t", 4}}},
      [&](const ir::Value& weight, std::byte* to) {
        read.push_back(weight.name);
        std::memset(to, 0, 16);
      },
      nullptr,
      [&](int64_t done, int64_t total) {
        progress.push_back(done);
        EXPECT_EQ(total, 32);
      });
  EXPECT_THAT(read, ElementsAre("a", "b"));
  EXPECT_THAT(progress, ElementsAre(16, 32));
}

}  // namespace
}  // namespace partita::runtime
