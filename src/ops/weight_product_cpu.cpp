// SPDX-License-Identifier: Apache-2.0
// Products with weight matrices by oneDNN or by own loops, for AVX-512 on the same packed copy.
#include "ops/weight_product.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <dnnl.hpp>
#include <limits>
#include <new>
#include <optional>

#include "device/cpu/instructions.h"
#include "device/cpu/pages.h"
#include "ops/onednn_limit.h"
#include "ops/product/dense_product.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using dnnl::memory;

constexpr std::array<int64_t, 18> kRowBuckets = {
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, kMostProductRows};
constexpr std::align_val_t kAlignment{64};  // a cache line: what oneDNN itself allocates with

size_t bucket_of(int64_t rows) {
  return static_cast<size_t>(std::ranges::lower_bound(kRowBuckets, rows) - kRowBuckets.begin());
}

void check(dnnl_status_t status, std::string_view what) {
  if (status != dnnl_success) {
    throw Error(ErrorCode::kSystem, str("[ops] oneDNN ", what, " failed: status ", status));
  }
}

constexpr int64_t kAnyRows = std::numeric_limits<int64_t>::max();

// The layout of own loops (product/dense_kernels.h) as oneDNN calls it: k x n in its eyes.
memory::desc tiled_layout(int64_t n, int64_t k, memory::data_type type) {
  const bool is_bf16 = type == memory::data_type::bf16;
  return {{k, n}, type, is_bf16 ? memory::format_tag::BA16a64b2a : memory::format_tag::BA16a64b};
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
        own({product.weight, product.n, product.k}),
        type(product.weight == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32),
        plain({product.k, product.n}, type, memory::dims{1, product.k}) {
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  void run_own(const void* x, int64_t rows, const void* data, float* y, Scratch& scratch) const;

  dnnl::matmul::primitive_desc describe(int64_t rows, const memory::desc& layout) const {
    const memory::desc x({rows, shape.k}, type, memory::format_tag::ab);
    const memory::desc y({rows, shape.n}, memory::data_type::f32, memory::dims{shape.y_columns, 1});
    return {dnnl::matmul::desc(x, layout, y), attributes, engine, /*allow_empty=*/true};
  }

  PreparedCall prepare(int64_t rows) const {
    const dnnl::matmul::primitive_desc description = describe(rows, weights);
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
  memory::desc weights;  // the layout in use
  int64_t own_rows = 0;  // up to so many rows are computed by own loops
  std::array<std::optional<PreparedCall>, kRowBuckets.size()> calls;
};

WeightProduct::WeightProduct(const ProductShape& shape) : impl_(std::make_unique<Impl>(shape)) {}
WeightProduct::~WeightProduct() = default;
WeightProduct::WeightProduct(WeightProduct&&) noexcept = default;
WeightProduct& WeightProduct::operator=(WeightProduct&&) noexcept = default;

void WeightProduct::use_plain_weights() {
  impl_->weights = impl_->plain;
  // Below AVX-512 oneDNN has no bf16.
  impl_->own_rows = impl_->describe(1, impl_->plain) ? 0 : kAnyRows;
}

// Below AVX-512 oneDNN keeps f32 as it is, on which its products of few rows are slow (8 rows: 0.2
// of the peak).
void WeightProduct::use_packed_weights(int64_t most_rows) {
  use_tiled_weights();
  if (impl_->own_rows == kAnyRows) return;
  const int64_t rows = padded_rows(std::clamp<int64_t>(most_rows, 1, kMostProductRows));
  const memory::desc any({impl_->shape.k, impl_->shape.n}, impl_->type, memory::format_tag::any);
  const auto description = impl_->describe(rows, any);
  if (!description) return;
  impl_->weights = description.weights_desc();
  impl_->own_rows = is_tiled() ? impl_->own.panel_rows() : 0;
}

void WeightProduct::use_tiled_weights() {
  impl_->weights = tiled_layout(impl_->shape.n, impl_->shape.k, impl_->type);
  const bool has_library = device::usable_instructions() == device::Instructions::kAvx512 &&
                           impl_->describe(1, impl_->weights);
  impl_->own_rows = has_library ? impl_->own.panel_rows() : kAnyRows;
}

void WeightProduct::read_row(const std::byte* packed, int64_t row, float* to) const {
  impl_->own.read_row(packed, row, to);
}

bool WeightProduct::is_tiled() const {
  return impl_->weights == tiled_layout(impl_->shape.n, impl_->shape.k, impl_->type);
}

void WeightProduct::pack_tiles(const void* plain, Range rows, std::byte* packed) {
  static_assert(kTileRows == DenseProduct::kTileRows);
  CHECK(is_tiled() && rows.begin % kTileRows == 0, "whole tiles of a layout of tiles");
  impl_->own.pack(plain, rows, packed);
}

int64_t WeightProduct::packed_bytes() const {
  return static_cast<int64_t>(impl_->weights.get_size());
}

void WeightProduct::pack(const void* plain, void* packed) {
  if (is_tiled()) return pack_tiles(plain, {0, impl_->shape.n}, static_cast<std::byte*>(packed));
  memory from(impl_->plain, impl_->engine, const_cast<void*>(plain));
  memory to(impl_->weights, impl_->engine, packed);
  dnnl::reorder(from, to).execute(impl_->stream, from, to);
  impl_->stream.wait();
}

void WeightProduct::prepare(int64_t rows) {
  const size_t last = bucket_of(std::clamp<int64_t>(rows, 1, kMostProductRows));
  for (size_t bucket = 0; bucket <= last; ++bucket) {
    if (kRowBuckets[bucket] > impl_->own_rows) impl_->call(bucket);
  }
}

void WeightProduct::Impl::run_own(
    const void* x, int64_t rows, const void* data, float* y, Scratch& scratch) const {
  const bool is_plain = weights == plain;
  const int64_t tile_bytes = is_plain ? own.plain_scratch_bytes() : 0;
  std::byte* tiles = scratch.reserve(Scratch::kLibrary, tile_bytes + own.panel_bytes(rows));
  const std::byte* panels = own.make_panels(x, rows, tiles + tile_bytes);
  if (is_plain) {
    own.run_plain(panels, rows, data, tiles, {y, shape.y_columns});
  } else {
    own.run(panels, rows, static_cast<const std::byte*>(data), {y, shape.y_columns});
  }
}

void WeightProduct::run(
    const void* x, int64_t rows, const void* weights, float* y, Scratch& scratch) {
  if (rows <= impl_->own_rows) return impl_->run_own(x, rows, weights, y, scratch);
  PreparedCall& call = impl_->call(bucket_of(rows));
  dnnl::stream& stream = impl_->stream;
  call.x.set_data_handle(const_cast<void*>(x), stream);
  call.weights.set_data_handle(const_cast<void*>(weights), stream);
  call.y.set_data_handle(y, stream);
  call.library_scratch.set_data_handle(scratch.reserve(Scratch::kLibrary, call.scratch_bytes),
                                       stream);
  // The C function, as the C++ one allocates its argument list anew at each call.
  check(dnnl_primitive_execute(call.primitive.get(), stream.get(),
                               static_cast<int>(call.arguments.size()), call.arguments.data()),
        "matmul");
  stream.wait();
}

bool is_product_call(const ir::TensorType& x, const ir::TensorType& weight) {
  return x.dtype == DType::kF32 && (weight.dtype == DType::kF32 || weight.dtype == DType::kBF16) &&
         weight.is_static();
}

int64_t padded_rows(int64_t rows) { return kRowBuckets.at(bucket_of(rows)); }

void AlignedDelete::operator()(std::byte* data) const { ::operator delete(data, kAlignment); }

AlignedBytes aligned_bytes(int64_t bytes) {
  AlignedBytes memory(
      static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kAlignment)));
  device::use_huge_pages(memory.get(), bytes);
  return memory;
}

void copy_product_rows(const ProductRows& rows, DType weight, std::byte* to) {
  const int64_t row_bytes = rows.k * size_of(weight);
  for (int64_t row = 0; row < rows.rows; ++row, to += row_bytes) {
    const float* from = rows.x + (rows.row_ids == nullptr ? row : rows.row_ids[row]) * rows.k;
    if (weight == DType::kBF16) {
      std::transform(from, from + rows.k, reinterpret_cast<BFloat16*>(to),
                     [](float value) { return BFloat16::from_float(value); });
    } else {
      std::memcpy(to, from, static_cast<size_t>(row_bytes));
    }
  }
  std::memset(to, 0, static_cast<size_t>((rows.padded - rows.rows) * row_bytes));
}

}  // namespace partita::ops
