// SPDX-License-Identifier: Apache-2.0
// Stands in for the CUDA device in builds without CUDA.
#include "device/device.h"
#include "support/error.h"

namespace partita::device {

bool cuda_built() { return false; }

std::unique_ptr<Device> make_cuda_device(int index) {
  throw Error(ErrorCode::kUnsupported,
              str("[device] CUDA device ", index,
                  " was asked for, but this build has no CUDA support; use the cpu device or build "
                  "partita with CUDA"));
}

}  // namespace partita::device
