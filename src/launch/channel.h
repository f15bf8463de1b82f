// SPDX-License-Identifier: Apache-2.0
// The control channel between frontend and rank: framed messages over a Unix socket.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::launch {

using Clock = std::chrono::steady_clock;

enum class FrameType : uint32_t {
  kHello,     // rank -> frontend, JSON: rank, pid, secret
  kSetup,     // frontend -> rank, JSON: what to load (opaque here)
  kProgress,  // rank -> frontend, JSON: bytes loaded, bytes in all
  kReady,     // rank -> frontend, JSON: plan hash and what was loaded
  kStep,      // frontend -> rank, encoded StepBatch
  kStepDone,  // rank -> frontend, encoded StepResult
  kReport,    // both ways: asks for / carries the JSON of a RankReport
  kError,     // rank -> frontend, JSON: code, message
  kShutdown,  // frontend -> rank: leave in order
};
inline constexpr uint32_t kFrameTypes = 9;
// Of one message. Far above the logits that generation asks for in a step.
inline constexpr uint64_t kMaxPayloadBytes = uint64_t{1} << 30;

struct Frame {
  FrameType type = FrameType::kError;
  std::vector<std::byte> payload;

  [[nodiscard]] Json json(std::string_view what) const;  // throws kInvalidFile
};

// Who opened the other end, as the kernel knows it. pid is 0 when it is not visible from here
// (another pid namespace).
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
};

// A frame on its way out. Borrows the payload, which may lie in up to kMostPieces pieces.
class OutgoingFrame {
 public:
  static constexpr size_t kMostPieces = 4;

  // Throws kUnsupported above kMaxPayloadBytes.
  OutgoingFrame(FrameType type, std::initializer_list<std::span<const std::byte>> payload);

 private:
  friend class Channel;
  std::array<std::byte, 16> header_;
  std::array<std::span<const std::byte>, kMostPieces> payload_;
  size_t sent_ = 0;  // of all
};

// What has come of a frame.
enum class Received : uint8_t {
  kPart,  // or nothing of it
  kWhole,
  kEnd,  // of the file: the peer is gone
};

// One end of a connected stream socket. Owns the descriptor. Sending and receiving may happen on
// different threads. Frame on the wire, little endian: u32 magic, u32 type, u64 payload length (<=
// kMaxPayloadBytes), payload.
class Channel {
 public:
  explicit Channel(int fd) : fd_(fd) {}
  ~Channel();
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] Peer peer() const;  // throws kSystem
  // Throws kRankFailed when the peer is gone, kDeadlineExceeded when it has not read by `deadline`
  // (without one: for a minute).
  void send(FrameType type, std::span<const std::byte> payload);
  void send(FrameType type, std::span<const std::byte> payload, Clock::time_point deadline);
  void send(OutgoingFrame frame);
  void send(OutgoingFrame frame, Clock::time_point deadline);
  // Sends what the socket takes now; true when that is all of the frame. For those who must go on
  // reading meanwhile. Throws kRankFailed when the peer is gone.
  [[nodiscard]] bool try_send(OutgoingFrame& frame);
  void send_json(FrameType type, const Json& json);
  // How long receive() looks for bytes, giving its core to whoever wants it, before it sleeps: a
  // sleeper takes some 50 us to wake. Zero, as at first, sleeps at once, which is right where there
  // are more ranks than cores.
  void set_patience(std::chrono::microseconds patience) { patience_ = patience; }
  // Takes what the socket has of the next frame, for those who must hear others meanwhile. `frame`,
  // whose memory is used again, stays the same until it is whole. Throws kInvalidFile for bytes
  // that are no frame or a payload above `max_payload_bytes`; then nothing can be received any
  // more.
  [[nodiscard]] Received try_receive(Frame& frame, uint64_t max_payload_bytes = kMaxPayloadBytes);
  // The same, whole by `deadline`; false at end of file. Throws kDeadlineExceeded too.
  [[nodiscard]] bool receive(Frame& frame,
                             Clock::time_point deadline,
                             uint64_t max_payload_bytes = kMaxPayloadBytes);
  // The same in new memory; nothing at end of file. No frame may have begun.
  [[nodiscard]] std::optional<Frame> receive(Clock::time_point deadline,
                                             uint64_t max_payload_bytes = kMaxPayloadBytes);

 private:
  static constexpr size_t kHeaderBytes = 16;

  [[nodiscard]] std::span<std::byte> missing_of(Frame& frame);
  void take_header(Frame& frame, uint64_t max_payload_bytes) const;
  void wait_for_bytes(Clock::time_point deadline) const;

  int fd_;
  std::chrono::microseconds patience_{0};
  std::array<std::byte, kHeaderBytes> header_{};  // of the frame that comes
  size_t received_ = 0;                           // of all of it
};

// A listening socket in the abstract namespace: it has a name but no file, so nothing can be left
// behind.
class Listener {
 public:
  Listener();
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int fd() const { return fd_; }
  // Accepts one waiting connection; nothing when none waits.
  [[nodiscard]] std::optional<Channel> accept();

 private:
  int fd_ = -1;
  std::string name_;
};

// Connects to Listener::name(). Throws kSystem, or kInvalidArgument for what cannot be a name.
[[nodiscard]] Channel connect_to(const std::string& name);

}  // namespace partita::launch
