// SPDX-License-Identifier: Apache-2.0
// A checkpoint: its graph and tokenizer, without its weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

struct LoadOptions {
  // How weights are stored at run time: "auto" (bf16 for bf16 checkpoints, else f32), "f32",
  // "bf16", "q8" or "q4" (also "q8_0", "q4_0"): the large matrices in blocks of 32 values of 8 or 4
  // bits with a scale, quantised while they are read. Matrices of which 32 does not divide the rows
  // are bf16 then (see Model::notes()); norms and biases keep their precision.
  std::string dtype = "auto";

  // How activations meet bf16 weights and KV caches: "fast" rounds them to bf16; "near-f32" takes
  // them as they are (but for 2^-17), which costs more arithmetic and no more reading of weights.
  // "auto" is as the partition was cut, else fast. Other types know no difference.
  std::string products = "auto";

  // Element type of the KV cache: "f32", "bf16" or "f16"; keys and values are rounded to the
  // nearest when they are written (f16 holds at most 65504, which larger ones become). "auto" is
  // as the partition was cut, else by the weights: f32 for f32, bf16 for bf16 (f32 with near-f32
  // products, which would be for nothing otherwise), f16 for those in blocks.
  std::string kv_cache = "auto";
};

// What a checkpoint check has found.
struct CheckReport {
  int64_t tensors = 0;
  int64_t bytes = 0;
  std::vector<std::string> errors;  // empty = the checkpoint can be run
  std::vector<std::string> notes;   // e.g. tensors that the model does not use
};

// Reads config.json and tokenizer.json, or the head of a GGUF file; costs milliseconds for any
// size. Immutable, cheap to copy, thread-safe.
class Model {
 public:
  // `path`: a Hugging Face checkpoint directory, a GGUF file (or the folder that holds just it), or
  // what write_partition() has written. The tokenizer may be absent (planning needs none). Throws
  // kNotFound, kInvalidFile, kUnsupported (unknown family: lists the known ones).
  [[nodiscard]] static Model load(const std::filesystem::path& path,
                                  const LoadOptions& options = {});

  [[nodiscard]] const std::string& family() const;    // "llama", "gpt2", ...
  [[nodiscard]] const std::string& dtype() const;     // "f32", "bf16", "q8_0" or "q4_0"
  [[nodiscard]] const std::string& kv_cache() const;  // "f32", "bf16" or "f16"
  [[nodiscard]] int64_t vocab_size() const;
  [[nodiscard]] int64_t layers() const;
  [[nodiscard]] int64_t max_positions() const;
  [[nodiscard]] int64_t weight_bytes() const;  // at run time, unsharded, tied weights once
  [[nodiscard]] const std::filesystem::path& directory() const;  // or GGUF file
  // What the user should know about how it was loaded: weights that are not quantised. Lines.
  [[nodiscard]] const std::string& notes() const;

  // Tokens of a text, with the special tokens the tokenizer adds. Throws kNotFound without
  // tokenizer.json.
  [[nodiscard]] std::vector<int32_t> encode(std::string_view text) const;
  [[nodiscard]] std::string decode(std::span<const int32_t> tokens) const;

  // The graph in text form (docs/formats/graph.md).
  [[nodiscard]] std::string dump_graph() const;

  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;  // shared: copies of a Model are the same immutable data
};

// Verifies a checkpoint or a partition without running it: headers, names, shapes, and every weight
// for NaN and infinity. Problems are listed in the report; only a path that cannot be read at all
// throws.
[[nodiscard]] CheckReport check_checkpoint(const std::filesystem::path& path);

}  // namespace partita
