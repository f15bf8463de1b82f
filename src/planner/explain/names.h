// SPDX-License-Identifier: Apache-2.0
// How explanations and messages name things: dims, factors, layers, paths of collectives, patterns
// of names.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "planner/graph_facts.h"
#include "spec/reshard.h"

namespace partita::planner {

// Names of the dims of a value, {"t", "n"}: symbols where they have one, else as the notation of
// its producer or first reader calls them. Empty names where there are none.
[[nodiscard]] std::vector<std::string> dim_names_of(const GraphFacts& facts, ir::ValueId value);

// Names of the factors of an operator: symbols where they have one ("t" of an elementwise
// operator's d0), else as its notation calls them.
[[nodiscard]] std::vector<std::string> factor_names_of(const GraphFacts& facts, ir::NodeId node);

// "n:tp k:dp" with these names, as spec::to_string() writes strategies.
[[nodiscard]] std::string strategy_text(const GraphFacts& facts,
                                        ir::NodeId node,
                                        const std::vector<int>& axis_factor,
                                        const spec::Mesh& mesh);

// The spec with the names of its dims.
[[nodiscard]] std::string spec_text(const GraphFacts& facts,
                                    ir::ValueId value,
                                    const spec::TensorSpec& spec,
                                    const spec::Mesh& mesh);

// "reduce_scatter(tp) + all_gather(tp)"; "slice" when nothing is sent.
[[nodiscard]] std::string path_text(const spec::ReshardPath& steps, const spec::Mesh& mesh);

// The mesh of one replica, "pp=2,tp=4", or those of its stages where they are unlike,
// "tp=2 | tp=1".
[[nodiscard]] std::string mesh_text_of(const plan::Plan& plan);

// A name with every number between dots replaced: "layers.3.mlp.up" -> "layers.*.mlp.up".
[[nodiscard]] std::string layer_pattern(const std::string& name);

// "0-3, 7" of { 0, 1, 2, 3, 7 }.
[[nodiscard]] std::string ranges_text(const std::set<int32_t>& numbers);

}  // namespace partita::planner
