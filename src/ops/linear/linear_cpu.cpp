// SPDX-License-Identifier: Apache-2.0
// linear on the CPU: oneDNN with packed weights, and a plain reference.
#include <algorithm>
#include <array>
#include <cstring>
#include <dnnl.hpp>
#include <optional>
#include <vector>

#include "device/cpu/pages.h"
#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

using dnnl::memory;

// Rows of x that one primitive is made for. A new shape costs 0.1 to 0.4 ms of code generation, so
// only these row counts exist: x is padded to the next one (at most a third more work), and longer
// inputs go in runs of the largest.
constexpr std::array<int64_t, 18> kRowBuckets = {1,  2,  3,  4,  6,   8,   12,  16,  24,
                                                 32, 48, 64, 96, 128, 192, 256, 384, 512};
constexpr int64_t kMostRows = kRowBuckets.back();

size_t bucket_of(int64_t rows) {
  return static_cast<size_t>(std::ranges::lower_bound(kRowBuckets, rows) - kRowBuckets.begin());
}

void check(dnnl_status_t status, std::string_view what) {
  if (status != dnnl_success) {
    throw Error(ErrorCode::kSystem, str("[ops] linear: oneDNN ", what, " failed: status ", status));
  }
}

// A call that is ready to run but for the addresses of its data.
struct PreparedCall {
  dnnl::matmul primitive;
  memory x;
  memory y;
  memory library_scratch;
  int64_t scratch_bytes = 0;
  std::array<dnnl_exec_arg_t, 4> arguments = {};
};

// A block of rows of the weight: w[n,k], seen as the k x n operand of the product, and the columns
// of y that it gives. y has `y_columns` columns in all.
class Prepared {
 public:
  Prepared(DType weight_dtype, int64_t n, int64_t k, int64_t y_columns)
      : type_(weight_dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32),
        n_(n),
        k_(k),
        y_columns_(y_columns),
        plain_({k, n}, type_, memory::dims{1, k}) {
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  // False when this processor has no such kernel (bf16 without AVX-512): then the reference takes
  // over.
  bool is_supported() const { return static_cast<bool>(describe(1, plain_)); }

  void use_plain_weights() { weights_ = memory(plain_, engine_, DNNL_MEMORY_NONE); }
  void set_plain_weights(const void* data) { weights_.set_data_handle(const_cast<void*>(data)); }

  // Copies the weights into the layout that oneDNN likes best for up to `most_rows` rows. One copy
  // serves all row counts.
  void pack_weights(const void* data, int64_t most_rows) {
    const int64_t rows = kRowBuckets[bucket_of(std::clamp<int64_t>(most_rows, 1, kMostRows))];
    const memory::desc any({k_, n_}, type_, memory::format_tag::any);
    const memory::desc packed = describe(rows, any).weights_desc();
    memory source(plain_, engine_, const_cast<void*>(data));
    weights_ = memory(packed, engine_);
    dnnl::reorder(source, weights_).execute(stream_, source, weights_);
    stream_.wait();
  }

  // Made on first use: see kRowBuckets.
  PreparedCall& call(size_t bucket) {
    std::optional<PreparedCall>& slot = calls_[bucket];
    if (!slot) slot = prepare(kRowBuckets[bucket]);
    return *slot;
  }

  void run(PreparedCall& call, const void* x, float* y, void* scratch) {
    call.x.set_data_handle(const_cast<void*>(x), stream_);
    call.y.set_data_handle(y, stream_);
    call.library_scratch.set_data_handle(scratch, stream_);
    // The C function, as the C++ one allocates its argument list anew at each call.
    check(dnnl_primitive_execute(call.primitive.get(), stream_.get(),
                                 static_cast<int>(call.arguments.size()), call.arguments.data()),
          "execute");
    stream_.wait();
  }

 private:
  dnnl::matmul::primitive_desc describe(int64_t rows, const memory::desc& weights) const {
    const memory::desc x({rows, k_}, type_, memory::format_tag::ab);
    const memory::desc y({rows, n_}, memory::data_type::f32, memory::dims{y_columns_, 1});
    return {dnnl::matmul::desc(x, weights, y), attributes_, engine_, /*allow_empty=*/true};
  }

  PreparedCall prepare(int64_t rows) const {
    const dnnl::matmul::primitive_desc description = describe(rows, weights_.get_desc());
    CHECK(description, "oneDNN has no matmul of ", rows, " x ", k_, " x ", n_);
    PreparedCall call;
    call.primitive = dnnl::matmul(description);
    call.x = memory(description.src_desc(), engine_, DNNL_MEMORY_NONE);
    call.y = memory(description.dst_desc(), engine_, DNNL_MEMORY_NONE);
    call.library_scratch = memory(description.scratchpad_desc(), engine_, DNNL_MEMORY_NONE);
    call.scratch_bytes = static_cast<int64_t>(description.scratchpad_desc().get_size());
    call.arguments = {{{DNNL_ARG_SRC, call.x.get()},
                       {DNNL_ARG_WEIGHTS, weights_.get()},
                       {DNNL_ARG_DST, call.y.get()},
                       {DNNL_ARG_SCRATCHPAD, call.library_scratch.get()}}};
    return call;
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive_attr attributes_;
  memory::data_type type_;
  int64_t n_;
  int64_t k_;
  int64_t y_columns_;
  memory::desc plain_;
  memory weights_;
  std::array<std::optional<PreparedCall>, kRowBuckets.size()> calls_;
};

// While a block is packed, the plain and the packed copy of it both take memory; the plain copy of
// each finished block is given back at once. 32 MiB keep that small and a product of one row still
// streams for a millisecond.
constexpr int64_t kPackedBlockBytes = int64_t{32} << 20;
constexpr int64_t kBlockRowMultiple = 64;  // whole tiles of oneDNN's layouts

int64_t rows_per_block(int64_t n, int64_t row_bytes) {
  const int64_t rows =
      kPackedBlockBytes / std::max<int64_t>(row_bytes, 1) / kBlockRowMultiple * kBlockRowMultiple;
  return std::clamp<int64_t>(rows, std::min(n, kBlockRowMultiple), n);
}

// x[rows, k] f32 times w[n, k] f32 or bf16 gives y[rows, n] f32; accumulation in f32. Packed
// weights come in blocks of rows, plain ones in one block.
class OneDnnLinear final : public BoundKernel {
 public:
  struct Block {
    std::unique_ptr<Prepared> prepared;
    int64_t first_row = 0;
  };

  OneDnnLinear(const BindArgs& args, std::vector<Block> blocks, bool is_packed)
      : blocks_(std::move(blocks)), scratch_(args), is_packed_(is_packed) {
    is_bf16_ = args.inputs[1].dtype == DType::kBF16;
  }

  void run(Views inputs, Views outputs) override {
    const TensorView& x = inputs[0];
    const int64_t n = inputs[1].shape[0];
    const int64_t k = inputs[1].shape[1];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - 1);
    auto* y = outputs[0].as<float>();
    if (rows == 0 || n == 0) return;
    if (k == 0) {
      std::fill_n(y, rows * n, 0.0F);
      return;
    }
    if (!is_packed_) blocks_.front().prepared->set_plain_weights(inputs[1].data);
    for (int64_t row = 0; row < rows; row += kMostRows) {
      run_rows({x.as<const float>() + row * k, y + row * n, std::min(kMostRows, rows - row), n, k});
    }
  }

 private:
  struct Rows {
    const float* x;
    float* y;
    int64_t rows;
    int64_t n;
    int64_t k;
  };

  void run_rows(const Rows& part) {
    const size_t bucket = bucket_of(part.rows);
    const int64_t bucket_rows = kRowBuckets[bucket];
    float* y = part.y;
    if (bucket_rows != part.rows) {
      const int64_t bytes = bucket_rows * part.n * size_of(DType::kF32);
      y = reinterpret_cast<float*>(scratch_->reserve(Scratch::kOutput, bytes));
    }
    const void* x = input_rows(part, bucket_rows);
    for (const Block& block : blocks_) {
      PreparedCall& call = block.prepared->call(bucket);
      void* library_scratch = scratch_->reserve(Scratch::kLibrary, call.scratch_bytes);
      block.prepared->run(call, x, y + block.first_row, library_scratch);
    }
    if (y != part.y) std::copy_n(y, part.rows * part.n, part.y);
  }

  // The rows of x as the primitive takes them: of the weights' type, padded with zero rows.
  const void* input_rows(const Rows& part, int64_t bucket_rows) {
    if (!is_bf16_ && bucket_rows == part.rows) return part.x;
    const int64_t element_bytes = size_of(is_bf16_ ? DType::kBF16 : DType::kF32);
    const int64_t used = part.rows * part.k;
    std::byte* x = scratch_->reserve(Scratch::kInput, bucket_rows * part.k * element_bytes);
    if (is_bf16_) {
      auto* to = reinterpret_cast<BFloat16*>(x);
      for (int64_t i = 0; i < used; ++i) to[i] = BFloat16::from_float(part.x[i]);
    } else {
      std::memcpy(x, part.x, static_cast<size_t>(used * element_bytes));
    }
    const int64_t padding = (bucket_rows - part.rows) * part.k;
    std::memset(x + used * element_bytes, 0, static_cast<size_t>(padding * element_bytes));
    return x;
  }

  std::vector<Block> blocks_;
  ScratchHandle scratch_;
  bool is_packed_;
  bool is_bf16_ = false;
};

bool accepts(const BindArgs& args) {
  const DType weight = args.inputs[1].dtype;
  return args.inputs[0].dtype == DType::kF32 && args.outputs[0].dtype == DType::kF32 &&
         (weight == DType::kF32 || weight == DType::kBF16) && args.inputs[1].is_static();
}

int64_t most_rows(const BindArgs& args) {
  const std::vector<int64_t> shape = args.inputs[0].shape(args.max_sizes);
  return elements_of(shape, 0, shape.size() - 1);
}

// Packs the weight block by block and gives the memory of each finished block back.
std::vector<OneDnnLinear::Block> pack_blocks(const BindArgs& args, int64_t n, int64_t k) {
  const TensorView& weight = *args.weights[1];
  const int64_t row_bytes = k * size_of(weight.dtype);
  const int64_t block_rows = rows_per_block(n, row_bytes);
  std::vector<OneDnnLinear::Block> blocks;
  for (int64_t row = 0; row < n; row += block_rows) {
    const int64_t rows = std::min(block_rows, n - row);
    auto* data = weight.as<std::byte>() + row * row_bytes;
    auto prepared = std::make_unique<Prepared>(weight.dtype, rows, k, n);
    prepared->pack_weights(data, most_rows(args));
    device::discard_pages(data, rows * row_bytes);
    blocks.push_back({std::move(prepared), row});
  }
  return blocks;
}

std::unique_ptr<BoundKernel> bind_onednn(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  const std::vector<int64_t> w = args.inputs[1].shape();
  // oneDNN 2.6 refuses empty layouts; run() returns before it would use them.
  const int64_t n = std::max<int64_t>(w[0], 1);
  const int64_t k = std::max<int64_t>(w[1], 1);
  auto prepared = std::make_unique<Prepared>(args.inputs[1].dtype, n, k, n);
  if (!prepared->is_supported()) return nullptr;
  // Packing gives the plain data away, so it needs the loader's consent.
  const bool may_pack =
      !args.weights.empty() && args.weights[1] != nullptr && !args.release_weight.empty();
  const bool is_packed = may_pack && w[0] > 0 && w[1] > 0;
  std::vector<OneDnnLinear::Block> blocks;
  if (is_packed) {
    blocks = pack_blocks(args, n, k);
    args.release_weight[1] = true;
  } else {
    prepared->use_plain_weights();
    blocks.push_back({std::move(prepared), 0});
  }
  return std::make_unique<OneDnnLinear>(args, std::move(blocks), is_packed);
}

// y[row, column] = sum over k of x * w in double; x rounded to bf16 first where w is bf16.
template <typename Weight>
void reference_linear(Views inputs, Views outputs) {
  const int64_t n = inputs[1].shape[0];
  const int64_t k = inputs[1].shape[1];
  const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  const auto* x = inputs[0].as<const float>();
  const auto* w = inputs[1].as<const Weight>();
  auto* y = outputs[0].as<float>();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        float value = x[row * k + i];
        if constexpr (std::is_same_v<Weight, BFloat16>) {
          value = BFloat16::from_float(value).to_float();
        }
        sum += static_cast<double>(value) * to_float(w[column * k + i]);
      }
      y[row * n + column] = static_cast<float>(sum);
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != DType::kF32) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[1].dtype, [&]<typename Weight>(Weight) {
    kernel = make_kernel(reference_linear<Weight>);
  });
  return kernel;
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"onednn", bind_onednn}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"linear", kKernels}}};

}  // namespace

std::span<const KernelList> linear_cpu_kernels() { return kLists; }

}  // namespace partita::ops
