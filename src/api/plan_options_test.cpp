// SPDX-License-Identifier: Apache-2.0
// Planning options that cannot be, and those that a plan which stays would ignore.
#include "api/plan_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/own_plan.h"
#include "formats/test_directory.h"
#include "partita/error.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kSource = PARTITA_SOURCE_DIR;
const fs::path kDevices = kSource / "tests/data/devices/test-cpu.toml";

template <typename Check>
std::string refusal_of(const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

using Change = std::function<void(PlanOptions&)>;

PlanOptions with(const Change& change) {
  PlanOptions options;
  change(options);
  return options;
}

class PlanOptionsTest : public testing::Test {
 protected:
  std::string refusal(const Change& change) {
    return refusal_of([&] { check_plan_options(model_, with(change)); });
  }

  const Model model_ = Model::load(kSource / "models/tiny-tales");
};

using O = PlanOptions;

TEST_F(PlanOptionsTest, RefusalsNameTheOptionAndWhatIsExpected) {
  const std::vector<std::pair<Change, std::string>> rows = {
      {[](O& o) { o.prompt_tokens = 600; }, "prompt_tokens is 600 in a context of 512"},
      {[](O& o) { o.output_tokens = 100, o.max_context = 100; }, "expected 1 .. 99"},
      {[](O& o) { o.prompt_tokens = o.output_tokens = 60, o.max_context = 100; },
       "expected 100 together"},
      {[](O& o) { o.max_context = -5; }, "max_context is -5; expected 2 .. 512, or 0"},
      {[](O& o) { o.mesh = "pp=9000"; }, "has 9000 stages; the model has"},
      {[](O& o) { o.mesh = "tp=2", o.split_at = {"layers.1"}; },
       "1 split point makes 2 stages, but mesh tp=2 makes 1"},
      {[](O& o) {
         o.mesh = "pp=2", o.split_at = {"layers.1", "layers.2"};
       },
       "2 split points make 3 stages"},
      {[](O& o) { o.ranks = 1, o.split_at = {"layers.1"}; }, "but ranks 1 makes 1"},
      {[](O& o) { o.mesh = "tp=2", o.memory_weight = 0.5; }, "memory_weight balances stages"},
      {[](O& o) { o.memory_weight = 0.5; }, "memory_weight balances stages"},
      {[](O& o) { o.mesh = "pp=2", o.solver = "guess"; }, "expected exact or ilp"},
      {[](O& o) { o.ranks = 2, o.optimize = "speed"; }, "speed"},
  };
  for (const auto& [change, message] : rows) EXPECT_THAT(refusal(change), HasSubstr(message));
}

TEST_F(PlanOptionsTest, DefaultsGiveWayToAShortContextAndStagesMayBeTheSearchs) {
  EXPECT_EQ(refusal([](O& o) { o.max_context = 8; }), "accepted");
  EXPECT_EQ(workload_of(model_, with([](O& o) { o.max_context = 8; })).prompt_tokens, 1);
  EXPECT_EQ(refusal([](O& o) { o.prompt_tokens = o.output_tokens = 50, o.max_context = 100; }),
            "accepted");
  EXPECT_EQ(refusal([](O& o) { o.ranks = 4, o.memory_weight = 0.5; }), "accepted");
  EXPECT_EQ(refusal([](O& o) { o.devices = kDevices, o.split = "equal-size"; }), "accepted");
  EXPECT_EQ(refusal([](O& o) { o.split_at = {"layers.1"}; }), "accepted");
}

TEST_F(PlanOptionsTest, APartitionKeepsItsPlanUntilAnotherCutIsAskedFor) {
  const formats::TestDirectory folder;
  const Plan cut = Plan::make(model_, {.mesh = "tp=2", .devices = kDevices});
  write_partition(model_, cut, folder.path() / "parts");
  const Model parts = Model::load(folder.path() / "parts");
  EXPECT_TRUE(keeps_own_plan(parts, with([](O& o) { o.max_context = 100; })));
  EXPECT_FALSE(keeps_own_plan(model_, {}));
  const std::vector<Change> cuts = {
      [](O& o) { o.mesh = "tp=3"; },  [](O& o) { o.ranks = 2; },
      [](O& o) { o.wire = "bf16"; },  [](O& o) { o.split_at = {"layers.1"}; },
      [](O& o) { o.pins = {"a=b"}; }, [](O& o) { o.optimize = "latency"; }};
  for (const Change& other : cuts) EXPECT_FALSE(keeps_own_plan(parts, with(other)));
  EXPECT_EQ(Plan::make(parts).ranks(), 2);
  const PlanOptions ignored = with([](O& o) { o.max_context = 100, o.solver = "ilp"; });
  EXPECT_THAT(refusal_of([&] { (void)Plan::make(parts, ignored); }),
              HasSubstr("no effect: max_context, solver; drop them"));
}

}  // namespace
}  // namespace partita::api
