// SPDX-License-Identifier: Apache-2.0
// Models of a given shape with random weights, and checkpoints as GGUF files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace partita {

struct ModelShape {
  std::string family = "llama";  // one of makeable_families()
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;      // 0 = heads
  int64_t head_dim = 0;      // 0 = hidden / heads
  int64_t feed_forward = 0;  // 0 = 4 * hidden
  int64_t vocab_size = 32000;
  int64_t max_positions = 2048;
  bool tied = false;  // the head is the embedding
  // Families with experts: how many a layer has (0 = 8), each as wide as feed_forward, and how many
  // a token uses (0 = 2).
  int64_t experts = 0;
  int64_t experts_per_token = 0;
};

struct MakeModelOptions {
  // Of matrices: "f32", "f16", "bf16", and in GGUF files "q8_0", "q4_0" (32 must divide their
  // rows). Norms and biases are f32 in GGUF files.
  std::string dtype = "bf16";
  std::string format = "hf";  // a folder in Hugging Face layout; or "gguf": one file
  uint64_t seed = 1;
  // Called with the bytes of tensors written so far and in all; may be empty.
  std::function<void(int64_t done_bytes, int64_t total_bytes)> on_progress = {};
};

// Families that make_model() knows, sorted.
[[nodiscard]] std::vector<std::string> makeable_families();

// Writes a model with pseudo-random weights and a byte-level tokenizer to `out`, which must not
// exist. The same arguments give the same bytes, and both formats hold the same weights. Streams a
// few MiB at a time; `out` appears when it is complete. Returns the bytes of tensors. Throws
// kInvalidArgument naming the option that is wrong, kSystem when it cannot be written.
int64_t make_model(const ModelShape& shape,
                   const MakeModelOptions& options,
                   const std::filesystem::path& out);

// Writes the Hugging Face checkpoint `from` as the GGUF file `out`, with its tokenizer. Otherwise
// as make_model(); `format` must be "gguf", the seed does not matter. Throws also kUnsupported (a
// model or tokenizer that GGUF cannot express) and what reading checkpoints throws.
int64_t convert_model(const std::filesystem::path& from,
                      const MakeModelOptions& options,
                      const std::filesystem::path& out);

}  // namespace partita
