// SPDX-License-Identifier: Apache-2.0
// --products near-f32: logits beside those of the same weights in f32, on every mesh and from
// parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "api/small_checkpoint.h"
#include "api/small_run.h"
#include "formats/test_directory.h"
#include "partita/partita.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<float> logits_on(const Model& model, const std::string& mesh) {
  return logits_of(model, on_mesh(mesh));
}

using MakeModel = SmallModel (*)();

class NearF32Run : public testing::TestWithParam<MakeModel> {
 protected:
  NearF32Run() { write_small(GetParam()(), checkpoint(), DType::kBF16); }
  fs::path checkpoint() const { return folder_.path() / "model"; }
  Model load(const std::string& products) const {
    return Model::load(checkpoint(), {.dtype = "bf16", .products = products});
  }
  // The same weights, each of which is a bf16 number, and activations of f32.
  std::vector<float> exact() const {
    return logits_on(Model::load(checkpoint(), {.dtype = "f32"}), "tp=1");
  }
  formats::TestDirectory folder_;
};

TEST_P(NearF32Run, LogitsAreFarNearerToThoseOfF32) {
  const std::vector<float> expected = exact();
  const double fast = largest_difference(logits_on(load("fast"), "tp=1"), expected);
  const double near = largest_difference(logits_on(load("near-f32"), "tp=1"), expected);
  EXPECT_GT(fast, 0);
  EXPECT_LT(near, fast / 32);
}

TEST_P(NearF32Run, ShardedEqualsUnsharded) {
  const std::vector<float> expected = exact();
  const double fast = largest_difference(logits_on(load("fast"), "tp=1"), expected);
  const Model model = load("near-f32");
  for (const char* mesh : {"tp=2", "tp=3", "pp=2", "tp=2,pp=2"}) {
    EXPECT_LT(largest_difference(logits_on(model, mesh), expected), fast / 32) << mesh;
  }
}

// What remains is that a number of the cache may be rounded to its other neighbour.
TEST_P(NearF32Run, HoldsBesideACacheOfBf16) {
  const auto logits = [&](const std::string& dtype, const std::string& products) {
    const LoadOptions options = {.dtype = dtype, .products = products, .kv_cache = "bf16"};
    return logits_on(Model::load(checkpoint(), options), "tp=1");
  };
  const std::vector<float> expected = logits("f32", "near-f32");
  const double fast = largest_difference(logits("bf16", "fast"), expected);
  EXPECT_GT(fast, 0);
  EXPECT_LT(largest_difference(logits("bf16", "near-f32"), expected), fast / 4);
}

TEST_P(NearF32Run, PartsKeepTheProducts) {
  const Model model = load("near-f32");
  const fs::path parts = folder_.path() / "parts";
  write_partition(model, Plan::make(model, on_mesh("tp=2")), parts);
  EXPECT_EQ(logits_on(Model::load(parts), "tp=2"), logits_on(model, "tp=2"));
  (void)Model::load(parts, {.products = "near-f32"});
  try {
    (void)Model::load(parts, {.products = "fast"});
    FAIL() << "parts with other products were accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("was partitioned with near-f32 products"));
  }
}

INSTANTIATE_TEST_SUITE_P(Models,
                         NearF32Run,
                         testing::Values(small_llama, small_gpt2, small_mixtral));

TEST(NearF32Options, AreCheckedAndNoted) {
  const formats::TestDirectory folder;
  write_small(small_llama(), folder.path());
  EXPECT_THROW((void)Model::load(folder.path(), {.products = "exact"}), Error);
  const Model f32 = Model::load(folder.path(), {.dtype = "f32", .products = "near-f32"});
  EXPECT_THAT(f32.notes(), HasSubstr("near-f32 products change nothing"));
}

TEST(NearF32Options, APlanHoldsForItsProducts) {
  const formats::TestDirectory folder;
  write_small(small_llama(), folder.path());
  const Model fast = Model::load(folder.path(), {.dtype = "bf16"});
  const Model near = Model::load(folder.path(), {.dtype = "bf16", .products = "near-f32"});
  const Plan plan = Plan::make(near, on_mesh("tp=2"));
  const fs::path file = folder.path() / "plan.json";
  std::ofstream(file) << plan.to_json();
  EXPECT_THROW((void)Plan::read(fast, file), Error);
  EXPECT_EQ(Plan::read(near, file).to_json(), plan.to_json());
}

}  // namespace
}  // namespace partita::api
