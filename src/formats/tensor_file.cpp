// SPDX-License-Identifier: Apache-2.0
// Reads and finds the tensors of an open file.
#include "formats/tensor_file.h"

#include "support/checked_math.h"

namespace partita::formats {

int64_t TensorInfo::elements() const {
  return checked_product(shape).value_or(0);  // readers have checked it
}

TensorFile::TensorFile(std::unique_ptr<const InputFile> file,
                       std::vector<TensorInfo> tensors,
                       int64_t header_bytes)
    : file_(std::move(file)), tensors_(std::move(tensors)), header_bytes_(header_bytes) {
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

void TensorFile::read(int64_t offset, std::span<std::byte> to) const {
  file_->read(offset, to);
  payload_bytes_read_ += static_cast<int64_t>(to.size());
}

const TensorInfo* TensorFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace partita::formats
