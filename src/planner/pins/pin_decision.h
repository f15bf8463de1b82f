// SPDX-License-Identifier: Apache-2.0
// The right side of a pin: what shall hold of a tensor or an operator, on any mesh.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/mesh.h"
#include "spec/notation.h"
#include "spec/tensor_spec.h"

namespace partita::planner {

// Stands in specs and strategies for all axes of the mesh of a stage, major first.
inline constexpr std::string_view kAllAxes = "*";

// Axis and what it splits: a factor of the operator's notation, or "partial0", ... .
struct StrategyTerm {
  std::string factor;
  std::string axis;
  bool operator==(const StrategyTerm&) const = default;
};

// Value type.
struct PinDecision {
  enum class Kind : uint8_t { kReplicated, kSpec, kStrategy, kStage };
  Kind kind = Kind::kReplicated;
  std::string text;                 // as written
  std::vector<StrategyTerm> terms;  // kStrategy
  int stage = 0;                    // kStage; kLastStage counts from the end
  std::vector<std::string> axes;    // that the text names, kAllAxes not among them

  bool operator==(const PinDecision&) const = default;

  static constexpr int kLastStage = -1;
};

// "replicated", "stage 1", "stage last", a spec ("[_, n:tp]", "(R, S0)", "[_:*, _]") or a strategy
// ("n:tp k:dp", "n:*"). Throws kInvalidArgument naming `source`, the text and the forms.
[[nodiscard]] PinDecision parse_decision(std::string_view text, std::string_view source);

// The first axis the decision names that the mesh has not; empty = all are there.
[[nodiscard]] std::string_view missing_axis(const PinDecision& decision, const spec::Mesh& mesh);

// A spec wanted of a tensor. Pieces count only where the text gives them; axes of size 1 never do.
class WantedSpec {
 public:
  // kReplicated or kSpec. Throws kInvalidArgument (unknown axis, wrong number of dims, ...).
  WantedSpec(const PinDecision& decision, std::span<const int64_t> shape, const spec::Mesh& mesh);
  [[nodiscard]] bool allows(const spec::TensorSpec& spec) const;
  // With axes written out and those of size 1 left out.
  [[nodiscard]] const spec::TensorSpec& spec() const { return wanted_; }
  // A stored tensor cannot be a term of a sum.
  [[nodiscard]] bool is_partial() const { return !wanted_.partials.empty(); }

 private:
  spec::TensorSpec wanted_;
  bool has_pieces_ = false;
};

// The axis_factor that a kReplicated or kStrategy decision means for an operator (spec/strategy.h).
// `names` = what its factors are called (explain/names.h); the names of the notation are understood
// too. Throws kInvalidArgument naming the factor or axis that is not there.
[[nodiscard]] std::vector<int> wanted_strategy(const PinDecision& decision,
                                               const spec::Notation& notation,
                                               std::span<const std::string> names,
                                               const spec::Mesh& mesh);

}  // namespace partita::planner
