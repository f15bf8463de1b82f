// SPDX-License-Identifier: Apache-2.0
// Writes and reads partita.json.
#include "api/partition_manifest.h"

#include <utility>

#include "support/error.h"

namespace partita::api {
namespace {

constexpr std::string_view kFormat = "partita-partition";
constexpr int64_t kVersion = 1;
// A rank count beyond this is a broken file, not a machine.
constexpr size_t kMaxRanks = 65536;

[[noreturn]] void broken(const std::string& what, const std::string& rule) {
  throw Error(ErrorCode::kInvalidFile,
              str("[partition] ", what, ": ", rule, "; cut the model again"));
}

const Json& member(const Json& json, const char* key, const std::string& what) {
  if (!json.is_object() || !json.contains(key))
    broken(what, str("the key \"", key, "\" is missing"));
  return json[key];
}

Json info_to_json(const importer::ModelInfo& info) {
  Json json;
  json["family"] = info.family;
  json["vocab_size"] = info.vocab_size;
  json["max_positions"] = info.max_positions;
  json["layers"] = info.layers;
  json["weight_dtype"] = to_string(info.weight_dtype);
  json["bos_token"] = info.bos_token ? Json(*info.bos_token) : Json(nullptr);
  json["eos_tokens"] = info.eos_tokens;
  return json;
}

importer::ModelInfo info_from_json(const Json& json, const std::string& what) {
  importer::ModelInfo info;
  info.family = json_get<std::string>(json, "family", what);
  info.vocab_size = json_get<int64_t>(json, "vocab_size", what);
  info.max_positions = json_get<int64_t>(json, "max_positions", what);
  info.layers = json_get<int64_t>(json, "layers", what);
  const auto dtype = parse_dtype(json_get<std::string>(json, "weight_dtype", what));
  if (!dtype) broken(what, "weight_dtype is no element type");
  info.weight_dtype = *dtype;
  if (json.contains("bos_token") && !json["bos_token"].is_null()) {
    info.bos_token = static_cast<int32_t>(json_get<int64_t>(json, "bos_token", what));
  }
  for (const Json& token : member(json, "eos_tokens", what)) {
    if (!token.is_number_integer())
      broken(what, str("an eos token is ", token.dump(), ", expected a number"));
    info.eos_tokens.push_back(token.get<int32_t>());
  }
  return info;
}

Json rank_to_json(const RankEntry& rank) {
  Json json;
  json["stage"] = rank.stage;
  json["has_logits"] = rank.has_logits;
  json["weights"] = Json::object();
  for (const partition::WeightPiece& piece : rank.weights) {
    Json& ranges = json["weights"][piece.name] = Json::array();
    for (const Range& range : piece.ranges) ranges.push_back({range.begin, range.end});
  }
  return json;
}

Range range_from_json(const Json& json, const std::string& what) {
  const bool pair = json.is_array() && json.size() == 2 && json[0].is_number_integer() &&
                    json[1].is_number_integer();
  if (!pair) broken(what, str("a range is ", json.dump(), ", expected [begin, end]"));
  const Range range{json[0].get<int64_t>(), json[1].get<int64_t>()};
  if (range.begin < 0 || range.end < range.begin) broken(what, str("a range is ", json.dump()));
  return range;
}

RankEntry rank_from_json(const Json& json, const std::string& what) {
  RankEntry rank;
  rank.stage = static_cast<int>(json_get<int64_t>(json, "stage", what));
  rank.has_logits = json_get<bool>(json, "has_logits", what);
  for (const auto& [name, ranges] : member(json, "weights", what).items()) {
    partition::WeightPiece piece{name, {}};
    for (const Json& range : ranges) piece.ranges.push_back(range_from_json(range, what));
    rank.weights.push_back(std::move(piece));
  }
  return rank;
}

ir::SymbolSizes max_sizes_from_json(const Json& json, const std::string& what) {
  ir::SymbolSizes sizes;
  for (const auto& [symbol, size] : json.items()) {
    if (!size.is_number_integer() || size < 0)
      broken(what, str("the size of ", symbol, " is ", size.dump()));
    sizes[symbol] = size.get<int64_t>();
  }
  return sizes;
}

}  // namespace

std::string part_name(int rank) { return str("rank-", rank, ".safetensors"); }
std::string program_name(int rank) { return str("rank-", rank, ".graph"); }

Json to_json(const PartitionManifest& manifest) {
  Json json;
  json["format"] = kFormat;
  json["version"] = kVersion;
  json["model"] = info_to_json(manifest.info);
  json["groups"] = manifest.groups;
  json["max_sizes"] = Json::object();
  for (const auto& [symbol, size] : manifest.max_sizes) json["max_sizes"][symbol] = size;
  json["ranks"] = Json::array();
  for (const RankEntry& rank : manifest.ranks) json["ranks"].push_back(rank_to_json(rank));
  return json;
}

PartitionManifest manifest_from_json(const Json& json, const std::string& what) {
  if (json_get<std::string>(json, "format", what) != kFormat)
    broken(what, str("format is not ", kFormat));
  const auto version = json_get<int64_t>(json, "version", what);
  if (version != kVersion) broken(what, str("version ", version, ", expected ", kVersion));
  PartitionManifest manifest;
  manifest.info = info_from_json(member(json, "model", what), what);
  for (const Json& group : member(json, "groups", what)) {
    if (!group.is_string()) broken(what, str("a group is ", group.dump(), ", expected a text"));
    manifest.groups.push_back(group.get<std::string>());
  }
  manifest.max_sizes = max_sizes_from_json(member(json, "max_sizes", what), what);
  const Json& ranks = member(json, "ranks", what);
  if (!ranks.is_array() || ranks.empty() || ranks.size() > kMaxRanks)
    broken(what, "ranks must be a list");
  for (const Json& rank : ranks) manifest.ranks.push_back(rank_from_json(rank, what));
  return manifest;
}

}  // namespace partita::api
