// SPDX-License-Identifier: Apache-2.0
// The communicators of one rank, by the names of their groups.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "ops/kernel.h"

namespace partita::runtime {

// Owned by the rank's thread. Group names are lists of ranks of the world, "0,1,3", in the order of
// the group.
class RankGroups : public ops::Groups {
 public:
  // Splits `world` once per run of names without common ranks; every rank of the world must do so
  // with the same list. `world` must outlive this. Throws kInvalidArgument for a name that is no
  // list of ranks of the world.
  RankGroups(comm::Communicator& world, std::span<const std::string> names);

  // Throws kInvalidArgument when this rank is in no group of that name.
  [[nodiscard]] comm::Communicator& group(std::string_view name) override;
  // Communicator::progress() of the world, over which stages send to each other.
  void progress() { world_.progress(); }
  // Sum over the world and all groups.
  [[nodiscard]] comm::Counters counters() const;

 private:
  void split_batch(std::span<const std::string> names, std::span<const std::vector<int>> groups);

  comm::Communicator& world_;
  std::map<std::string, std::unique_ptr<comm::Communicator>, std::less<>>
      groups_;  // null = the world itself
};

}  // namespace partita::runtime
