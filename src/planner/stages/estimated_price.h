// SPDX-License-Identifier: Apache-2.0
// Seconds of consecutive nodes as one stage, read off solutions of the whole graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "planner/stages/stage_search.h"
#include "planner/stages/submesh_spaces.h"

namespace partita::planner {

// The solutions a stage's time is read off.
enum class Trust : uint8_t {
  kFastest,  // the fastest ones, where they fit
  kEither,   // else the smallest ones, where they fit
  kAny,      // else those all the same
};

// A weight with several readers: the first and the last of them.
struct SharedWeight {
  std::string name;
  int64_t first = 0;
  int64_t last = 0;
};
// Those whose readers the request wants in one stage; none unless it does.
[[nodiscard]] std::vector<SharedWeight> weights_to_keep_together(const SubmeshSpaces& spaces);

// Borrows the spaces.
class EstimatedPrice : public StagePrice {
 public:
  EstimatedPrice(SubmeshSpaces& spaces, const spec::Mesh& devices, Trust trust);

  // No node that is pinned to another stage than this one.
  void keep_out(std::span<const int> pinned_stage, int stage);

  // Infinite when the nodes do not fit, or may not be a stage.
  [[nodiscard]] double seconds(Range nodes) const override;
  // Of the whole graph, whatever it holds.
  [[nodiscard]] double whole_seconds() const;

 private:
  [[nodiscard]] bool may_be_stage(Range nodes) const;

  const SubmeshSpaces::Estimates& fastest_;
  const SubmeshSpaces::Estimates* smallest_;
  bool is_bounded_;
  int64_t node_count_;
  std::vector<SharedWeight> together_;
  std::vector<int64_t> misplaced_before_;  // per node; empty when no pin names a stage
};

}  // namespace partita::planner
