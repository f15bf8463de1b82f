// SPDX-License-Identifier: Apache-2.0
// The public calibrate(): measures, writes and describes profiles.
#include "partita/calibrate.h"

#include <algorithm>
#include <cmath>

#include "api/calibrate/quiet_profile.h"
#include "api/machine_profile.h"
#include "support/error.h"
#include "support/units.h"

namespace partita {
namespace {

std::string column(const std::string& text, size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 1, ' ');
}

std::string giga(double per_second, const char* unit) {
  const double value = std::round(per_second / 1e8) / 10;
  return str(value, " ", unit);
}

void describe_kernels(const cost::Device& device, std::string& text) {
  text += str("  memory of a rank ", format_bytes(device.memory_bytes),
              ", of which its program takes ", format_bytes(device.reserve_bytes), "\n");
  for (const cost::SharedBandwidth& shared : device.shared_bandwidth) {
    text += str("  memory, ", shared.ranks, shared.ranks == 1 ? " rank: " : " ranks at once: ",
                giga(shared.bandwidth, "GB/s each"), "\n");
  }
  for (const cost::CacheLevel& cache : device.caches) {
    text +=
        str("  cache for ", format_bytes(cache.bytes), ": ", giga(cache.bandwidth, "GB/s"), "\n");
  }
  text += str("  ", column("kernel", 20), column("ranks", 7), column("launch", 10),
              "rows: 1e9 operations/s\n");
  for (const cost::KernelRates& kernel : device.kernels) {
    text +=
        str("  ", column(str(kernel.op, " ", to_string(kernel.dtype)), 20),
            column(str(kernel.ranks), 7), column(format_seconds(kernel.launch_s.value_or(0)), 10));
    for (const cost::RatePoint& point : kernel.points) {
      text += str(point.rows, ": ", std::round(point.flops / 1e8) / 10, "  ");
    }
    text += "\n";
  }
}

std::string summary_of(const cost::Profile& profile) {
  std::string text = str(profile.id(), "\n");
  describe_kernels(profile.device, text);
  for (const cost::CollectiveTable& table : profile.collectives) {
    text += str("  ", column(str(to_string(table.kind), " ", table.transport), 20),
                column(str(table.ranks), 7));
    for (const cost::CollectivePoint& point : table.points) {
      text += str(format_bytes(point.bytes), ": ", format_seconds(point.seconds), "  ");
    }
    text += "\n";
  }
  return text;
}

void check(const CalibrateOptions& options) {
  const auto refuse = [](const std::string& text) {
    throw Error(ErrorCode::kInvalidArgument, "[calibrate] " + text);
  };
  if (options.ranks.empty()) refuse("no number of ranks is given; expected one or more");
  if (!options.output.empty() && options.ranks.size() > 1) {
    refuse(str("one output file for ", options.ranks.size(),
               " numbers of ranks; give one number, or no output file"));
  }
  if (options.transports.empty()) refuse("no transport is given; expected shm");
  for (const std::string& transport : options.transports) {
    if (transport != "shm") refuse(str("transport \"", transport, "\"; expected shm"));
  }
}

std::filesystem::path file_for(int ranks, const CalibrateOptions& options) {
  const std::filesystem::path file =
      options.output.empty() ? api::machine_profile_path(ranks) : options.output;
  if (!file.empty()) return file;
  throw Error(ErrorCode::kInvalidArgument,
              "[calibrate] no cache folder is known (HOME and XDG_CACHE_HOME are unset); give an "
              "output file");
}

Calibration calibrate_for(int ranks, const CalibrateOptions& options) {
  Calibration result;
  result.ranks = ranks;
  const std::filesystem::path file = file_for(ranks, options);
  const api::QuietProfile measured = api::measure_quiet_profile(ranks, options.is_quick);
  result.profile_id = measured.profile.id();
  result.round_trip_ns = measured.profile.round_trip_ns;
  result.warning = measured.warning();
  result.summary = summary_of(measured.profile);
  // What plans find in the cache must be right; a file of one's own may be anything.
  if (measured.is_busy() && options.output.empty()) return result;
  result.file = file;
  std::error_code failure;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), failure);
  cost::save_profile(measured.profile, file);
  return result;
}

}  // namespace

std::vector<Calibration> calibrate(const CalibrateOptions& options) {
  check(options);
  std::vector<Calibration> results;
  for (const int ranks : options.ranks) results.push_back(calibrate_for(ranks, options));
  return results;
}

}  // namespace partita
