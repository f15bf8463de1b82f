// SPDX-License-Identifier: Apache-2.0
// Index notation: the one declaration of an operator from which shapes, strategies and costs are
// derived.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/reduce_kind.h"

namespace partita::spec {

// What may happen to an index when its factor is split over ranks.
enum class FactorKind : uint8_t {
  kMap,     // tensors that carry it are split, nothing else changes
  kReduce,  // summed (max, min, prod) over: outputs become Partial(kind)
  kGather,  // indexes rows by data: rows held elsewhere give 0, outputs become Partial(sum)
  kWhole,   // never split
};

struct Factor {
  std::string name;  // "t", "h", "k"
  FactorKind kind = FactorKind::kMap;
  ReduceKind reduce = ReduceKind::kSum;  // used by kReduce
  int64_t size = -1;                     // -1 = symbolic: bound at each step, never split by a plan
  int64_t granularity = 1;  // pieces begin at multiples: blocks in which a tensor is stored
  bool operator==(const Factor&) const = default;
};

// One term of a dim index: factor / divide. divide > 1 expresses groups (K[h/r]): a piece [a,b) of
// the factor needs [floor(a/r), ceil(b/r)) of the dim, which may overlap its neighbour's; the
// kernel gets "<name>_phase" = a mod r.
struct IndexTerm {
  int factor = 0;  // index into Notation::factors
  int64_t divide = 1;
  bool operator==(const IndexTerm&) const = default;
};

// Index of one dim: one term, or several for a compound dim "(h e)", major first (only the major
// one can be split). No term = a dim of size 1 that is broadcast.
using DimIndex = std::vector<IndexTerm>;
using TensorIndex = std::vector<DimIndex>;

// Value type: an operator call in index notation with bound factor sizes.
struct Notation {
  std::vector<Factor> factors;
  std::vector<TensorIndex> inputs;
  std::vector<TensorIndex> outputs;
  // Sets of inputs in which the op is jointly linear (f(a+b) = f(a)+f(b) when all of a set are
  // split as sums): if every input of one set is Partial(sum) and the others are whole, all outputs
  // are Partial(sum). {{0,1}} for add, {{0},{1}} for matmul.
  std::vector<std::vector<int>> linear_in;
  bool operator==(const Notation&) const = default;
};

// Parses "y[t,n] += x[t,k] * w[n,k]; map t n; sum k; linear x | w". Tensors left of "=" or "+=" are
// outputs (comma separated), right of it inputs (any of "*", ",", or blanks between them; the names
// are only for reading and for "linear"). A dim is a factor name, "h/r" with r the name of an
// integer in `integers`, "(h e)" or "1". Kinds: map, sum, max, min, prod, gather, whole, each
// followed by factor names. Factors must all get a kind. Sizes are -1 until bind(). Declarations
// stand in the code: bad text is a programmer error (kInternal). Factors are numbered by first
// appearance, outputs first.
struct NamedInteger {
  std::string_view name;
  int64_t value;
};
[[nodiscard]] Notation parse_notation(std::string_view text,
                                      std::span<const NamedInteger> integers = {});

// Fills the factor sizes from the input shapes (-1 = symbolic) and checks that they agree. Compound
// dims need all but one of their factors bound elsewhere or set before. A symbolic size agrees only
// with symbolic sizes. Throws kInvalidArgument naming `op`, the tensor, the dim and both sizes.
// Call it as spec::bind(): the bare name may find std::bind.
void bind(Notation& notation,
          std::span<const std::vector<int64_t>> input_shapes,
          std::string_view op);

// Size of a dim or of some of its terms in a bound notation: the product of their sizes, -1 when
// symbolic, 1 for no term.
[[nodiscard]] int64_t dim_size(const Notation& notation, std::span<const IndexTerm> terms);

// Output shapes of a bound notation (-1 for symbolic dims).
[[nodiscard]] std::vector<std::vector<int64_t>> output_shapes(const Notation& notation);

// Readable text of a notation, e.g. "[t,n] <- [t,k], [n,k]; t,n map; k sum".
[[nodiscard]] std::string to_string(const Notation& notation);

}  // namespace partita::spec
