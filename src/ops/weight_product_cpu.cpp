// SPDX-License-Identifier: Apache-2.0
// Products with weight matrices: packed ones by own loops, plain ones by oneDNN where it has them.
#include "ops/weight_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <dnnl.hpp>
#include <new>
#include <optional>

#include "device/cpu/pages.h"
#include "ops/onednn_limit.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using dnnl::memory;

// Rows that oneDNN's products are compiled for: x is padded to the next number, at most a third
// more work.
constexpr std::array<int64_t, 18> kRowBuckets = {
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, kMostProductRows};
constexpr std::align_val_t kAlignment{64};  // a cache line: what oneDNN itself allocates with

size_t bucket_of(int64_t rows) {
  return static_cast<size_t>(std::ranges::lower_bound(kRowBuckets, rows) - kRowBuckets.begin());
}

int64_t padded_rows(int64_t rows) { return kRowBuckets.at(bucket_of(rows)); }

void check(dnnl_status_t status, std::string_view what) {
  if (status != dnnl_success) {
    throw Error(ErrorCode::kSystem, str("[ops] oneDNN ", what, " failed: status ", status));
  }
}

// A call that is ready to run but for the addresses of its data.
struct PreparedCall {
  dnnl::matmul primitive;
  memory x;
  memory weights;
  memory y;
  memory library_scratch;
  int64_t scratch_bytes = 0;
  std::array<dnnl_exec_arg_t, 4> arguments = {};
};

}  // namespace

// The weight w[n,k] is seen as the k x n operand of the product.
struct WeightProduct::Impl {
  explicit Impl(const ProductShape& product)
      : shape(product),
        own({product.weight, product.n, product.k, product.x_is_f32}),
        type(product.weight == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32),
        plain({product.k, product.n}, type, memory::dims{1, product.k}) {
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  void run_own(
      const std::byte* panels, int64_t rows, const void* data, float* y, Scratch& scratch) const;
  void run_library(const std::byte* x, int64_t rows, const void* data, float* y, Scratch& scratch);

  // y is contiguous.
  dnnl::matmul::primitive_desc describe(int64_t rows) const {
    const memory::desc x({rows, shape.k}, type, memory::format_tag::ab);
    const memory::desc y({rows, shape.n}, memory::data_type::f32, memory::format_tag::ab);
    return {dnnl::matmul::desc(x, plain, y), attributes, engine, /*allow_empty=*/true};
  }

  PreparedCall prepare(int64_t rows) const {
    const dnnl::matmul::primitive_desc description = describe(rows);
    CHECK(description, "oneDNN has no matmul of ", rows, " x ", shape.k, " x ", shape.n);
    PreparedCall call;
    call.primitive = dnnl::matmul(description);
    call.x = memory(description.src_desc(), engine, DNNL_MEMORY_NONE);
    call.weights = memory(description.weights_desc(), engine, DNNL_MEMORY_NONE);
    call.y = memory(description.dst_desc(), engine, DNNL_MEMORY_NONE);
    call.library_scratch = memory(description.scratchpad_desc(), engine, DNNL_MEMORY_NONE);
    call.scratch_bytes = static_cast<int64_t>(description.scratchpad_desc().get_size());
    call.arguments = {{{DNNL_ARG_SRC, call.x.get()},
                       {DNNL_ARG_WEIGHTS, call.weights.get()},
                       {DNNL_ARG_DST, call.y.get()},
                       {DNNL_ARG_SCRATCHPAD, call.library_scratch.get()}}};
    return call;
  }

  PreparedCall& call(size_t bucket) {
    std::optional<PreparedCall>& slot = calls[bucket];
    if (!slot) slot = prepare(kRowBuckets[bucket]);
    return *slot;
  }

  OneDnnLimit limit;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::primitive_attr attributes;
  ProductShape shape;
  DenseProduct own;
  memory::data_type type;
  memory::desc plain;
  bool is_packed = false;
  bool is_library = false;  // oneDNN's, with plain weights
  std::array<std::optional<PreparedCall>, kRowBuckets.size()> calls;
};

WeightProduct::WeightProduct(const ProductShape& shape) : impl_(std::make_unique<Impl>(shape)) {}
WeightProduct::~WeightProduct() = default;
WeightProduct::WeightProduct(WeightProduct&&) noexcept = default;
WeightProduct& WeightProduct::operator=(WeightProduct&&) noexcept = default;

void WeightProduct::use_plain_weights() {
  impl_->is_library = !impl_->shape.x_is_f32 && impl_->describe(1);
}

void WeightProduct::use_packed_weights() { impl_->is_packed = true; }

int64_t WeightProduct::packed_bytes() const { return impl_->own.packed_bytes(); }

void WeightProduct::pack(const void* plain, Range rows, std::byte* packed) const {
  static_assert(kTileRows == DenseProduct::kTileRows);
  impl_->own.pack(plain, rows, packed);
}

void WeightProduct::read_row(const std::byte* packed, int64_t row, float* to) const {
  impl_->own.read_row(packed, row, to);
}

void WeightProduct::prepare(int64_t rows) {
  if (!impl_->is_library) return;
  const size_t last = bucket_of(std::clamp<int64_t>(rows, 1, kMostProductRows));
  for (size_t bucket = 0; bucket <= last; ++bucket) impl_->call(bucket);
}

int64_t WeightProduct::input_bytes(int64_t rows) const {
  if (!impl_->is_library) return impl_->own.panel_bytes(rows);
  return padded_rows(rows) * impl_->shape.k * size_of(impl_->shape.weight);
}

void WeightProduct::make_input(const ProductRows& rows, std::byte* input) const {
  if (!impl_->is_library) return impl_->own.make_panels(rows, input);
  const int64_t k = impl_->shape.k;
  const int64_t row_bytes = k * size_of(impl_->shape.weight);
  for (int64_t row = 0; row < rows.rows; ++row, input += row_bytes) {
    const float* from = rows.x + (rows.row_ids == nullptr ? row : rows.row_ids[row]) * k;
    convert_from_f32(from, impl_->shape.weight, input, k);
  }
  std::memset(input, 0, static_cast<size_t>((padded_rows(rows.rows) - rows.rows) * row_bytes));
}

void WeightProduct::Impl::run_own(
    const std::byte* panels, int64_t rows, const void* data, float* y, Scratch& scratch) const {
  const ProductOutput output{y, shape.y_columns};
  if (is_packed) return own.run(panels, rows, static_cast<const std::byte*>(data), output);
  std::byte* tiles = scratch.reserve(Scratch::kLibrary, own.plain_scratch_bytes());
  own.run_plain(panels, rows, data, tiles, output);
}

void WeightProduct::Impl::run_library(
    const std::byte* x, int64_t rows, const void* data, float* y, Scratch& scratch) {
  const int64_t padded = padded_rows(rows);
  PreparedCall& call = this->call(bucket_of(rows));
  const bool is_direct = padded == rows && shape.y_columns == shape.n;
  const int64_t y_bytes = is_direct ? 0 : padded * shape.n * size_of(DType::kF32);
  std::byte* memory = scratch.reserve(Scratch::kLibrary, y_bytes + call.scratch_bytes + 64);
  auto* result = is_direct ? y : reinterpret_cast<float*>(memory);
  call.x.set_data_handle(const_cast<std::byte*>(x), stream);
  call.weights.set_data_handle(const_cast<void*>(data), stream);
  call.y.set_data_handle(result, stream);
  call.library_scratch.set_data_handle(memory + (y_bytes + 63) / 64 * 64, stream);
  // The C function, as the C++ one allocates its argument list anew at each call.
  check(dnnl_primitive_execute(call.primitive.get(), stream.get(),
                               static_cast<int>(call.arguments.size()), call.arguments.data()),
        "matmul");
  stream.wait();
  for (int64_t row = 0; !is_direct && row < rows; ++row) {
    std::copy_n(result + row * shape.n, shape.n, y + row * shape.y_columns);
  }
}

void WeightProduct::run(
    const std::byte* input, int64_t rows, const void* weights, float* y, Scratch& scratch) {
  if (impl_->is_library) return impl_->run_library(input, rows, weights, y, scratch);
  impl_->run_own(input, rows, weights, y, scratch);
}

bool is_product_call(const ir::TensorType& x, const ir::TensorType& weight) {
  return x.dtype == DType::kF32 && (weight.dtype == DType::kF32 || weight.dtype == DType::kBF16) &&
         weight.is_static();
}

void AlignedDelete::operator()(std::byte* data) const { ::operator delete(data, kAlignment); }

AlignedBytes aligned_bytes(int64_t bytes) {
  AlignedBytes memory(
      static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kAlignment)));
  device::use_huge_pages(memory.get(), bytes);
  return memory;
}

}  // namespace partita::ops
