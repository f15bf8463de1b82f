// SPDX-License-Identifier: Apache-2.0
// Pieces of weights are the slices of the whole weight, and reading them costs exactly their bytes.
#include "runtime/weight_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>
#include <random>

#include "formats/safetensors_writer.h"
#include "formats/test_directory.h"
#include "ir/weight_type.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

using formats::Checkpoint;
using formats::TestDirectory;
using ir::WeightSource;
using testing::HasSubstr;

// Writes DIR/model.safetensors; element i of each tensor is i in the tensor's dtype.
void write_numbers(const TestDirectory& directory,
                   const std::vector<formats::TensorDeclaration>& tensors) {
  formats::SafetensorsWriter writer(directory.path() / "model.safetensors", tensors);
  for (const formats::TensorDeclaration& tensor : tensors) {
    const int64_t count =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
    std::vector<float> values(static_cast<size_t>(count));
    std::iota(values.begin(), values.end(), 0.0F);
    std::vector<std::byte> bytes(static_cast<size_t>(count * size_of(tensor.dtype)));
    if (tensor.dtype == DType::kF64) {
      const std::vector<double> wide(values.begin(), values.end());
      std::memcpy(bytes.data(), wide.data(), bytes.size());
    } else if (tensor.dtype != DType::kU8) {
      convert_from_f32(values.data(), tensor.dtype, bytes.data(), count);
    }
    writer.append(bytes);
  }
  writer.finish();
}

std::vector<float> load(const Checkpoint& checkpoint, const WeightSource& source, DType dtype) {
  ir::TensorType type = type_of(checkpoint, source);
  type.dtype = dtype;
  std::vector<std::byte> bytes(static_cast<size_t>(type.bytes()));
  LoadScratch scratch;
  load_weight(checkpoint, source, type, bytes.data(), scratch);
  std::vector<float> values(static_cast<size_t>(type.elements()));
  convert_to_f32(dtype, bytes.data(), values.data(), type.elements());
  return values;
}

// Rows [a, b) x columns [c, d) of a dense matrix.
std::vector<float> block(const std::vector<float>& matrix,
                         int64_t width,
                         Range rows,
                         Range columns) {
  std::vector<float> result;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t column = columns.begin; column < columns.end; ++column) {
      result.push_back(matrix[static_cast<size_t>(row * width + column)]);
    }
  }
  return result;
}

struct NamedSource {
  std::string text;
  int64_t element_bytes;
};

// Value shapes are 2-D, so that every one can be cut in rows and columns.
const std::vector<NamedSource> kSources = {
    {R"(tensor("f32"))", 4},
    {R"(tensor("f16"))", 2},
    {R"(tensor("bf16"))", 2},
    {R"(tensor("f64"))", 8},
    {R"(transpose(slice(tensor("f32"), 1, 12, 24), [1,0]))", 4},
    {R"(transpose(tensor("bf16"), [1,0]))", 2},
    {R"(concat(0, tensor("f32"), slice(tensor("f32"), 0, 1, 7)))", 4},
    {R"(stack(reshape(tensor("f16"), [144]), reshape(tensor("f16"), [144])))", 2},
    {R"(concat(1, transpose(tensor("f32"), [1,0]), transpose(slice(tensor("f32"), 0, 0, 3), [1,0])))",
     4},
    {R"(reshape(slice(reshape(tensor("f32"), [4,3,3,10]), 1, 1, 2), [12,10]))", 4},
    {R"(transpose(reshape(tensor("bf16"), [9,16]), [1,0]))", 2},
};

TEST(LoadWeight, EveryPieceIsASliceOfTheWholeAndCostsItsOwnBytes) {
  const TestDirectory directory;
  write_numbers(directory, {{"f32", DType::kF32, {10, 36}},
                            {"f16", DType::kF16, {12, 12}},
                            {"bf16", DType::kBF16, {12, 12}},
                            {"f64", DType::kF64, {5, 7}}});
  std::mt19937_64 random(3);
  const auto range_below = [&](int64_t size) {
    const auto begin = static_cast<int64_t>(random() % static_cast<uint64_t>(size));
    return Range{begin,
                 begin + 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(size - begin))};
  };
  for (const auto& [text, element_bytes] : kSources) {
    const WeightSource source = ir::parse_weight_source(text);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Checkpoint checkpoint = Checkpoint::open(directory.path());
      const std::vector<float> whole = load(checkpoint, source, dtype);
      const std::vector<int64_t> shape = type_of(checkpoint, source).shape();
      for (int cut = 0; cut < 20; ++cut) {
        const Range rows = range_below(shape[0]);
        const Range columns = range_below(shape[1]);
        const int64_t before = checkpoint.bytes_read();
        EXPECT_EQ(load(checkpoint, source.slice(0, rows).slice(1, columns), dtype),
                  block(whole, shape[1], rows, columns))
            << text << rows << columns;
        EXPECT_EQ(checkpoint.bytes_read() - before, rows.size() * columns.size() * element_bytes);
      }
    }
  }
}

TEST(LoadWeight, FusedConv1dPartBecomesAPlainWeight) {
  const TestDirectory directory;
  write_numbers(directory, {{"c_attn", DType::kF32, {2, 6}}});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const auto keys = WeightSource::from_tensor("c_attn").slice(1, {2, 4}).transpose({1, 0});
  EXPECT_EQ(load(checkpoint, keys, DType::kF32), (std::vector<float>{2, 8, 3, 9}));
}

TEST(LoadWeight, BatchesLargerThanTheScratchMemoryJoin) {
  const TestDirectory directory;
  write_numbers(directory, {{"w", DType::kF32, {3, 700001}}});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  const std::vector<float> values =
      load(checkpoint, WeightSource::from_tensor("w").transpose({1, 0}), DType::kF32);
  for (int64_t column = 0; column < 700001; column += 997) {
    for (int64_t row = 0; row < 3; ++row) {
      ASSERT_EQ(values[static_cast<size_t>(column * 3 + row)],
                static_cast<float>(row * 700001 + column));
    }
  }
}

TEST(LoadWeight, ScalarsAndEmptyPiecesLoad) {
  const TestDirectory directory;
  write_numbers(directory, {{"one", DType::kF32, {}}, {"w", DType::kF16, {4}}});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_EQ(load(checkpoint, WeightSource::from_tensor("one"), DType::kF32),
            (std::vector<float>{0}));
  EXPECT_TRUE(
      load(checkpoint, WeightSource::from_tensor("w").slice(0, {2, 2}), DType::kBF16).empty());
}

template <typename Action>
std::string message_of(ErrorCode code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(LoadWeight, WrongShapeDtypeOrNameIsNamed) {
  const TestDirectory directory;
  write_numbers(directory, {{"w", DType::kF32, {2, 3}}, {"mask", DType::kU8, {2}}});
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  std::array<float, 8> values{};
  const auto load_as = [&](const std::string& tensor, const std::string& type) {
    LoadScratch scratch;
    load_weight(checkpoint, WeightSource::from_tensor(tensor), ir::parse_type(type), values.data(),
                scratch);
  };
  EXPECT_THAT(message_of(ErrorCode::kInvalidFile, [&] { load_as("w", "f32[3,2]"); }),
              HasSubstr("model.safetensors: tensor(\"w\") gives f32[2,3]; expected f32[3,2]"));
  EXPECT_THAT(message_of(ErrorCode::kUnsupported, [&] { load_as("mask", "f32[2]"); }),
              HasSubstr("tensor mask has dtype u8"));
  EXPECT_THAT(message_of(ErrorCode::kNotFound, [&] { load_as("v", "f32[2]"); }),
              HasSubstr("no tensor v"));
}

}  // namespace
}  // namespace partita::runtime
