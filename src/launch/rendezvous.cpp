// SPDX-License-Identifier: Apache-2.0
#include "launch/rendezvous.h"

#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/error.h"

namespace partita::launch {
namespace {

constexpr uint64_t kMaxHelloBytes = 4096;  // before the secret is known, nobody gets more memory
constexpr const char* kWhat = "the hello message";

std::string random_secret() {
  std::array<uint64_t, 2> words{};
  if (getrandom(words.data(), sizeof(words), 0) != sizeof(words)) {
    throw Error(ErrorCode::kSystem, str("[launch] getrandom failed: ", std::strerror(errno)));
  }
  return str(std::hex, words[0], words[1]);
}

// Names in the abstract namespace have no owner: anybody on this machine can connect.
bool is_of_our_user(const Channel& channel) {
  const uid_t uid = channel.peer().uid;
  return uid == geteuid() || uid == 0;
}

}  // namespace

std::string RendezvousVariables::assignments() const {
  return str(kControlVariable, "=", control, " ", kSecretVariable, "=", secret);
}

Rendezvous::Rendezvous() : variables_{listener_.name(), random_secret()} {}

std::optional<Arrival> Rendezvous::next(std::chrono::milliseconds patience) {
  std::vector<pollfd> entries = {{listener_.fd(), POLLIN, 0}};
  for (const Stranger& stranger : strangers_) entries.push_back({stranger.channel.fd(), POLLIN, 0});
  if (poll(entries.data(), entries.size(), static_cast<int>(patience.count())) <= 0)
    return std::nullopt;  // also when a signal came: the caller asks again
  if (entries[0].revents != 0) {
    std::optional<Channel> channel = listener_.accept();
    if (channel && is_of_our_user(*channel)) strangers_.push_back({std::move(*channel), {}});
  }
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].revents == 0) continue;
    const Received received = hear(strangers_[i - 1]);
    if (received == Received::kPart) continue;
    Stranger stranger = std::move(strangers_[i - 1]);
    strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    if (received == Received::kWhole) return introduce(std::move(stranger));
    return std::nullopt;
  }
  return std::nullopt;
}

// One that says no hello is as good as gone.
Received Rendezvous::hear(Stranger& stranger) {
  try {
    return stranger.channel.try_receive(stranger.hello, kMaxHelloBytes);
  } catch (const Error&) {
    return Received::kEnd;
  }
}

// Tells a process that seems to be a rank of another run, so that its user learns why it ends.
void Rendezvous::refuse(Channel& channel) {
  ++refused_;
  const Json answer = {{"code", to_string(ErrorCode::kInvalidArgument)},
                       {"message", str("[launch] the frontend does not know this ", kSecretVariable,
                                       "; is it the one that this frontend has printed?")}};
  channel.send_json(FrameType::kError, answer);
}

std::optional<Arrival> Rendezvous::introduce(Stranger stranger) {
  Channel& channel = stranger.channel;
  try {
    if (stranger.hello.type != FrameType::kHello) return std::nullopt;
    const Json hello = stranger.hello.json(kWhat);
    if (json_get<std::string>(hello, "secret", kWhat) != variables_.secret) {
      refuse(channel);
      return std::nullopt;
    }
    const auto rank = json_get<int64_t>(hello, "rank", kWhat);
    const auto world_size = json_get<int64_t>(hello, "world_size", kWhat);
    const pid_t pid = channel.peer().pid;
    return Arrival{std::move(channel), rank, world_size, pid};
  } catch (const Error&) {
    return std::nullopt;  // whoever speaks otherwise is not one of our ranks
  }
}

}  // namespace partita::launch
