// SPDX-License-Identifier: Apache-2.0
// The "decoder" part of tokenizer.json: turns tokens back into text, one token at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::text {

// A part of a token on its way through the decoder. Stages that join tokens (ByteLevel, Fuse) make
// one token that begins with the first and ends when the sequence does; its parts pass on as they
// become known.
struct Fragment {
  std::string text;  // whole characters
  bool begins = true;
  bool ends = true;
};

// One step of decoding for one sequence. Holds back what a later token may still change.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;

  // Takes the next fragment and appends what became certain.
  virtual void push(Fragment fragment, std::vector<Fragment>& out) = 0;

  // The sequence is over: appends the rest.
  virtual void finish(std::vector<Fragment>& out) { (void)out; }
};

// Decodes one sequence. Owned by one thread. The cost of a push does not depend on what came
// before, except where a file replaces or strips text after joining all tokens; then the text comes
// with finish().
class DecoderStream {
 public:
  explicit DecoderStream(std::vector<std::unique_ptr<DecoderStage>> stages)
      : stages_(std::move(stages)) {}

  // The text that `token` (the vocabulary's spelling) made certain; whole UTF-8 characters, maybe
  // none.
  [[nodiscard]] std::string push(std::string_view token);

  // The rest of the text. Nothing may be pushed afterwards.
  [[nodiscard]] std::string finish();

 private:
  std::string run(std::vector<Fragment> fragments, bool is_last);

  std::vector<std::unique_ptr<DecoderStage>> stages_;
};

// Immutable and thread-safe. Knows ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and
// Sequence.
class Decoder {
 public:
  // Without decoder (`json` null) tokens are joined by spaces. Throws Error(kUnsupported) for an
  // unknown type, Error(kInvalidFile) for wrong options; both name `what`.
  static Decoder from_json(const Json& json, std::string_view what);

  // Starts a sequence. The stream does not refer to the decoder.
  [[nodiscard]] DecoderStream stream() const;

  using StageMaker = std::function<std::unique_ptr<DecoderStage>()>;

 private:
  std::vector<StageMaker> stages_;
};

}  // namespace partita::text
