// SPDX-License-Identifier: Apache-2.0
// Parts on disk: reproducible, complete, loadable alone and at another rank count.
#include "api/partition_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "api/in_process_runner.h"
#include "api/partition_manifest.h"
#include "api/rebuilt_weight.h"
#include "api/step_binding.h"
#include "formats/test_directory.h"
#include "partita/model.h"
#include "partition/test_plan.h"
#include "runtime/checkpoint_reader.h"
#include "support/error.h"
#include "support/json.h"
#include "support/text_file.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kGolden = fs::path(PARTITA_SOURCE_DIR) / "tests" / "golden";

plan::Plan random_plan(const ir::Graph& graph, const std::string& mesh, unsigned seed) {
  std::mt19937 random(seed);
  plan::Plan plan = partition::TestPlanner(graph, partition::one_stage(graph, mesh),
                                           partition::random_strategies(random))
                        .make();
  plan.workload = {.concurrency = 1, .max_context = 32, .max_step_tokens = 16, .block_size = 16};
  return plan;
}

std::map<std::string, std::string> weights_of(const ir::Graph& graph,
                                              const formats::Checkpoint& checkpoint) {
  const runtime::WeightReader read = runtime::read_from(checkpoint);
  std::map<std::string, std::string> weights;
  for (const ir::Value& value : graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    std::string& bytes = weights[value.name];
    bytes.resize(static_cast<size_t>(value.type.bytes()));
    read(value, reinterpret_cast<std::byte*>(bytes.data()));
  }
  return weights;
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_text(entry.path());
  }
  return files;
}

std::vector<float> logits_of(engine::StepRunner& runner) {
  return runner
      .run({.token_ids = {3, 1, 4},
            .positions = {0, 1, 2},
            .sequence_ids = {0, 0, 0},
            .block_tables = {1},
            .sequences = 1,
            .blocks_per_sequence = 1,
            .logit_rows = {0, 2}})
      .logits;
}

class PartitionFiles : public testing::TestWithParam<const char*> {
 protected:
  fs::path source_ = kGolden / GetParam();
  importer::ImportedModel model_ = importer::import_model(source_);
  formats::TestDirectory folder_;
};

// 4 ranks -> 2 ranks -> 1 rank, cut anyhow each time: every weight keeps its bits.
TEST_P(PartitionFiles, RecutPartsKeepEveryBit) {
  const formats::Checkpoint original = formats::Checkpoint::open(source_);
  const auto expected = weights_of(model_.graph, original);
  write_partition(model_, random_plan(model_.graph, "tp=4", 1), original, folder_.path() / "four");
  fs::path from = folder_.path() / "four";
  for (const auto& [mesh, name] :
       {std::pair{"dp=2,tp=2", "grid"}, {"tp=2", "two"}, {"tp=1", "one"}}) {
    const PartitionedModel parts = load_partition(from);
    const formats::Checkpoint checkpoint = open_partition(from, parts.partition.manifest);
    EXPECT_EQ(weights_of(parts.model.graph, checkpoint), expected) << name;
    const fs::path to = folder_.path() / name;
    write_partition(parts.model, random_plan(parts.model.graph, mesh, 2), checkpoint, to);
    from = to;
  }
  const PartitionedModel one = load_partition(from);
  EXPECT_EQ(weights_of(one.model.graph, open_partition(from, one.partition.manifest)), expected);
  // One rank holds the plain weights under their own names.
  const RankPart part = load_rank_part(one.model, one.partition, 0);
  EXPECT_EQ(weights_of(part.program.graph, open_rank_part(from, 0)), expected);
}

TEST_P(PartitionFiles, TheSameInputsGiveTheSameBytes) {
  const plan::Plan plan = random_plan(model_.graph, "tp=3", 5);
  const formats::Checkpoint checkpoint = formats::Checkpoint::open(source_);
  write_partition(model_, plan, checkpoint, folder_.path() / "a");
  write_partition(model_, plan, checkpoint, folder_.path() / "b");
  const auto files = files_of(folder_.path() / "a");
  EXPECT_EQ(files, files_of(folder_.path() / "b"));
  for (const char* name :
       {"partita.json", "model.graph", "rank-0.graph", "rank-2.safetensors", "config.json"}) {
    EXPECT_TRUE(files.contains(name)) << name;
  }
}

// Each rank from its own two files, and the whole again at another rank count: the logits of the
// original.
TEST_P(PartitionFiles, PartsRunAlone) {
  const plan::Plan plan = random_plan(model_.graph, "tp=3", 8);
  const engine::RunnerLimits limits = limits_of(model_.graph, plan);
  const auto original = make_in_process_runner(
      model_.graph, plan, [&](int) { return formats::Checkpoint::open(source_); });
  const std::vector<float> expected = logits_of(*original);
  const fs::path folder = folder_.path() / "parts";
  write_partition(model_, plan, formats::Checkpoint::open(source_), folder);

  const PartitionedModel loaded = load_partition(folder);
  std::vector<RankPart> parts;
  for (int rank = 0; rank < 3; ++rank) {
    parts.push_back(load_rank_part(loaded.model, loaded.partition, rank));
  }
  InProcessRunner alone(std::move(parts), limits,
                        [&](int rank) { return open_rank_part(folder, rank); });
  EXPECT_EQ(logits_of(alone), expected);
  for (const engine::RankReport& report : alone.report()) {
    EXPECT_LE(report.weight_bytes, report.bytes_read);
    EXPECT_LE(report.bytes_read,
              static_cast<int64_t>(fs::file_size(folder / part_name(report.rank))));
  }

  EXPECT_EQ(loaded.model.info.vocab_size, model_.info.vocab_size);
  EXPECT_EQ(loaded.model.info.eos_tokens, model_.info.eos_tokens);
  const auto open = [&](int) { return open_partition(folder, loaded.partition.manifest); };
  EXPECT_EQ(logits_of(*make_in_process_runner(loaded.model.graph, loaded.partition.plan, open)),
            expected);
  const plan::Plan other = random_plan(loaded.model.graph, "tp=2", 3);
  const std::vector<float> again =
      logits_of(*make_in_process_runner(loaded.model.graph, other, open));
  ASSERT_EQ(again.size(), expected.size());
  for (size_t i = 0; i < again.size(); ++i) ASSERT_NEAR(again[i], expected[i], 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Goldens,
                         PartitionFiles,
                         testing::Values("gpt2_25heads", "llama_gqa_tied", "llama_odd"));

class OneModel : public testing::Test {
 protected:
  fs::path source_ = kGolden / "llama_gqa_tied";
  importer::ImportedModel model_ = importer::import_model(source_);
  formats::TestDirectory folder_;
};

TEST_F(OneModel, AFolderThatIsNotEmptyIsRefused) {
  std::ofstream(folder_.path() / "precious.txt") << "mine";
  try {
    write_partition(model_, random_plan(model_.graph, "tp=2", 1),
                    formats::Checkpoint::open(source_), folder_.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("is not empty"));
  }
  EXPECT_FALSE(is_partition(folder_.path()));
}

TEST_F(OneModel, BrokenManifestsAreRefusedByName) {
  const fs::path folder = folder_.path() / "parts";
  write_partition(model_, random_plan(model_.graph, "tp=2", 1), formats::Checkpoint::open(source_),
                  folder);
  ASSERT_TRUE(is_partition(folder));
  const Json good = read_json(folder / kManifestName);
  const auto expect_refused = [&](const std::function<void(Json&)>& edit,
                                  const std::string& message) {
    Json json = good;
    edit(json);
    write_json(folder / kManifestName, json);
    try {
      (void)load_partition(folder);
      FAIL() << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidFile) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  };
  expect_refused([](Json& json) { json["format"] = "other"; }, "format");
  expect_refused([](Json& json) { json["version"] = 2; }, "version 2, expected 1");
  expect_refused([](Json& json) { json.erase("plan"); }, "\"plan\" is missing");
  expect_refused([](Json& json) { json.erase("groups"); }, "\"groups\" is missing");
  expect_refused([](Json& json) { json["ranks"] = Json::array(); }, "ranks must be a list");
  expect_refused(
      [](Json& json) {
        json["ranks"][0]["weights"].begin().value() = {{3, 1}};
      },
      "a range is [3,1]");
  expect_refused([](Json& json) { json["max_sizes"]["t"] = -1; }, "the size of t is -1");
  expect_refused([](Json& json) { json["max_sizes"] = Json::object(); }, "max_sizes is not what");
  expect_refused([](Json& json) { json["max_sizes"]["c"] = 1; }, "max_sizes is not what");
  expect_refused([](Json& json) { json["groups"] = {"0"}; }, "groups is not what");
  expect_refused([](Json& json) { json["ranks"].erase(1); }, "the number of ranks, 1,");
  write_json(folder / kManifestName, good);
  const PartitionedModel loaded = load_partition(folder);
  EXPECT_THROW((void)load_rank_part(loaded.model, loaded.partition, 2), Error);
}

// A norm is on every rank; the copy of the last one counts for that rank alone.
TEST_F(OneModel, CheckLooksAtTheTensorsOfEveryRank) {
  const formats::Checkpoint original = formats::Checkpoint::open(source_);
  const fs::path folder = folder_.path() / "parts";
  write_partition(model_, random_plan(model_.graph, "tp=2", 1), original, folder);
  EXPECT_TRUE(check_checkpoint(folder).errors.empty());
  const fs::path part = folder / part_name(1);
  std::string bytes = read_text(part);
  std::fill(bytes.end() - 4, bytes.end(), '\xff');  // the last value is NaN
  write_text(part, bytes);
  const std::vector<std::string> errors = check_checkpoint(folder).errors;
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_THAT(errors.front(), HasSubstr(part.string()));
  EXPECT_THAT(errors.front(), HasSubstr("1 NaN"));
}

// Kernels trust the program of a rank: it may not be another than its plan gives.
TEST_F(OneModel, EditedProgramsAreRefused) {
  const fs::path folder = folder_.path() / "parts";
  write_partition(model_, random_plan(model_.graph, "tp=2", 1), formats::Checkpoint::open(source_),
                  folder);
  const fs::path program = folder / program_name(0);
  const std::string good = read_text(program);
  const auto expect_refused = [&](const std::string& message) {
    try {
      const PartitionedModel loaded = load_partition(folder);
      (void)load_rank_part(loaded.model, loaded.partition, 0);
      ADD_FAILURE() << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidFile) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  };
  for (const auto& [from, to] :
       {std::pair{"scale = 0", "scale = 1"}, {"] = linear", ",1] = linear"}}) {
    std::string edited = good;
    const size_t at = edited.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    edited.replace(at, std::string(from).size(), to);
    std::ofstream(program) << edited;
    expect_refused("rank-0.graph: the program is not what the plan");
  }
  std::ofstream(program) << good;
  const PartitionedModel loaded = load_partition(folder);
  EXPECT_NO_THROW((void)load_rank_part(loaded.model, loaded.partition, 0));
  Json json = read_json(folder / kManifestName);
  json["ranks"][0]["has_logits"] = false;
  write_json(folder / kManifestName, json);
  expect_refused("what is said of rank 0 is not what the plan");
}

TEST_F(OneModel, APartitionThatFailsLeavesNothingAndCanBeTriedAgain) {
  const plan::Plan plan = random_plan(model_.graph, "tp=2", 1);
  const formats::Checkpoint other = formats::Checkpoint::open(kGolden / "gpt2_tied");
  const fs::path folder = folder_.path() / "parts";
  EXPECT_THROW(write_partition(model_, plan, other, folder), Error);
  EXPECT_FALSE(fs::exists(folder));
  fs::create_directory(folder);
  EXPECT_THROW(write_partition(model_, plan, other, folder), Error);
  EXPECT_TRUE(fs::is_empty(folder));
  write_partition(model_, plan, formats::Checkpoint::open(source_), folder);
  EXPECT_TRUE(is_partition(folder));
}

TEST_F(OneModel, ProgressReachesTheTotalAndWhatItThrowsLeavesNothing) {
  const plan::Plan plan = random_plan(model_.graph, "tp=2", 1);
  const formats::Checkpoint checkpoint = formats::Checkpoint::open(source_);
  const fs::path folder = folder_.path() / "parts";
  int calls = 0;
  EXPECT_THROW(write_partition(model_, plan, checkpoint, folder,
                               [&](int64_t, int64_t) {
                                 // In the second part: a file is there, and one is under way.
                                 const bool is_first_done = fs::exists(folder / part_name(0));
                                 if (is_first_done && ++calls == 2) throw std::runtime_error("no");
                               }),
               std::runtime_error);
  EXPECT_FALSE(fs::exists(folder));
  int64_t last = 0;
  int64_t all = 0;
  write_partition(model_, plan, checkpoint, folder, [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    last = done;
    all = total;
  });
  EXPECT_EQ(last, all);
  EXPECT_GT(all, 0);
}

// Ranges of two pieces that overlap: the first is used whole, of the second what is left.
TEST(RebuiltWeight, OverlapsAreReadOnceAndGapsAreSeen) {
  const std::vector<StoredPiece> rows = {
      {"a", {{0, 3}, {0, 2}}}, {"b", {{2, 5}, {0, 2}}}, {"c", {{5, 5}, {0, 2}}}};
  const auto source = rebuilt_weight({5, 2}, rows);
  ASSERT_TRUE(source);
  EXPECT_EQ(ir::to_string(*source), "concat(0, tensor(\"a\"), slice(tensor(\"b\"), 0, 1, 3))");
  EXPECT_FALSE(rebuilt_weight({6, 2}, rows));
  EXPECT_FALSE(rebuilt_weight({5, 3}, rows));
}

TEST(RebuiltWeight, AGridIsJoinedDimByDim) {
  const std::vector<StoredPiece> grid = {{"a", {{0, 1}, {0, 2}}},
                                         {"b", {{0, 1}, {2, 3}}},
                                         {"c", {{1, 4}, {0, 2}}},
                                         {"d", {{1, 4}, {2, 3}}}};
  EXPECT_EQ(ir::to_string(rebuilt_weight({4, 3}, grid).value()),
            "concat(0, concat(1, tensor(\"a\"), tensor(\"b\")), concat(1, tensor(\"c\"), "
            "tensor(\"d\")))");
}

TEST(RebuiltWeight, ReplicasAreReadFromTheFirstRank) {
  EXPECT_EQ(ir::to_string(rebuilt_weight({4}, {{"a", {{0, 4}}}, {"b", {{0, 4}}}}).value()),
            "tensor(\"a\")");
}

}  // namespace
}  // namespace partita::api
