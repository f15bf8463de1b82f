// SPDX-License-Identifier: Apache-2.0
// Puts the parts of tokenizer.json together.
#include "text/tokenizer.h"

#include <algorithm>

#include "support/error.h"
#include "text/added_tokens.h"
#include "text/component.h"
#include "text/decoder.h"
#include "text/detokenizer.h"
#include "text/model_bpe.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_file.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr size_t kMaxTextBytes = size_t{1}
                                 << 30;  // normal forms may triple it, and ICU counts in int32

// model.type, or what its members tell in files of the time before that key.
std::string model_type_of(const TokenizerFile& file, std::string_view what) {
  const Json& model = json_member(file.root, "model", what);
  if (!model.is_object()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": 'model' is not an object but ", model.type_name(),
                    "; is this a tokenizer.json?"));
  }
  if (!json_member(model, "type", what).is_null())
    return json_get<std::string>(model, "type", what);
  if (file.vocab_is_list) return "Unigram";
  if (file.has_merges) return "BPE";
  return model.contains("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

BpeModel make_model(TokenizerFile& file, std::string_view what) {
  const std::string type = model_type_of(file, what);
  if (type != "BPE") throw_unsupported(what, "model", type, {"BPE"});
  if (!file.has_vocab || file.vocab_is_list || !file.has_merges) {
    throw Error(ErrorCode::kInvalidFile, str("[tokenizer] ", what,
                                             ": a BPE model needs a 'vocab' object and a "
                                             "'merges' array; download the file again"));
  }
  return BpeModel(file, what);
}

}  // namespace

struct Tokenizer::Parts {
  Parts(TokenizerFile& file, std::string_view what)
      : model(make_model(file, what)),
        normalizer(Normalizer::from_json(json_member(file.root, "normalizer", what), what)),
        pre_tokenizer(PreTokenizer::from_json(json_member(file.root, "pre_tokenizer", what), what)),
        added(json_member(file.root, "added_tokens", what), model, normalizer, what),
        id_limit(std::max(model.id_limit(), added.id_limit())),
        post_processor(PostProcessor::from_json(
            json_member(file.root, "post_processor", what), id_limit, what)),
        decoder(Decoder::from_json(json_member(file.root, "decoder", what), what)) {}

  BpeModel model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  AddedTokens added;
  int32_t id_limit;
  PostProcessor post_processor;
  Decoder decoder;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}

Tokenizer::~Tokenizer() = default;

std::unique_ptr<const Tokenizer> Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  return parse(read_text(tokenizer_json), tokenizer_json.string());
}

std::unique_ptr<const Tokenizer> Tokenizer::parse(std::string_view json_text,
                                                  std::string_view what) {
  return from_parts(parse_tokenizer_file(json_text, what), what);
}

std::unique_ptr<const Tokenizer> Tokenizer::from_parts(TokenizerFile file, std::string_view what) {
  return std::unique_ptr<const Tokenizer>(new Tokenizer(std::make_unique<const Parts>(file, what)));
}

std::vector<int32_t> Tokenizer::encode(std::string_view utf8, bool add_special_tokens) const {
  if (utf8.size() > kMaxTextBytes) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[tokenizer] the text has ", utf8.size(), " bytes; at most ", kMaxTextBytes,
                    "; send a shorter text"));
  }
  const std::string text = replace_invalid_utf8(utf8);
  std::vector<int32_t> ids;
  for (const TextPart& part : parts_->added.split_raw(text)) {
    if (part.token_id) {
      ids.push_back(*part.token_id);
      continue;
    }
    const std::string raw = text.substr(part.span.begin, part.span.end - part.span.begin);
    encode_normalized(parts_->normalizer.apply(raw), part.span.begin == 0, ids);
  }
  return parts_->post_processor.apply(std::move(ids), add_special_tokens);
}

void Tokenizer::encode_normalized(std::string_view text,
                                  bool at_start,
                                  std::vector<int32_t>& ids) const {
  for (const TextPart& part : parts_->added.split_normalized(text)) {
    if (part.token_id) {
      ids.push_back(*part.token_id);
      continue;
    }
    Piece segment{std::string(text.substr(part.span.begin, part.span.end - part.span.begin)),
                  at_start && part.span.begin == 0};
    for (const Piece& piece : parts_->pre_tokenizer.apply(std::move(segment))) {
      parts_->model.encode(piece.text, ids);
    }
  }
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  Detokenizer detokenizer(*this, skip_special_tokens);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.push(id);
  return text += detokenizer.finish();
}

int32_t Tokenizer::vocab_size() const { return parts_->id_limit; }

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  if (const AddedToken* added = parts_->added.find(token)) return added->id;
  return parts_->model.token_to_id(token);
}

std::string Tokenizer::id_to_token(int32_t id) const { return std::string(token(id).value_or("")); }

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* added = parts_->added.find(id);
  return added != nullptr && added->special;
}

std::optional<std::string_view> Tokenizer::token(int32_t id) const {
  if (const AddedToken* added = parts_->added.find(id)) return added->spelling;
  return parts_->model.id_to_token(id);
}

DecoderStream Tokenizer::decoder_stream() const { return parts_->decoder.stream(); }

}  // namespace partita::text
