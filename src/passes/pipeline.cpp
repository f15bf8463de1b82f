// SPDX-License-Identifier: Apache-2.0
// The table of passes and the loop that runs, times and verifies them.
#include "passes/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "ops/op.h"
#include "support/error.h"

namespace partita::passes {
namespace {

bool has_inferred_types(const ir::Graph& graph) {
  try {
    ops::verify_types(graph);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Types must be what their operators infer, unless they were not before either: programs of ranks
// hold pieces without elements, of which a reshape cannot tell the shape.
void verify_result(const Pass& pass, const ir::Graph& before, const ir::Graph& graph) {
  try {
    ir::verify(graph);
    if (!has_inferred_types(graph) && has_inferred_types(before)) ops::verify_types(graph);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInternal, str("[passes] the pass ", pass.name(),
                                          " made a graph that is not valid: ", error.what(),
                                          "; this is a bug in partita, please report it"));
  }
}

PassReport run_one(const Pass& pass, ir::Graph& graph) {
  const auto start = std::chrono::steady_clock::now();
  ir::Graph next = pass.run(graph);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  verify_result(pass, graph, next);
  PassReport report{std::string(pass.name()), elapsed.count(),
                    static_cast<int64_t>(graph.nodes().size()),
                    static_cast<int64_t>(next.nodes().size())};
  graph = std::move(next);
  return report;
}

std::vector<std::string> names_of(std::span<const Pass* const> passes) {
  std::vector<std::string> names;
  for (const Pass* pass : passes) names.emplace_back(pass->name());
  return names;
}

}  // namespace

std::span<const Pass* const> all_passes() {
  static const std::array<const Pass*, 3> passes = {
      &drop_identity_nodes(), &merge_equal_collectives(), &remove_unused_nodes()};
  return passes;
}

std::span<const Pass* const> rank_passes() {
  static const std::array<const Pass*, 5> passes = {&fuse_add_norm(), &fuse_gated(), &fuse_rope(),
                                                    &quantize_rows_once(), &fuse_quantize_rows()};
  return passes;
}

const Pass& find_pass(std::string_view name) {
  std::string known;
  for (const std::span<const Pass* const> passes : {all_passes(), rank_passes()}) {
    for (const Pass* pass : passes) {
      if (pass->name() == name) return *pass;
      known += str(known.empty() ? "" : ", ", pass->name());
    }
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[passes] unknown pass \"", name, "\"; the passes are: ", known));
}

PipelineResult run_pipeline(const ir::Graph& graph,
                            std::span<const std::string> names,
                            std::span<const std::string> disabled) {
  for (const std::string& name : disabled) (void)find_pass(name);
  PipelineResult result{graph, {}};
  for (const std::string& name : names) {
    const Pass& pass = find_pass(name);
    if (std::find(disabled.begin(), disabled.end(), name) != disabled.end()) continue;
    result.reports.push_back(run_one(pass, result.graph));
  }
  return result;
}

PipelineResult run_standard_pipeline(const ir::Graph& graph,
                                     std::span<const std::string> disabled) {
  return run_pipeline(graph, names_of(all_passes()), disabled);
}

PipelineResult run_rank_pipeline(const ir::Graph& graph, std::span<const std::string> disabled) {
  return run_pipeline(graph, names_of(rank_passes()), disabled);
}

}  // namespace partita::passes
