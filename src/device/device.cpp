// SPDX-License-Identifier: Apache-2.0
// Names of the device kinds.
#include "device/device.h"

namespace partita::device {

std::string_view to_string(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu:
      return "cpu";
    case DeviceKind::kCuda:
      return "cuda";
  }
  return "unknown";
}

}  // namespace partita::device
