// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Plans of whole models against independent solvers, and what must not change a plan's cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>

#include "importer/importer.h"
#include "planner/planner.h"
#include "planner/solvers/cbc.h"
#include "planner/solvers/ilp_solver.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::planner {
namespace {

namespace fs = std::filesystem;

// Tries the options of one variable after the other, cheapest first, and turns back when what is
// chosen, with the least of everything that is open, is not below the best so far or does not fit.
// Shares nothing with the solvers but the problem.
class EnumeratingSolver : public Solver {
 public:
  [[nodiscard]] Solution solve(const Problem& problem) const override {
    return Enumeration(problem).run();
  }

 private:
  class Enumeration {
   public:
    explicit Enumeration(const Problem& problem)
        : problem_(problem), earlier_(problem.variables.size()), open_(problem.variables.size()) {
      for (const Edge& edge : problem.edges)
        earlier_[static_cast<size_t>(std::max(edge.first, edge.second))].push_back(&edge);
      Value sum;
      for (size_t i = problem.variables.size(); i-- > 0;) {
        open_[i] = sum = {sum.cost + least_of(i), sum.bytes + least_bytes(i)};
      }
      best_.cost = kForbidden;
      best_.solver = "enumeration";
    }

    Solution run() {
      descend({});
      best_.feasible = best_.cost < kForbidden;
      best_.lower_bound = best_.cost;
      return best_;
    }

   private:
    [[nodiscard]] const EdgeTable& table(const Edge& edge) const {
      return problem_.tables[static_cast<size_t>(edge.table)];
    }
    [[nodiscard]] Cost least_of(size_t variable) const {
      const auto& cost = problem_.variables[variable].cost;
      Cost least = *std::min_element(cost.begin(), cost.end());
      for (const Edge* edge : earlier_[variable]) {
        const auto& costs = table(*edge).cost;
        least += *std::min_element(costs.begin(), costs.end());
      }
      return least;
    }
    [[nodiscard]] int64_t least_bytes(size_t variable) const {
      const auto& bytes = problem_.variables[variable].bytes;
      return *std::min_element(bytes.begin(), bytes.end());
    }

    // The cost that an option adds to what is chosen before it.
    [[nodiscard]] Cost added(size_t variable, int option) const {
      Cost cost = problem_.variables[variable].cost[static_cast<size_t>(option)];
      for (const Edge* edge : earlier_[variable]) {
        const bool is_second = edge->second == static_cast<int>(variable);
        const int other = choice_[static_cast<size_t>(is_second ? edge->first : edge->second)];
        cost += is_second ? table(*edge).at(other, option) : table(*edge).at(option, other);
        if (cost >= kForbidden) return kForbidden;
      }
      return cost;
    }

    void descend(Value chosen) {
      const size_t variable = choice_.size();
      if (variable == problem_.variables.size()) {
        best_.choice = choice_;
        best_.cost = chosen.cost;
        best_.bytes = chosen.bytes;
        return;
      }
      std::vector<std::pair<Cost, int>> options;
      for (size_t i = 0; i < problem_.variables[variable].cost.size(); ++i)
        options.emplace_back(added(variable, static_cast<int>(i)), static_cast<int>(i));
      std::sort(options.begin(), options.end());
      const Value open = variable + 1 < open_.size() ? open_[variable + 1] : Value{};
      for (const auto& [cost, option] : options) {
        const int64_t bytes =
            chosen.bytes + problem_.variables[variable].bytes[static_cast<size_t>(option)];
        if (cost >= kForbidden || chosen.cost + cost + open.cost >= best_.cost) return;
        if (problem_.memory_bound && bytes + open.bytes > *problem_.memory_bound) continue;
        choice_.push_back(option);
        descend({chosen.cost + cost, bytes});
        choice_.pop_back();
      }
    }

    const Problem& problem_;
    std::vector<std::vector<const Edge*>> earlier_;  // per variable: edges to variables before it
    std::vector<Value> open_;                        // least cost and bytes from a variable on
    std::vector<int> choice_;
    Solution best_;
  };
};

// Solves every problem of a planning run twice and compares.
class ComparingSolver : public Solver {
 public:
  explicit ComparingSolver(const Solver& reference) : reference_(reference) {}
  [[nodiscard]] Solution solve(const Problem& problem) const override {
    Solution ours = make_solver("exact", 60)->solve(problem);
    const Solution theirs = reference_.solve(problem);
    EXPECT_EQ(ours.feasible, theirs.feasible);
    if (ours.feasible) {
      EXPECT_EQ(ours.cost, theirs.cost);
      EXPECT_EQ(ours.gap(), 0);
    }
    ++problems_;
    last_cost_ = ours.cost;
    return ours;
  }
  [[nodiscard]] int problems() const { return problems_; }
  [[nodiscard]] Cost last_cost() const { return last_cost_; }

 private:
  const Solver& reference_;
  mutable int problems_ = 0;
  mutable Cost last_cost_ = 0;
};

// Solves the same problem with a table of its own for every edge, so that nothing is known of alike
// layers.
class UnsharedSolver : public Solver {
 public:
  [[nodiscard]] Solution solve(const Problem& problem) const override {
    Problem unshared = problem;
    unshared.tables.clear();
    for (Edge& edge : unshared.edges) {
      unshared.tables.push_back(problem.tables[static_cast<size_t>(edge.table)]);
      edge.table = static_cast<int>(unshared.tables.size()) - 1;
    }
    return make_solver("exact", 60)->solve(unshared);
  }
};

// The graph of a config, with another number of layers when one is given.
ir::Graph model(const fs::path& directory, int layers = 0) {
  if (layers == 0) return importer::import_model(directory).graph;
  Json config = read_json(directory / "config.json");
  config[config.contains("n_layer") ? "n_layer" : "num_hidden_layers"] = layers;
  const fs::path copy = fs::path(testing::TempDir()) / str("partita-proofs-", getpid());
  fs::create_directories(copy);
  write_json(copy / "config.json", config);
  ir::Graph graph = importer::import_model(copy).graph;
  fs::remove_all(copy);
  return graph;
}

const fs::path kSource = PARTITA_SOURCE_DIR;
const fs::path kTinyModel = kSource / "models/tiny-tales";
const fs::path kGpt2 = kSource / "tests/data/configs/gpt2";

PlanRequest request_for(const ir::Graph& graph, const std::string& mesh, const Solver& solver) {
  cost::Profile profile = cost::load_profile(kSource / "tests/data/devices/test-cpu.toml");
  return {.graph = graph,
          .mesh = spec::Mesh::parse(mesh),
          .profile = profile,
          .workload = {.max_context = 256, .max_step_tokens = 64},
          .shard_weights = false,
          .solver = &solver};
}

TEST(PlanProofs, CheapestOfAllEnumeratedPlansIsThePlanners) {
  for (const fs::path& directory : {kTinyModel, kGpt2}) {
    const ir::Graph graph = model(directory, 1);
    for (const char* mesh : {"tp=2", "tp=4", "pp=2,tp=2"}) {
      for (const bool shard_weights : {false, true}) {
        SCOPED_TRACE(str(directory, " ", mesh, " ", shard_weights));
        const EnumeratingSolver enumeration;
        const ComparingSolver comparing(enumeration);
        PlanRequest request = request_for(graph, mesh, comparing);
        request.shard_weights = shard_weights;
        ASSERT_TRUE(std::holds_alternative<plan::Plan>(make_plan(request)));
        EXPECT_GE(comparing.problems(), 1);
        EXPECT_GT(comparing.last_cost(), 0);
      }
    }
  }
}

TEST(PlanProofs, WholeModelsCostTheSameByCbc) {
  if (!has_cbc()) GTEST_SKIP() << "built without CBC";
  for (const fs::path& directory : {kTinyModel, kGpt2}) {
    const ir::Graph graph = model(directory);
    for (const char* mesh : {"tp=2", "tp=4", "a=2,b=2", "pp=2,tp=2"}) {
      SCOPED_TRACE(str(directory, " ", mesh));
      const IlpSolver ilp;
      const ComparingSolver comparing(ilp);
      ASSERT_TRUE(
          std::holds_alternative<plan::Plan>(make_plan(request_for(graph, mesh, comparing))));
      EXPECT_GE(comparing.problems(), 1);
    }
  }
}

// Weights of 1.4 MB and a small cache: from too little to enough for everything on every rank.
TEST(PlanProofs, CostNeverRisesWithMemory) {
  const ir::Graph graph = model(kTinyModel);
  const UnsharedSolver unshared;
  Cost before = kForbidden;
  std::set<Cost> costs;
  int infeasible = 0;
  for (int64_t bytes = 400'000; bytes <= 8'000'000; bytes = bytes * 9 / 8) {
    const ComparingSolver comparing(unshared);
    PlanRequest request = request_for(graph, "tp=4", comparing);
    cost::limit_memory(request.profile, bytes);
    if (std::holds_alternative<Infeasible>(make_plan(request))) {
      EXPECT_EQ(before, kForbidden) << "fitted with less than " << bytes << " bytes";
      ++infeasible;
      continue;
    }
    EXPECT_LE(comparing.last_cost(), before) << bytes << " bytes";
    before = comparing.last_cost();
    costs.insert(before);
  }
  EXPECT_GE(infeasible, 1);
  EXPECT_GE(costs.size(), 3U) << "the bound never mattered";
}

TEST(PlanProofs, SharedTablesOfAlikeLayersCostNothing) {
  const ir::Graph graph = model(kTinyModel, 8);
  for (const int64_t bytes : {int64_t{1} << 40, int64_t{2'200'000}}) {
    const UnsharedSolver unshared;
    const ComparingSolver comparing(unshared);
    PlanRequest request = request_for(graph, "tp=4", comparing);
    cost::limit_memory(request.profile, bytes);
    (void)make_plan(request);
    EXPECT_GE(comparing.problems(), 1);
  }
}

// The graph in text form with its statements in another legal order and other names for values.
ir::Graph shuffled(const ir::Graph& graph, uint32_t seed) {
  std::istringstream lines(ir::print_graph(graph));
  std::vector<std::string> open;
  std::string header;
  std::string footer;
  std::getline(lines, header);
  for (std::string line; std::getline(lines, line);) {
    (line.find("return") == 2 || line == "}" ? footer : open.emplace_back()) += line + "\n";
  }
  const std::regex name("%([A-Za-z0-9_.]+)");
  // What a line defines stands before its first " = " or " :"; weights and inputs define one name.
  std::set<std::string> defined_somewhere;
  const auto split = [&](const std::string& line) {
    const size_t equals = line.find(" = ");
    const bool is_node = line.find_first_not_of(' ') == line.find('%');
    const size_t border = is_node ? equals : line.size();
    std::pair<std::set<std::string>, std::set<std::string>> names;  // defined, read
    for (std::sregex_iterator at(line.begin(), line.end(), name), end; at != end; ++at) {
      const bool is_read = static_cast<size_t>(at->position()) > border;
      (is_read ? names.second : names.first).insert(at->str());
    }
    return names;
  };
  std::mt19937 random(seed);
  std::set<std::string> known;
  std::string body;
  while (!open.empty()) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < open.size(); ++i) {
      const auto reads = split(open[i]).second;
      if (std::includes(known.begin(), known.end(), reads.begin(), reads.end())) ready.push_back(i);
    }
    CHECK(!ready.empty(), "no statement can be next");
    const size_t next = ready[random() % ready.size()];
    for (const std::string& defined : split(open[next]).first) known.insert(defined);
    body += open[next];
    open.erase(open.begin() + static_cast<int64_t>(next));
  }
  return ir::parse_graph(header + "\n" + std::regex_replace(body + footer, name, "%z_$1"));
}

TEST(PlanProofs, NamesAndOrderOfTheGraphDoNotMatter) {
  for (const fs::path& directory : {kTinyModel, kGpt2}) {
    const ir::Graph graph = model(directory, 2);
    for (const char* mesh : {"tp=2", "a=2,b=2"}) {
      const UnsharedSolver unshared;
      const ComparingSolver original(unshared);
      (void)make_plan(request_for(graph, mesh, original));
      for (uint32_t seed = 1; seed <= 3; ++seed) {
        const ir::Graph other = shuffled(graph, seed);
        EXPECT_EQ(other.nodes().size(), graph.nodes().size());
        const ComparingSolver changed(unshared);
        (void)make_plan(request_for(other, mesh, changed));
        EXPECT_EQ(changed.last_cost(), original.last_cost()) << directory << mesh << seed;
      }
    }
  }
}

}  // namespace
}  // namespace partita::planner
