// SPDX-License-Identifier: Apache-2.0
// Measuring this machine, so that plans are made with its real speed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace partita {

struct CalibrateOptions {
  std::vector<int> ranks = {1};  // one profile for each number of ranks on this host
  // Which transports to measure collectives of; "shm" is the only one so far.
  std::vector<std::string> transports = {"shm"};
  bool is_quick = false;  // seconds instead of the better part of a minute
  // Where the profile goes; only for one number of ranks. Empty: the cache folder, where plans for
  // this machine look for it.
  std::filesystem::path output;
};

// One measured profile.
struct Calibration {
  int ranks = 1;
  std::filesystem::path file;  // docs/formats/devices.md; empty: see calibrate()
  std::string profile_id;      // as plans note it
  std::string summary;         // a short table for people
  std::string warning;         // why the figures may be off; empty when nothing speaks against it
  double round_trip_ns = 0;    // of a word between two cores: compare runs that agree in it
};

// Measures with the runtime's own kernels and collectives and writes the profiles. Waits some
// seconds for the machine to rest, and measures up to three times while other programs disturb;
// a profile that they have disturbed to the end is not put into the cache. Throws kInvalidArgument
// for an unknown transport and for options that do not go together, kSystem when a file cannot be
// written.
[[nodiscard]] std::vector<Calibration> calibrate(const CalibrateOptions& options);

}  // namespace partita
