// SPDX-License-Identifier: Apache-2.0
// Strategy tables and whole-graph solutions per kind of submesh, shared by all stages and layouts
// of a search.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planner/planner.h"
#include "planner/stage_plan.h"
#include "planner/stages/range_bytes.h"

namespace partita::planner {

// What consecutive nodes would take as one stage, added up from the solution of the whole graph on
// one kind of submesh.
class StageEstimate {
 public:
  StageEstimate(PlanSpace& space, const StagePlan& whole);

  // Seconds of one request.
  [[nodiscard]] double seconds(Range nodes) const {
    return seconds_before_[static_cast<size_t>(nodes.end)] -
           seconds_before_[static_cast<size_t>(nodes.begin)];
  }
  // Weights and caches on the fullest rank, a value that several of the nodes read counted once.
  [[nodiscard]] int64_t bytes(Range nodes) const { return bytes_.of(nodes); }
  [[nodiscard]] bool fits(Range nodes) const {
    return bytes(nodes) + received_bytes(nodes) <= free_bytes_;
  }

 private:
  // A weight that the first stage which reads it sends to later ones.
  struct SentWeight {
    int64_t owner = 0;                  // its first reader
    std::vector<int64_t> readers = {};  // the others
    int64_t bytes_beside = 0;  // that the largest activations at other times have no room for
  };
  [[nodiscard]] int64_t received_bytes(Range nodes) const;

  std::vector<double> seconds_before_;  // sums over the nodes before each
  RangeBytes bytes_;
  std::vector<SentWeight> sent_;
  int64_t free_bytes_ = 0;
};

// Borrows all arguments. Thread-compatible.
class SubmeshSpaces {
 public:
  // `profile` as in plan_pipeline().
  SubmeshSpaces(const GraphFacts& facts,
                const PlanRequest& request,
                const cost::Profile& profile,
                int64_t replicas);

  [[nodiscard]] const GraphFacts& facts() const { return facts_; }
  [[nodiscard]] const PlanRequest& request() const { return request_; }
  [[nodiscard]] const cost::Profile& profile() const { return profile_; }
  [[nodiscard]] const Phases& phases() const { return phases_; }

  // The spaces of a stage on these devices: one, or where they are unlike one for each way to
  // share. Submeshes of equal axes, links and devices have the same ones.
  [[nodiscard]] std::vector<PlanSpace*> spaces_of(const spec::Mesh& devices);
  // The exact solution of consecutive nodes as one stage on these devices, within their memory or
  // whatever it holds: the best of all spaces. Throws kInvalidArgument naming the pins that leave
  // none.
  [[nodiscard]] StagePlan decide(const spec::Mesh& devices, Range nodes, bool is_bounded);
  // The fastest solution of the whole graph, whatever it holds, and one that fits or, failing
  // that, is the smallest; per space with any.
  using Estimates = std::vector<std::unique_ptr<const StageEstimate>>;
  [[nodiscard]] const Estimates& fastest(const spec::Mesh& devices);
  [[nodiscard]] const Estimates& smallest(const spec::Mesh& devices);

 private:
  struct Entry {
    spec::Mesh mesh;
    cost::Profile profile;
    std::vector<DeviceGroup> groups;  // in step with `spaces`
    std::vector<std::unique_ptr<PlanSpace>> spaces;
    Estimates fastest;
    Estimates smallest;
  };
  Entry& entry_of(const spec::Mesh& devices);
  [[nodiscard]] std::optional<StagePlan> solve(PlanSpace& space, Range nodes, bool is_bounded);
  [[noreturn]] void throw_no_choice(const Entry& entry, Range nodes) const;
  [[nodiscard]] Estimates estimate(Entry& entry, bool is_bounded);

  const GraphFacts& facts_;
  const PlanRequest& request_;
  cost::Profile profile_;  // as the wire of the request prices it
  Phases phases_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
};

}  // namespace partita::planner
