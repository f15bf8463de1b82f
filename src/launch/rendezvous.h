// SPDX-License-Identifier: Apache-2.0
// Where ranks find their frontend, and how they prove that they belong to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/channel.h"

namespace partita::launch {

// Names of the environment variables by which a rank finds its frontend.
inline constexpr const char* kControlVariable = "PARTITA_CONTROL";
inline constexpr const char* kSecretVariable = "PARTITA_SECRET";

struct RendezvousVariables {
  std::string control;
  std::string secret;
  // "PARTITA_CONTROL=... PARTITA_SECRET=...", for a user who starts the ranks.
  [[nodiscard]] std::string assignments() const;
};

// A process that has presented the secret. Rank and size are what it says, not yet checked; the pid
// is what the kernel says (0 when it is not visible from here).
struct Arrival {
  Channel channel;
  int64_t rank = 0;
  int64_t world_size = 0;
  pid_t pid = 0;
};

// The frontend's side. Connections of other users, without the secret, or that say anything but
// hello are dropped, those with another secret after an error that says so; one that stays silent
// or stops in the middle holds up nobody. Owned by one thread.
class Rendezvous {
 public:
  Rendezvous();

  [[nodiscard]] const RendezvousVariables& variables() const { return variables_; }
  // The next rank that presents itself; nothing when none does within `patience`, or a connection
  // was dropped.
  [[nodiscard]] std::optional<Arrival> next(std::chrono::milliseconds patience);
  // How many have said hello with another secret.
  [[nodiscard]] int refused() const { return refused_; }

 private:
  // Connected, not yet introduced.
  struct Stranger {
    Channel channel;
    Frame hello;  // as much as it has said of it
  };

  [[nodiscard]] static Received hear(Stranger& stranger);
  [[nodiscard]] std::optional<Arrival> introduce(Stranger stranger);
  void refuse(Channel& channel);

  Listener listener_;
  RendezvousVariables variables_;
  std::vector<Stranger> strangers_;
  int refused_ = 0;
};

}  // namespace partita::launch
