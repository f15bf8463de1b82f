// SPDX-License-Identifier: Apache-2.0
// Proves all strategies of all operators on given meshes, with several ways to choose the pieces.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"
#include "ops/prove.h"
#include "spec/mesh.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::ops {

// How the pieces of the factors of one call are chosen. Empty function: balanced.
struct PieceChoice {
  std::string name;
  std::function<spec::PiecesOf(const spec::Notation& notation, const spec::Mesh& mesh)> make;
};

// Proves the strategies of one call on one mesh; returns how many.
inline int prove_call(const UncutCall& call,
                      const spec::Mesh& mesh,
                      const PieceChoice& choice,
                      const std::string& what) {
  const spec::Notation notation = call.notation();
  const spec::PiecesOf pieces = choice.make ? choice.make(notation, mesh) : spec::PiecesOf();
  int proved = 0;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh, pieces)) {
    const std::string name = str(what, " ", to_string(strategy, notation, mesh), " on ",
                                 mesh.to_string(), ", ", choice.name, " pieces");
    try {
      const auto wrong = call.disprove(strategy, notation, mesh);
      EXPECT_FALSE(wrong.has_value()) << name << ": " << *wrong;
    } catch (const Error& error) {
      ADD_FAILURE() << name << ": " << error.what();
    }
    ++proved;
  }
  return proved;
}

// Operators that only programs of ranks hold, and whose results are interleaved over all dims.
inline constexpr std::array<std::string_view, 1> kNeverSplit = {"quantize_rows"};

// Every sample of every operator but the collectives; prints and returns the number of proofs.
// Every operator but kNeverSplit must have more than its replicated strategy.
inline int prove_all(std::span<const spec::Mesh> meshes, std::span<const PieceChoice> choices) {
  int total = 0;
  for (const OpDef* op : all_ops()) {
    if (op->is_collective) continue;
    const auto samples = op->samples != nullptr ? op->samples() : std::vector<OpSample>{};
    EXPECT_FALSE(samples.empty()) << op->name << " has no sample";
    int proved = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const UncutCall call(*op, samples[i], 1 + i);
      for (const spec::Mesh& mesh : meshes) {
        for (const PieceChoice& choice : choices) {
          proved += prove_call(call, mesh, choice, str(op->name, " sample ", i));
        }
      }
    }
    const auto only_replicated = static_cast<int>(samples.size() * meshes.size() * choices.size());
    const bool is_never_split = std::ranges::find(kNeverSplit, op->name) != kNeverSplit.end();
    EXPECT_EQ(proved == only_replicated, is_never_split) << op->name << " split or not";
    std::cout << op->name << ": " << samples.size() << " samples, " << proved << " proofs\n";
    total += proved;
  }
  std::cout << total << " proofs of (operator, sample, mesh, strategy, pieces)\n";
  return total;
}

// Pieces that grow along the ranks: the first are empty or small, the last is the largest.
inline PieceChoice growing() {
  return {"growing", [](const spec::Notation& notation, const spec::Mesh& mesh) {
            return [&](int factor, std::span<const int> axes) {
              const spec::Factor& cut = notation.factors[static_cast<size_t>(factor)];
              return growing_pieces(cut.size, mesh.size_of(axes), cut.granularity);
            };
          }};
}

}  // namespace partita::ops
