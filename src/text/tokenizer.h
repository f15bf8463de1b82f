// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a Hugging Face checkpoint (tokenizer.json): text to token ids and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita::text {

class DecoderStream;
struct TokenizerFile;

// Runs the pipeline of the file: added tokens, normalizer, pre-tokenizer, BPE, post-processor; and
// the decoder backwards. Gives the ids and texts of the reference implementation (which ignores
// `truncation` and `padding` here). Immutable after construction and thread-safe.
//
//   const auto tokenizer = Tokenizer::load("model/tokenizer.json");
//   const std::vector<int32_t> ids = tokenizer->encode("Hello world");
//   const std::string text = tokenizer->decode(ids, /*skip_special_tokens=*/true);
class Tokenizer {
 public:
  // Reads a tokenizer.json of at most 256 MiB. Throws Error(kNotFound), and as parse().
  [[nodiscard]] static std::unique_ptr<const Tokenizer> load(
      const std::filesystem::path& tokenizer_json);

  // Builds from the text of a tokenizer.json; `what` names it in messages. Throws
  // Error(kInvalidFile) when the file breaks its format, Error(kUnsupported) when it uses a
  // component that is not known.
  [[nodiscard]] static std::unique_ptr<const Tokenizer> parse(std::string_view json_text,
                                                              std::string_view what);

  // Builds from parts that were read otherwise; they must say what a tokenizer.json says. Throws as
  // parse().
  [[nodiscard]] static std::unique_ptr<const Tokenizer> from_parts(TokenizerFile parts,
                                                                   std::string_view what);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Token ids of `utf8` (at most 1 GiB; broken UTF-8 becomes U+FFFD first). Added tokens are
  // recognised in the text, special ones too. `add_special_tokens` puts those of the post-processor
  // around (e.g. <s>). Time O(n log n). Throws Error(kInvalidArgument) for a longer text,
  // Error(kUnsupported) when a regular expression of the file hits its limit.
  [[nodiscard]] std::vector<int32_t> encode(std::string_view utf8,
                                            bool add_special_tokens = true) const;

  // The text of `ids`: valid UTF-8, broken byte sequences as U+FFFD. Ids without a token are left
  // out, and special tokens if `skip_special_tokens`. Equal to a Detokenizer fed with the same ids.
  [[nodiscard]] std::string decode(std::span<const int32_t> ids,
                                   bool skip_special_tokens = false) const;

  // Highest token id plus one, added tokens included. There may be gaps below it.
  [[nodiscard]] int32_t vocab_size() const;

  // The id of a token in the spelling of the vocabulary.
  [[nodiscard]] std::optional<int32_t> token_to_id(std::string_view token) const;

  // The spelling of a token; empty for an id without token. Added tokens that are matched in the
  // normalized text come in normalized form, which token_to_id() need not know.
  [[nodiscard]] std::string id_to_token(int32_t id) const;

  // Is `id` an added token marked special?
  [[nodiscard]] bool is_special(int32_t id) const;

  // As id_to_token without the copy; nothing for an id without token. Lives as long as the
  // tokenizer.
  [[nodiscard]] std::optional<std::string_view> token(int32_t id) const;

  // Starts decoding one sequence; feeds on token(). Detokenizer is the comfortable way to use it.
  [[nodiscard]] DecoderStream decoder_stream() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  void encode_normalized(std::string_view text, bool at_start, std::vector<int32_t>& ids) const;

  std::unique_ptr<const Parts> parts_;
};

}  // namespace partita::text
