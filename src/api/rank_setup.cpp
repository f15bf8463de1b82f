// SPDX-License-Identifier: Apache-2.0
#include "api/rank_setup.h"

#include <cstdlib>

#include "support/error.h"

namespace partita::api {
namespace {

constexpr const char* kProgramName = "partita";
constexpr const char* kWhat = "the setup message";

}  // namespace

Transport transport_for(const std::string& name, const std::string& launcher) {
  if (name == "mpi" && launcher == "fork") {
    throw Error(
        ErrorCode::kInvalidArgument,
        "[launch] transport mpi needs ranks that mpirun or srun starts; add --launcher mpirun");
  }
  if (name == "auto")
    return launcher == "mpirun" || launcher == "srun" ? Transport::kMpi : Transport::kShm;
  if (name == "shm") return Transport::kShm;
  if (name == "mpi") return Transport::kMpi;
  throw Error(ErrorCode::kInvalidArgument,
              str("[launch] transport \"", name, "\"; expected auto, shm or mpi"));
}

Json to_json(const RankSetup& setup) {
  return {{"directory", setup.directory.string()},
          {"dtype", setup.load.dtype},
          {"products", setup.load.products},
          {"kv_cache", setup.load.kv_cache},
          {"plan", setup.plan},
          {"transport", setup.transport == Transport::kShm ? "shm" : "mpi"},
          {"shm_paths", setup.shm_paths},
          {"step_timeout_ms", setup.step_timeout_ms},
          {"threads_per_rank", setup.threads_per_rank}};
}

RankSetup rank_setup_from_json(const Json& json) {
  RankSetup setup;
  setup.directory = json_get<std::string>(json, "directory", kWhat);
  setup.load.dtype = json_get<std::string>(json, "dtype", kWhat);
  setup.load.products = json_get<std::string>(json, "products", kWhat);
  setup.load.kv_cache = json_get<std::string>(json, "kv_cache", kWhat);
  setup.plan = json_get<std::string>(json, "plan", kWhat);
  setup.transport =
      json_get<std::string>(json, "transport", kWhat) == "shm" ? Transport::kShm : Transport::kMpi;
  for (const Json& path : json.at("shm_paths")) setup.shm_paths.push_back(path.get<std::string>());
  setup.step_timeout_ms = static_cast<int>(json_get<int64_t>(json, "step_timeout_ms", kWhat));
  setup.threads_per_rank = static_cast<int>(json_get<int64_t>(json, "threads_per_rank", kWhat));
  return setup;
}

std::string worker_program(const std::string& configured) {
  if (!configured.empty()) return configured;
  if (const char* variable = std::getenv("PARTITA_WORKER")) return variable;
  std::error_code failure;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (!failure && self.filename() == kProgramName) return self.string();
  const std::filesystem::path sibling = self.parent_path() / kProgramName;
  if (!failure && std::filesystem::exists(sibling, failure)) return sibling.string();
  return kProgramName;
}

}  // namespace partita::api
