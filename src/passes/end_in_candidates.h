// SPDX-License-Identifier: Apache-2.0
// Lets the program of a rank end in the likeliest tokens, so that logits need not leave the ranks.
#pragma once

#include <cstdint>
#include <string_view>

#include "ir/graph.h"

namespace partita::passes {

// So many candidates per row cover the usual top-k.
inline constexpr int64_t kMostCandidates = 64;

// Candidates per row that a graph gives with this output; 0 for graphs that do not end in f32
// logits [r, vocab_size].
[[nodiscard]] int64_t candidates_of(const ir::Graph& graph);

// The input that end_in_candidates() adds, and its symbol: the rows whose logits are wanted, all of
// 0 .. r-1 or none.
inline constexpr std::string_view kWholeRows = "whole_rows";
inline constexpr std::string_view kWholeRowsSymbol = "w";

// `program` with the outputs logits, values and ids [r, k] of the k = candidates_of(program)
// likeliest tokens of each row, the likelier and of equal ones the lower id first. Where the ranks
// hold pieces of the vocabulary, each takes the best of its piece and only these are exchanged; of
// the logits, which are then the first output [w, vocab_size], the rows `whole_rows`. Else the
// first output stays [r, vocab_size] and there is no new input. A graph without candidates comes
// back as it is. Deterministic; all ranks of a group get the same new collectives.
[[nodiscard]] ir::Graph end_in_candidates(const ir::Graph& program);

}  // namespace partita::passes
