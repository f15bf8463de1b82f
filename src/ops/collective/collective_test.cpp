// SPDX-License-Identifier: Apache-2.0
// Collective operators on virtual ranks: pieces of any dim, uneven, empty and overlapping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "comm/communicator.h"
#include "comm/local/local.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OneGroup final : public Groups {
 public:
  explicit OneGroup(comm::Communicator& group) : group_(group) {}
  comm::Communicator& group(std::string_view /*name*/) override { return group_; }

 private:
  comm::Communicator& group_;
};

// Runs `body(rank, groups)` on `size` virtual ranks; the first error of any rank is thrown again.
void on_ranks(int size, const std::function<void(int, Groups&)>& body) {
  auto group = comm::make_local_group(size);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        const auto index = static_cast<size_t>(rank);
        try {
          OneGroup groups(*group[index]);
          body(rank, groups);
        } catch (...) {
          errors[index] = std::current_exception();
          group[index]->cancel();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

using Pieces = std::vector<Range>;

void set_pieces(ir::Attributes& attributes, const std::string& prefix, const Pieces& pieces) {
  std::vector<int64_t> begins;
  std::vector<int64_t> ends;
  for (const Range& piece : pieces) {
    begins.push_back(piece.begin);
    ends.push_back(piece.end);
  }
  attributes.set(prefix + "begins", begins);
  attributes.set(prefix + "ends", ends);
}

// [5, 6] with the value 10 * row + column (+ `offset`).
HostTensor table(float offset = 0) {
  std::vector<float> values;
  for (int row = 0; row < 5; ++row) {
    for (int column = 0; column < 6; ++column) {
      values.push_back(static_cast<float>(10 * row + column) + offset);
    }
  }
  return HostTensor::from_floats({5, 6}, values);
}

HostTensor piece_of(const HostTensor& whole, int64_t dim, Range range) {
  std::vector<HostTensor> inputs = {whole};
  return evaluate("slice", attributes({{"dim", dim}, {"begin", range.begin}, {"end", range.end}}),
                  inputs)[0];
}

HostTensor run(std::string_view op,
               const ir::Attributes& attributes,
               const HostTensor& input,
               Groups& groups,
               const ir::TensorType& output) {
  std::vector<HostTensor> inputs = {input};
  return evaluate(op, attributes, inputs, {.groups = &groups, .output_types = {output}})[0];
}

struct PiecesCase {
  int64_t dim;
  Pieces pieces;
};

class CollectivePieces : public ::testing::TestWithParam<PiecesCase> {};

TEST_P(CollectivePieces, AllGatherPutsEveryPieceInItsPlace) {
  const int64_t dim = GetParam().dim;
  const Pieces& pieces = GetParam().pieces;
  ir::Attributes gather = attributes({{"group", "all"}, {"dim", dim}});
  set_pieces(gather, "", pieces);
  on_ranks(3, [&](int rank, Groups& groups) {
    const HostTensor piece = piece_of(table(), dim, pieces[static_cast<size_t>(rank)]);
    EXPECT_EQ(run("all_gather", gather, piece, groups, table().type()), table());
  });
}

TEST_P(CollectivePieces, ReduceScatterKeepsThePieceOfTheSum) {
  const int64_t dim = GetParam().dim;
  const Pieces& pieces = GetParam().pieces;
  ir::Attributes scatter = attributes({{"group", "all"}, {"dim", dim}, {"reduce", "max"}});
  set_pieces(scatter, "", pieces);
  on_ranks(3, [&](int rank, Groups& groups) {
    // The largest offset is that of rank 2.
    const HostTensor expected = piece_of(table(200), dim, pieces[static_cast<size_t>(rank)]);
    const HostTensor input = table(100.0F * static_cast<float>(rank));
    EXPECT_EQ(run("reduce_scatter", scatter, input, groups, expected.type()), expected);
  });
}

INSTANTIATE_TEST_SUITE_P(Pieces,
                         CollectivePieces,
                         ::testing::Values(PiecesCase{0, {{0, 2}, {2, 4}, {4, 5}}},
                                           PiecesCase{0, {{0, 5}, {5, 5}, {5, 5}}},
                                           PiecesCase{0, {{0, 3}, {2, 4}, {3, 5}}},
                                           PiecesCase{0, {{3, 5}, {0, 3}, {0, 0}}},
                                           PiecesCase{1, {{0, 2}, {2, 4}, {4, 6}}},
                                           PiecesCase{1, {{0, 1}, {1, 6}, {6, 6}}},
                                           PiecesCase{1, {{0, 4}, {2, 6}, {0, 6}}}));

TEST(Collective, AllToAllMovesTheSplitFromOneDimToAnother) {
  const Pieces rows = {{0, 1}, {1, 1}, {1, 5}};
  const Pieces columns = {{0, 3}, {3, 5}, {5, 6}};
  for (const bool is_to_columns : {true, false}) {
    const Pieces& to = is_to_columns ? columns : rows;
    const Pieces& from = is_to_columns ? rows : columns;
    const int64_t dim = is_to_columns ? 1 : 0;
    ir::Attributes move = attributes({{"group", "all"}, {"dim", dim}, {"from_dim", 1 - dim}});
    set_pieces(move, "", to);
    set_pieces(move, "from_", from);
    on_ranks(3, [&](int rank, Groups& groups) {
      const auto index = static_cast<size_t>(rank);
      const HostTensor input = piece_of(table(), 1 - dim, from[index]);
      const HostTensor expected = piece_of(table(), dim, to[index]);
      EXPECT_EQ(run("all_to_all", move, input, groups, expected.type()), expected);
    });
  }
}

TEST(Collective, AllReduceAddsOnEveryRank) {
  const auto sum = attributes({{"group", "all"}, {"reduce", "sum"}});
  on_ranks(3, [&](int rank, Groups& groups) {
    const HostTensor input =
        HostTensor::from_floats({2}, std::vector<float>{1, static_cast<float>(rank)});
    EXPECT_THAT(run("all_reduce", sum, input, groups, input.type()).floats(), ElementsAre(3, 3));
  });
}

TEST(Collective, AllReduceOfOtherElementTypes) {
  const auto sum = attributes({{"group", "all"}, {"reduce", "sum"}});
  on_ranks(2, [&](int rank, Groups& groups) {
    const auto value = static_cast<float>(rank + 1);
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const HostTensor input = HostTensor::from_floats({1}, std::vector<float>{value}, dtype);
      EXPECT_THAT(run("all_reduce", sum, input, groups, input.type()).floats(), ElementsAre(3));
    }
    for (const DType dtype : {DType::kI32, DType::kI64}) {
      const HostTensor input =
          HostTensor::from_integers({1}, std::vector<int64_t>{rank + 1}, dtype);
      EXPECT_THAT(run("all_reduce", sum, input, groups, input.type()).floats(), ElementsAre(3));
    }
  });
}

TEST(Collective, BroadcastGivesWhatTheRootHas) {
  const auto from_one = attributes({{"group", "all"}, {"root", int64_t{1}}});
  on_ranks(3, [&](int rank, Groups& groups) {
    const HostTensor input = table(100.0F * static_cast<float>(rank));
    EXPECT_EQ(run("broadcast", from_one, input, groups, input.type()), table(100));
  });
}

TEST(Collective, SendAndRecvMoveATensor) {
  on_ranks(2, [&](int rank, Groups& groups) {
    if (rank == 0) {
      std::vector<HostTensor> inputs = {table()};
      const auto to = attributes({{"group", "all"}, {"to", int64_t{1}}});
      EXPECT_TRUE(evaluate("send", to, inputs, {.groups = &groups}).empty());
    } else {
      const auto from = attributes({{"group", "all"}, {"from", int64_t{0}}, {"type", "f32[5,6]"}});
      EXPECT_EQ(evaluate("recv", from, {}, {.groups = &groups})[0], table());
    }
  });
}

TEST(Collective, RecvTakesSymbolsFromItsType) {
  const auto from = attributes({{"group", "all"}, {"from", int64_t{0}}, {"type", "bf16[t,6]"}});
  const OpCall call{"recv", from, {}};
  EXPECT_EQ(ir::to_string(infer_types(call)[0]), "bf16[t,6]");
}

std::string bind_error(std::string_view op, const ir::Attributes& attributes, Groups* groups) {
  try {
    std::vector<HostTensor> inputs = {table()};
    static_cast<void>(evaluate(op, attributes, inputs, {.groups = groups}));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Collective, RefusesAProgramWithoutGroups) {
  const auto sum = attributes({{"group", "0,1"}, {"reduce", "sum"}});
  EXPECT_THAT(bind_error("all_reduce", sum, nullptr), HasSubstr("needs group \"0,1\""));
}

TEST(Collective, RefusesAttributesThatDoNotFitTheGroup) {
  on_ranks(1, [&](int /*rank*/, Groups& groups) {
    ir::Attributes gather = attributes({{"group", "all"}, {"dim", int64_t{0}}});
    set_pieces(gather, "", {{0, 2}, {2, 5}});
    EXPECT_THAT(bind_error("all_gather", gather, &groups), HasSubstr("2 pieces for a group of 1"));
    const auto root = attributes({{"group", "all"}, {"root", int64_t{1}}});
    EXPECT_THAT(bind_error("broadcast", root, &groups), HasSubstr("root = 1 in a group of 1"));
    const auto reduce = attributes({{"group", "all"}, {"reduce", "median"}});
    EXPECT_THAT(bind_error("all_reduce", reduce, &groups), HasSubstr("median"));
  });
}

}  // namespace
}  // namespace partita::ops
