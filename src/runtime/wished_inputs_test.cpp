// SPDX-License-Identifier: Apache-2.0
// Results that are made where a collective wants them: which ones, and that the executor does it.
#include "runtime/wished_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "comm/base_communicator.h"
#include "runtime/executor.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "relu -> y.all_reduce" for each result that may be made for a collective.
std::vector<std::string> wishes_of(const std::string& nodes) {
  const ir::Graph graph = ir::parse_graph("graph \"g\" {\n  input %x : f32[t,4]\n" + nodes + "}\n");
  std::vector<std::string> wishes;
  for (const WishedInput& wish : find_wished_inputs(graph, plan_buffers(graph, {{"t", 8}}))) {
    EXPECT_EQ(wish.output, 0);
    wishes.push_back(
        str(graph.nodes()[wish.producer].name, " -> ", graph.nodes()[wish.reader].name));
  }
  return wishes;
}

TEST(WishedInputs, AreThoseThatOnlyTheCollectiveReads) {
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = relu(%x)
  %b : f32[t,4] = all_reduce(%a) {group = "0,1", reduce = "sum"}
  %c : f32[t,4] = relu(%b)
  %d : f32[t,4] = relu(%c)
  %e : f32[t,4] = add(%c, %c)
  %f : f32[t,4] = all_reduce(%d) {group = "0,1", reduce = "sum"}
  %g : f32[t,4] = add(%e, %f)
  return %g
)"),
              ElementsAre("a -> b", "d -> f"));
}

TEST(WishedInputs, AreSeenThroughViews) {
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = relu(%x)
  %view : f32[t,2,2] = reshape(%a) {shape = [0,2,2]}
  %b : f32[t,2,2] = all_reduce(%view) {group = "0,1", reduce = "sum"}
  return %b
)"),
              ElementsAre("a -> b"));
}

TEST(WishedInputs, AreNotReadByOthersToo) {
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = relu(%x)
  %b : f32[t,4] = all_reduce(%a) {group = "0,1", reduce = "sum"}
  %c : f32[t,4] = add(%a, %b)
  return %c
)"),
              IsEmpty());
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = relu(%x)
  %view : f32[t,2,2] = reshape(%a) {shape = [0,2,2]}
  %b : f32[t,4] = all_reduce(%a) {group = "0,1", reduce = "sum"}
  return %b, %view
)"),
              IsEmpty());
}

// The other collective would use the memory that was kept free.
TEST(WishedInputs, AreNotMadeBeforeAnotherCollective) {
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = relu(%x)
  %b : f32[t,4] = relu(%x)
  %c : f32[t,4] = all_reduce(%a) {group = "0,1", reduce = "sum"}
  %d : f32[t,4] = all_reduce(%b) {group = "0,1", reduce = "sum"}
  %e : f32[t,4] = all_reduce(%d) {group = "0,1", reduce = "sum"}
  %f : f32[t,4] = add(%c, %e)
  return %f
)"),
              ElementsAre("a -> c"));
}

TEST(WishedInputs, AreResultsOnly) {
  EXPECT_THAT(wishes_of(R"(  %a : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "sum"}
  return %a
)"),
              IsEmpty());
}

// One of two ranks; the other always has ones. Gives memory of its own for the terms, up to four of
// them, and notes where they were.
class OneOfTwo : public comm::BaseCommunicator {
 public:
  OneOfTwo() : BaseCommunicator({0, {0, 1}}) {}
  void* reserve(int64_t bytes) override {
    return bytes > static_cast<int64_t>(sizeof(terms_)) ? nullptr : terms_.data();
  }
  [[nodiscard]] bool is_in_place() const { return last_in_ == terms_.data(); }

 private:
  using Bytes = std::byte*;
  using ConstBytes = const std::byte*;
  void do_all_reduce(const comm::Call& /*call*/,
                     ConstBytes in,
                     Bytes out,
                     int64_t count,
                     comm::Reduction /*reduction*/) override {
    last_in_ = in;
    for (int64_t i = 0; i < count; ++i) {
      reinterpret_cast<float*>(out)[i] = reinterpret_cast<const float*>(in)[i] + 1;
    }
  }
  void do_all_gather(const comm::Call&, ConstBytes, Bytes, Pieces) override {}
  void do_reduce_scatter(const comm::Call&, ConstBytes, Bytes, Pieces, comm::Reduction) override {}
  void do_all_to_all(const comm::Call&, ConstBytes, Pieces, Bytes, Pieces) override {}
  void do_broadcast(const comm::Call&, Bytes, int64_t, int) override {}
  void do_send(const comm::Call&, ConstBytes, int64_t, int) override {}
  void do_recv(const comm::Call&, Bytes, int64_t, int) override {}
  void do_barrier(const comm::Call&) override {}
  std::unique_ptr<comm::Communicator> do_split(const comm::Call&,
                                               const comm::SplitGroups&,
                                               std::optional<comm::GroupIdentity>,
                                               int,
                                               int) override {
    return nullptr;
  }

  alignas(64) std::array<std::byte, 16> terms_{};
  ConstBytes last_in_ = nullptr;
};

TEST(Executor, MakesResultsWhereACollectiveWantsThem) {
  OneOfTwo world;
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,2]
  %a : f32[t,2] = relu(%x)
  %view : f32[t,1,2] = reshape(%a) {shape = [0,1,2]}
  %b : f32[t,1,2] = all_reduce(%view) {group = "0,1", reduce = "sum"}
  return %b
}
)");
  Executor executor(
      {0, graph, {"0,1"}, {{"t", 4}}}, [](const ir::Value&, std::byte*) {}, &world);
  const std::vector<float> x = {1, -2, 3, 4, -5, 6, 7, 8};
  const auto run = [&](int64_t tokens) {
    const StepInput input{"x", DType::kF32, x.data(), 2 * tokens};
    const SymbolSize size{"t", tokens};
    const ops::TensorView view = executor.run({{&input, 1}, {&size, 1}})[0];
    return std::vector<float>(view.as<const float>(), view.as<const float>() + view.elements());
  };
  EXPECT_THAT(run(2), ElementsAre(2, 1, 4, 5));
  EXPECT_TRUE(world.is_in_place());
  // More than there is memory for, then little again.
  EXPECT_THAT(run(4), ElementsAre(2, 1, 4, 5, 1, 7, 8, 9));
  EXPECT_FALSE(world.is_in_place());
  EXPECT_THAT(run(1), ElementsAre(2, 1));
  EXPECT_TRUE(world.is_in_place());
}

}  // namespace
}  // namespace partita::runtime
