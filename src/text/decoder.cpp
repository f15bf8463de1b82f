// SPDX-License-Identifier: Apache-2.0
// The known decoder types, one maker each, and the pipeline that runs their stages.
#include "text/decoder.h"

#include <array>

#include "support/error.h"
#include "text/component.h"
#include "text/decoder_stages.h"
#include "text/pattern.h"

namespace partita::text {
namespace {

using Stages = std::vector<Decoder::StageMaker>;
using Maker = void (*)(const Json&, std::string_view, Stages&);

template <typename Stage>
void add_plain(const Json&, std::string_view, Stages& stages) {
  stages.emplace_back([] { return std::make_unique<Stage>(); });
}

void add_replace(const Json& json, std::string_view what, Stages& stages) {
  const Pattern pattern = Pattern::from_json(json_member(json, "pattern", what), what);
  const auto content = json_get<std::string>(json, "content", what);
  stages.emplace_back(
      [pattern, content] { return std::make_unique<ReplaceStage>(pattern, content); });
}

size_t count_of(const Json& json, std::string_view key, std::string_view what) {
  const auto count = json_get_or<int64_t>(json, key, 0, what);
  if (count < 0) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": '", key, "' of the Strip decoder is ", count,
                    "; expected 0 or more"));
  }
  return static_cast<size_t>(count);
}

void add_strip(const Json& json, std::string_view what, Stages& stages) {
  const std::string character = json_character(json, "content", " ", what);
  const size_t start = count_of(json, "start", what);
  const size_t stop = count_of(json, "stop", what);
  stages.emplace_back([=] { return std::make_unique<StripStage>(character, start, stop); });
}

void add_metaspace(const Json& json, std::string_view what, Stages& stages) {
  const std::string replacement = json_character(json, "replacement", "\xE2\x96\x81", what);
  const bool old_option = json_get_or<bool>(json, "add_prefix_space", true, what);
  const auto scheme =
      json_get_or<std::string>(json, "prepend_scheme", old_option ? "always" : "never", what);
  const bool prepends = scheme != "never";
  stages.emplace_back([=] { return std::make_unique<MetaspaceStage>(replacement, prepends); });
}

void add_sequence(const Json& json, std::string_view what, Stages& stages);

constexpr std::array<NamedMaker<Maker>, 7> kMakers = {
    {{"ByteLevel", add_plain<ByteLevelStage>},
     {"Replace", add_replace},
     {"ByteFallback", add_plain<ByteFallbackStage>},
     {"Fuse", add_plain<FuseStage>},
     {"Strip", add_strip},
     {"Metaspace", add_metaspace},
     {"Sequence", add_sequence}}};

void add_component(const Json& json, std::string_view what, Stages& stages) {
  const auto type = json_get<std::string>(json, "type", what);
  find_maker(kMakers, what, "decoder", type)(json, what, stages);
}

void add_sequence(const Json& json, std::string_view what, Stages& stages) {
  for (const Json& item : json_array(json, "decoders", what)) add_component(item, what, stages);
}

}  // namespace

Decoder Decoder::from_json(const Json& json, std::string_view what) {
  Decoder decoder;
  if (json.is_null()) {
    add_plain<JoinStage>(json, what, decoder.stages_);
  } else {
    add_component(json, what, decoder.stages_);
  }
  return decoder;
}

DecoderStream Decoder::stream() const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  for (const StageMaker& make : stages_) stages.push_back(make());
  return DecoderStream(std::move(stages));
}

std::string DecoderStream::push(std::string_view token) {
  std::vector<Fragment> fragments;
  fragments.push_back({std::string(token)});
  return run(std::move(fragments), false);
}

std::string DecoderStream::finish() { return run({}, true); }

std::string DecoderStream::run(std::vector<Fragment> fragments, bool is_last) {
  for (const auto& stage : stages_) {
    std::vector<Fragment> next;
    for (Fragment& fragment : fragments) stage->push(std::move(fragment), next);
    if (is_last) stage->finish(next);
    fragments = std::move(next);
  }
  std::string text;
  for (const Fragment& fragment : fragments) text += fragment.text;
  return text;
}

}  // namespace partita::text
