// SPDX-License-Identifier: Apache-2.0
// Device files: a profile as TOML.
#include "cost/profile.h"
#include "cost/profile_keys.h"
#include "support/error.h"

namespace partita::cost {
namespace {

std::string in_quotes(std::string_view text) { return str('"', text, '"'); }

// [[1, 2.5], [8, 7.0]]
template <typename Points, typename Pair>
std::string pairs_text(const NumberKey& key, const Points& points, const Pair& pair) {
  std::string text = str(key.key, " = [");
  for (size_t i = 0; i < points.size(); ++i) {
    const auto [first, second] = pair(points[i]);
    text += str(i == 0 ? "" : ", ", "[", first, ", ", number_text(second, key.unit), "]");
  }
  return text + "]\n";
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = "[";
  for (size_t i = 0; i < ranks.size(); ++i) text += str(i == 0 ? "" : ", ", ranks[i]);
  return text + "]";
}

std::string kernel_text(const KernelRates& kernel) {
  std::string text =
      str("\n[[device.kernel]]\nop = ", in_quotes(kernel.op),
          "\ndtype = ", in_quotes(to_string(kernel.dtype)), "\nranks = ", kernel.ranks, "\n");
  if (kernel.launch_s) text += number_line(kLaunch, *kernel.launch_s);
  return text + pairs_text(kRowsRate, kernel.points, [](const RatePoint& point) {
           return std::pair(point.rows, point.flops);
         });
}

std::string device_text(const Device& device) {
  std::string text;
  text += number_line(kMemory, static_cast<double>(device.memory_bytes));
  text += number_line(kMemoryBandwidth, device.memory_bandwidth);
  text += number_line(kF32, device.f32_flops);
  text += number_line(kBf16, device.bf16_flops);
  text += number_line(kLaunch, device.launch_s);
  text += number_line(kReserve, static_cast<double>(device.reserve_bytes));
  if (!device.shared_bandwidth.empty()) {
    text += pairs_text(kSharedBandwidth, device.shared_bandwidth, [](const SharedBandwidth& point) {
      return std::pair(point.ranks, point.bandwidth);
    });
  }
  for (const CacheLevel& cache : device.caches) {
    text += "\n[[device.cache]]\n";
    text += number_line(kCacheSize, static_cast<double>(cache.bytes));
    text += number_line(kCacheBandwidth, cache.bandwidth);
  }
  for (const KernelRates& kernel : device.kernels) text += kernel_text(kernel);
  return text;
}

}  // namespace

std::string to_toml(const Profile& profile) {
  std::string text = str("name = ", in_quotes(profile.name), "\n");
  if (profile.round_trip_ns > 0) text += number_line(kRoundTrip, profile.round_trip_ns);
  text += "\n[mesh]\naxes = [";
  for (size_t i = 0; i < profile.axes.size(); ++i) {
    text += str(i == 0 ? " " : ", ", "{ name = ", in_quotes(profile.axes[i].name),
                ", size = ", profile.axes[i].size, " }");
  }
  text += profile.axes.empty() ? "]\n" : " ]\n";
  if (profile.is_uniform()) text += "\n[device]\n" + device_text(profile.device);
  for (const DeviceKind& kind : profile.kinds) {
    text += str("\n[[device]]\nname = ", in_quotes(kind.name), "\nranks = ", ranks_text(kind.ranks),
                "\n", device_text(kind.device));
  }
  for (const Link& link : profile.links) {
    text += str("\n[[link]]\naxis = ", in_quotes(link.axis), "\n");
    text += number_line(kLatency, link.latency_s);
    text += number_line(kBandwidth, link.bandwidth);
  }
  for (const CollectiveTable& table : profile.collectives) {
    text += str("\n[[collective]]\nkind = ", in_quotes(to_string(table.kind)),
                "\ntransport = ", in_quotes(table.transport), "\naxis = ", in_quotes(table.axis),
                "\nranks = ", table.ranks, "\n");
    if (table.one_shot_bytes != CollectiveTable::kNotMeasured) {
      text += str("one_shot_bytes = ", table.one_shot_bytes, "\n");
    }
    text += pairs_text(kBytesTime, table.points, [](const CollectivePoint& point) {
      return std::pair(point.bytes, point.seconds);
    });
  }
  return text;
}

}  // namespace partita::cost
