// SPDX-License-Identifier: Apache-2.0
// Streaming forms of the decoder steps.
#include "text/decoder_stages.h"

#include <algorithm>

#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// The byte that a token such as <0x0A> stands for.
std::optional<char> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  const int high = hex_value(token[3]);
  const int low = hex_value(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

}  // namespace

std::optional<std::string> TokenAssembler::add(Fragment fragment) {
  if (fragment.begins && fragment.ends) return std::move(fragment.text);
  if (fragment.begins) partial_.clear();
  partial_ += fragment.text;
  if (!fragment.ends) return std::nullopt;
  return std::exchange(partial_, {});
}

void ByteLevelStage::push(Fragment fragment, std::vector<Fragment>& out) {
  const auto token = assembler_.add(std::move(fragment));
  if (!token) return;
  const auto bytes = characters_to_bytes(*token);
  pending_ += bytes ? *bytes : *token;
  const size_t certain = pending_.size() - incomplete_utf8_tail(pending_);
  out.push_back(
      {replace_invalid_utf8(std::string_view(pending_).substr(0, certain)), !begun_, false});
  pending_.erase(0, certain);
  begun_ = true;
}

void ByteLevelStage::finish(std::vector<Fragment>& out) {
  out.push_back({replace_invalid_utf8(pending_), !begun_, true});
}

void ByteFallbackStage::push(Fragment fragment, std::vector<Fragment>& out) {
  auto token = assembler_.add(std::move(fragment));
  if (!token) return;
  if (const auto byte = byte_of_token(*token)) {
    run_ += *byte;
    return;
  }
  end_run(out);
  out.push_back({std::move(*token)});
}

void ByteFallbackStage::finish(std::vector<Fragment>& out) { end_run(out); }

void ByteFallbackStage::end_run(std::vector<Fragment>& out) {
  if (run_.empty()) return;
  if (replace_invalid_utf8(run_) == run_) {
    out.push_back({run_});
  } else {
    for (size_t i = 0; i < run_.size(); ++i) out.push_back({std::string(kReplacementUtf8)});
  }
  run_.clear();
}

void ReplaceStage::push(Fragment fragment, std::vector<Fragment>& out) {
  const auto token = assembler_.add(std::move(fragment));
  if (token) out.push_back({pattern_.replace_all(*token, content_)});
}

void FuseStage::push(Fragment fragment, std::vector<Fragment>& out) {
  out.push_back({std::move(fragment.text), !begun_, false});
  begun_ = true;
}

void FuseStage::finish(std::vector<Fragment>& out) { out.push_back({"", !begun_, true}); }

void StripStage::strip_start(std::string& text) {
  while (left_ > 0 && text.starts_with(character_)) {
    text.erase(0, character_.size());
    --left_;
  }
  if (!text.empty()) left_ = 0;
}

// How many bytes at the end of `text` are copies of the character, counting at most stop_ copies.
size_t StripStage::bytes_at_end(std::string_view text) const {
  size_t bytes = 0;
  for (size_t i = 0; i < stop_ && text.substr(0, text.size() - bytes).ends_with(character_); ++i) {
    bytes += character_.size();
  }
  return bytes;
}

void StripStage::push(Fragment fragment, std::vector<Fragment>& out) {
  if (fragment.begins) {
    left_ = start_;
    held_.clear();
  }
  strip_start(fragment.text);
  fragment.text.insert(0, held_);
  const size_t tail = bytes_at_end(fragment.text);
  held_ = fragment.ends ? std::string() : fragment.text.substr(fragment.text.size() - tail);
  fragment.text.resize(fragment.text.size() - tail);
  out.push_back(std::move(fragment));
}

void MetaspaceStage::push(Fragment fragment, std::vector<Fragment>& out) {
  if (fragment.begins) ++tokens_;
  const std::string_view space = prepends_ && tokens_ <= 1 ? "" : " ";
  std::string text;
  for (size_t at = 0; at < fragment.text.size();) {
    const size_t mark = std::min(fragment.text.find(replacement_, at), fragment.text.size());
    text.append(fragment.text, at, mark - at);
    if (mark < fragment.text.size()) text += space;
    at = mark + replacement_.size();
  }
  fragment.text = std::move(text);
  out.push_back(std::move(fragment));
}

void JoinStage::push(Fragment fragment, std::vector<Fragment>& out) {
  if (fragment.begins && begun_) fragment.text.insert(0, 1, ' ');
  begun_ = true;
  out.push_back(std::move(fragment));
}

}  // namespace partita::text
