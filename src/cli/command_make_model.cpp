// SPDX-License-Identifier: Apache-2.0
// partita make-model: writes models of a given shape, and checkpoints as GGUF files.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/interruption.h"
#include "cli/option_checks.h"
#include "cli/progress_bar.h"
#include "partita/make_model.h"
#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

struct Options {
  ModelShape shape;
  MakeModelOptions make;
  std::string from;
  std::string out;
  bool as_json = false;
};

int run(Options options) {
  ProgressBar bar(!options.as_json, "writing");
  note_signals();
  options.make.on_progress = [&bar](int64_t done, int64_t total) {
    throw_if_interrupted("make-model");
    bar.update(0, done, total);
  };
  const int64_t bytes = options.from.empty()
                            ? make_model(options.shape, options.make, options.out)
                            : convert_model(options.from, options.make, options.out);
  bar.clear();
  if (options.as_json) {
    const Json json = {{"out", options.out}, {"bytes", bytes}};
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("Wrote %s of weights to %s\n", format_bytes(bytes).c_str(), options.out.c_str());
  }
  return 0;
}

void add_shape_options(CLI::App& command, Options& options, CLI::Option& from) {
  ModelShape& shape = options.shape;
  const size_t before = command.get_options().size();
  command.add_option("--family", shape.family, "Family of the model")
      ->check(CLI::IsMember(makeable_families()))
      ->capture_default_str();
  command.add_option("--hidden", shape.hidden, "Width of the residual stream");
  command.add_option("--layers", shape.layers, "Number of layers");
  command.add_option("--heads", shape.heads, "Attention heads");
  command.add_option("--kv-heads", shape.kv_heads, "Heads of keys and values (0 = as heads)");
  command.add_option("--head-dim", shape.head_dim, "Size of a head (0 = hidden / heads)");
  command.add_option("--ffn", shape.feed_forward, "Width of the feed-forward (0 = 4 * hidden)");
  command.add_option("--vocab", shape.vocab_size, "Size of the vocabulary")->capture_default_str();
  command.add_option("--context", shape.max_positions, "Most positions")->capture_default_str();
  command.add_option("--experts", shape.experts,
                     "Families with experts: how many, each as wide as --ffn (0 = 8)");
  command.add_option("--experts-per-token", shape.experts_per_token,
                     "How many of them a token uses (0 = 2)");
  command.add_flag("--tied", shape.tied, "The head is the embedding");
  command.add_option("--seed", options.make.seed, "The same seed gives the same bytes")
      ->check(at_least(0))
      ->capture_default_str();
  const std::vector<CLI::Option*> all = command.get_options();
  for (size_t i = before; i < all.size(); ++i) from.excludes(all[i]);
}

}  // namespace

void add_make_model_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "make-model",
      "Write a model with random weights, or a checkpoint as GGUF.\n\nExamples:\n"
      "  partita make-model --hidden 2048 --layers 16 --heads 32 --kv-heads 8 --ffn 8192 --out "
      "DIR\n"
      "  partita make-model --hidden 768 --layers 12 --heads 12 --vocab 50257 \\\n"
      "    --dtype q8_0 --format gguf --out small.gguf\n"
      "  partita make-model --from DIR --dtype f32 --format gguf --out model.gguf");
  auto* from = command->add_option("--from", options->from,
                                   "Write this Hugging Face checkpoint instead of a random model");
  add_shape_options(*command, *options, *from);
  command
      ->add_option("--dtype", options->make.dtype,
                   "Of matrices: f32, f16, bf16; in GGUF also q8_0, q4_0")
      ->capture_default_str();
  command->add_option("--format", options->make.format, "hf: a folder; gguf: one file")
      ->capture_default_str();
  command->add_option("--out", options->out, "Folder or file to write; must not exist")->required();
  command->add_flag("--json", options->as_json, "Print one JSON object");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
