// SPDX-License-Identifier: Apache-2.0
// Opens GGUF files and finds the parts of split ones.
#include "formats/gguf/file.h"

#include <algorithm>
#include <cstdio>

#include "formats/safetensors_index.h"
#include "support/error.h"

namespace partita::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".gguf";
constexpr int64_t kMaxParts = 99999;  // five digits in the names

// "-00002-of-00003.gguf"
std::string part_suffix(int64_t number, int64_t count) {
  char text[40];
  std::snprintf(text, sizeof(text), "-%05d-of-%05d.gguf", static_cast<int>(number),
                static_cast<int>(count));
  return text;
}

// Whether all are parts of one split model. `files` is sorted.
bool are_parts_of_one(const std::vector<fs::path>& files) {
  const auto count = static_cast<int64_t>(files.size());
  const std::string first = files.front().string();
  const std::string suffix = part_suffix(1, count);
  if (!first.ends_with(suffix)) return false;
  const std::string stem = first.substr(0, first.size() - suffix.size());
  for (int64_t i = 0; i < count; ++i) {
    if (files[static_cast<size_t>(i)].string() != stem + part_suffix(i + 1, count)) return false;
  }
  return true;
}

[[noreturn]] void refuse_part(const fs::path& path, const std::string& problem) {
  throw Error(ErrorCode::kInvalidFile,
              str("[gguf] ", path.string(), ": ", problem, "; download all parts again"));
}

void check_total(const fs::path& first, const std::vector<std::unique_ptr<const GgufFile>>& parts) {
  const auto expected = parts.front()->metadata().integer_if("split.tensors.count");
  int64_t tensors = 0;
  for (const auto& part : parts) tensors += static_cast<int64_t>(part->tensors().size());
  if (expected && *expected != tensors) {
    refuse_part(first, str("split.tensors.count is ", *expected, ", but the parts hold ", tensors));
  }
}

}  // namespace

GgufFile::Opened GgufFile::open(const fs::path& path) {
  auto file = std::make_unique<const InputFile>(path);
  const auto read = [&](int64_t offset, std::span<std::byte> to) { file->read(offset, to); };
  GgufHeader header = parse_gguf_header(read, file->size(), path.string());
  return {std::move(file), std::move(header)};
}

GgufFile::GgufFile(const fs::path& path) : GgufFile(open(path)) {}

GgufFile::GgufFile(Opened opened)
    : TensorFile(
          std::move(opened.file), std::move(opened.header.tensors), opened.header.data_begin),
      metadata_(std::move(opened.header.metadata)) {}

std::optional<fs::path> find_gguf(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    return path.extension() == kExtension ? std::optional(path) : std::nullopt;
  }
  for (const auto& name : {fs::path("config.json"), fs::path(kSafetensorsIndexName),
                           fs::path(kSafetensorsSingleName)}) {
    if (fs::exists(path / name, ignored)) return std::nullopt;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().extension() == kExtension) files.push_back(entry.path());
  }
  if (files.empty()) return std::nullopt;
  std::sort(files.begin(), files.end());
  if (files.size() == 1 || are_parts_of_one(files)) return files.front();
  throw Error(ErrorCode::kInvalidArgument,
              str("[gguf] ", path.string(), " holds ", files.size(), " GGUF files, ",
                  files[0].filename().string(), " and ", files[1].filename().string(),
                  " among them; name the one to use"));
}

std::vector<std::unique_ptr<const GgufFile>> open_gguf_parts(const fs::path& first) {
  std::vector<std::unique_ptr<const GgufFile>> parts;
  parts.push_back(std::make_unique<const GgufFile>(first));
  const int64_t count = parts.front()->metadata().integer_if("split.count").value_or(1);
  if (count <= 1) return parts;
  if (count > kMaxParts) refuse_part(first, str("split.count is ", count));
  const std::string suffix = part_suffix(1, count);
  const std::string name = first.string();
  if (!name.ends_with(suffix) || parts.front()->metadata().integer("split.no") != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[gguf] ", name, " is a part of ", count, "; name the first one, *", suffix));
  }
  const std::string stem = name.substr(0, name.size() - suffix.size());
  for (int64_t number = 2; number <= count; ++number) {
    const fs::path path = stem + part_suffix(number, count);
    parts.push_back(std::make_unique<const GgufFile>(path));
    const GgufMetadata& metadata = parts.back()->metadata();
    if (metadata.integer("split.no") != number - 1 || metadata.integer("split.count") != count) {
      refuse_part(path, "split.no and split.count do not fit its name");
    }
  }
  check_total(first, parts);
  return parts;
}

}  // namespace partita::formats
