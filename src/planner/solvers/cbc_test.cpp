// SPDX-License-Identifier: Apache-2.0
// The exported texts, read by a reader that is not ours.
#include "planner/solvers/cbc.h"

#include <Cbc_C_Interface.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "planner/solvers/brute_force.h"
#include "planner/solvers/ilp_export.h"
#include "planner/solvers/random_instance.h"
#include "support/error.h"

namespace partita::planner {
namespace {

namespace fs = std::filesystem;

struct TemporaryFile {
  explicit TemporaryFile(const std::string& extension)
      : path(fs::path(testing::TempDir()) / str("partita-ilp-", getpid(), extension)) {}
  ~TemporaryFile() { fs::remove(path); }
  fs::path path;
};

// The optimum of the program in the file; nothing when it is infeasible.
std::optional<int64_t> optimum_of(const fs::path& path) {
  const std::unique_ptr<Cbc_Model, void (*)(Cbc_Model*)> model(Cbc_newModel(), Cbc_deleteModel);
  Cbc_setLogLevel(model.get(), 0);
  const bool is_lp = path.extension() == ".lp";
  const int failures =
      is_lp ? Cbc_readLp(model.get(), path.c_str()) : Cbc_readMps(model.get(), path.c_str());
  EXPECT_EQ(failures, 0);
  Cbc_solve(model.get());
  if (Cbc_isProvenInfeasible(model.get()) != 0) return std::nullopt;
  EXPECT_NE(Cbc_isProvenOptimal(model.get()), 0);
  return std::llround(Cbc_getObjValue(model.get()));
}

TEST(IlpExport, LpAndMpsFilesHaveTheOptimumOfTheProblem) {
  const TemporaryFile lp(".lp");
  const TemporaryFile mps(".mps");
  int feasible = 0;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Problem problem = RandomInstance(seed).draw(
        {.least_variables = 2, .most_variables = 7, .largest_cost = 100, .timed_percent = 50});
    const Solution expected = BruteForceSolver().solve(problem);
    for (const TemporaryFile* file : {&lp, &mps}) {
      export_ilp(problem, file->path);
      const auto found = optimum_of(file->path);
      ASSERT_EQ(found.has_value(), expected.feasible) << "seed " << seed << file->path;
      if (found) {
        EXPECT_EQ(*found, expected.cost) << "seed " << seed << file->path;
      }
    }
    feasible += expected.feasible ? 1 : 0;
  }
  EXPECT_GT(feasible, 20);
}

TEST(IlpExport, RefusesOtherNamesAndPlaces) {
  Problem problem;
  problem.variables.push_back({{5}, {4}});
  EXPECT_THROW(export_ilp(problem, "program.txt"), Error);
  EXPECT_THROW(export_ilp(problem, "/no/such/folder/program.lp"), Error);
}

}  // namespace
}  // namespace partita::planner
