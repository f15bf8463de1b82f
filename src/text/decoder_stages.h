// SPDX-License-Identifier: Apache-2.0
// The stages that decoders are made of. Each follows the batch rule of the tokenizer.json format
// exactly.
#pragma once

#include <optional>
#include <string>

#include "text/decoder.h"
#include "text/pattern.h"

namespace partita::text {

// Collects fragments until a token is complete.
class TokenAssembler {
 public:
  // The whole token when `fragment` ends it.
  [[nodiscard]] std::optional<std::string> add(Fragment fragment);

 private:
  std::string partial_;
};

// Tokens become bytes by the byte-level alphabet (a token with any other character stands for its
// own UTF-8); the joined bytes are read as UTF-8, broken parts become U+FFFD.
class ByteLevelStage : public DecoderStage {
 public:
  void push(Fragment fragment, std::vector<Fragment>& out) override;
  void finish(std::vector<Fragment>& out) override;

 private:
  TokenAssembler assembler_;
  std::string pending_;  // an incomplete character
  bool begun_ = false;
};

// A run of tokens <0xNN> becomes the characters of its bytes; if the run as a whole is not UTF-8,
// each of its bytes becomes one U+FFFD. So nothing of a run is certain before its end.
class ByteFallbackStage : public DecoderStage {
 public:
  void push(Fragment fragment, std::vector<Fragment>& out) override;
  void finish(std::vector<Fragment>& out) override;

 private:
  void end_run(std::vector<Fragment>& out);

  TokenAssembler assembler_;
  std::string run_;
};

// Replaces a pattern in each token.
class ReplaceStage : public DecoderStage {
 public:
  ReplaceStage(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void push(Fragment fragment, std::vector<Fragment>& out) override;

 private:
  Pattern pattern_;
  std::string content_;
  TokenAssembler assembler_;
};

// Joins all tokens to one.
class FuseStage : public DecoderStage {
 public:
  void push(Fragment fragment, std::vector<Fragment>& out) override;
  void finish(std::vector<Fragment>& out) override;

 private:
  bool begun_ = false;
};

// Removes up to `start` and `stop` copies of one character from the ends of each token.
class StripStage : public DecoderStage {
 public:
  StripStage(std::string character, size_t start, size_t stop)
      : character_(std::move(character)), start_(start), stop_(stop) {}
  void push(Fragment fragment, std::vector<Fragment>& out) override;

 private:
  void strip_start(std::string& text);
  [[nodiscard]] size_t bytes_at_end(std::string_view text) const;

  std::string character_;
  size_t start_;
  size_t stop_;
  size_t left_ = 0;   // copies that may still go at the start of the current token
  std::string held_;  // copies at its end so far
};

// The replacement character becomes a space; in the first token it goes away unless nothing was
// prepended.
class MetaspaceStage : public DecoderStage {
 public:
  MetaspaceStage(std::string replacement, bool prepends)
      : replacement_(std::move(replacement)), prepends_(prepends) {}
  void push(Fragment fragment, std::vector<Fragment>& out) override;

 private:
  std::string replacement_;
  bool prepends_;
  size_t tokens_ = 0;  // begun so far
};

// What happens without decoder: a space between two tokens.
class JoinStage : public DecoderStage {
 public:
  void push(Fragment fragment, std::vector<Fragment>& out) override;

 private:
  bool begun_ = false;
};

}  // namespace partita::text
