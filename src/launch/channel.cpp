// SPDX-License-Identifier: Apache-2.0
#include "launch/channel.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "launch/patience.h"
#include "support/error.h"

namespace partita::launch {
namespace {

constexpr uint32_t kMagic = 0x31415450;  // "PTA1"
constexpr auto kSendTimeout =
    std::chrono::minutes(1);  // a rank reads at once; longer means it is stuck
constexpr int kBacklog = 256;

struct FrameHeader {
  uint32_t magic = kMagic;
  uint32_t type = 0;
  uint64_t length = 0;
};
static_assert(sizeof(FrameHeader) == 16);

[[noreturn]] void system_error(std::string_view call) {
  throw Error(ErrorCode::kSystem, str("[launch] ", call, " failed: ", std::strerror(errno)));
}

// Waits until `fd` is ready for `events`; false at the deadline.
bool wait_ready(int fd, int16_t events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) system_error("poll");
  }
}

// Or an end of file, or an error.
bool has_bytes(int fd) {
  std::byte first;
  return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

sockaddr_un abstract_address(const std::string& name, socklen_t& length) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() + 1 >= sizeof(address.sun_path)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[launch] \"", name, "\" cannot be the name of a control socket; expected 1 .. ",
            sizeof(address.sun_path) - 2, " characters, as `partita run` gives it"));
  }
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // the leading NUL makes it abstract
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

}  // namespace

Json Frame::json(std::string_view what) const {
  return parse_json({reinterpret_cast<const char*>(payload.data()), payload.size()}, what);
}

Channel::~Channel() {
  if (fd_ >= 0) close(fd_);
}

Channel::Channel(Channel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      patience_(other.patience_),
      header_(other.header_),
      received_(other.received_) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    patience_ = other.patience_;
    header_ = other.header_;
    received_ = other.received_;
  }
  return *this;
}

Peer Channel::peer() const {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    system_error("getsockopt");
  return {credentials.pid, credentials.uid};
}

void Channel::send(FrameType type, std::span<const std::byte> payload) {
  send(type, payload, Clock::now() + kSendTimeout);
}

void Channel::send(FrameType type, std::span<const std::byte> payload, Clock::time_point deadline) {
  send(OutgoingFrame(type, {payload}), deadline);
}

void Channel::send(OutgoingFrame frame) { send(frame, Clock::now() + kSendTimeout); }

void Channel::send(OutgoingFrame frame, Clock::time_point deadline) {
  while (!try_send(frame)) {
    if (wait_ready(fd_, POLLOUT, deadline)) continue;
    throw Error(ErrorCode::kDeadlineExceeded,
                "[launch] the peer did not read a message in time; it is stopped or hangs");
  }
}

OutgoingFrame::OutgoingFrame(FrameType type,
                             std::initializer_list<std::span<const std::byte>> payload) {
  CHECK(payload.size() <= kMostPieces, payload.size(), " pieces");
  std::ranges::copy(payload, payload_.begin());
  FrameHeader header{kMagic, static_cast<uint32_t>(type), 0};
  for (const std::span<const std::byte> piece : payload_) header.length += piece.size();
  if (header.length > kMaxPayloadBytes) {
    throw Error(ErrorCode::kUnsupported,
                str("[launch] a message of ", header.length, " bytes; at most ", kMaxPayloadBytes,
                    " can be sent; ask for the logits of fewer tokens at once"));
  }
  static_assert(sizeof(header) == sizeof(header_));
  std::memcpy(header_.data(), &header, sizeof(header));
}

bool Channel::try_send(OutgoingFrame& frame) {
  while (true) {
    std::array<iovec, 1 + OutgoingFrame::kMostPieces> pieces;
    size_t count = 0;
    size_t skip = frame.sent_;
    const auto add = [&](std::span<const std::byte> piece) {
      const size_t skipped = std::min(skip, piece.size());
      skip -= skipped;
      if (skipped == piece.size()) return;
      pieces[count++] = {const_cast<std::byte*>(piece.data()) + skipped, piece.size() - skipped};
    };
    add(frame.header_);
    for (const std::span<const std::byte> piece : frame.payload_) add(piece);
    if (count == 0) return true;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      frame.sent_ += static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return false;
    } else if (errno != EINTR) {
      throw Error(ErrorCode::kRankFailed, str("[launch] the peer is gone: ", std::strerror(errno)));
    }
  }
}

void Channel::send_json(FrameType type, const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  send(type, std::as_bytes(std::span(text)));
}

// The rest of the header, then that of the payload.
std::span<std::byte> Channel::missing_of(Frame& frame) {
  if (received_ < kHeaderBytes) return std::span(header_).subspan(received_);
  return std::span(frame.payload).subspan(received_ - kHeaderBytes);
}

void Channel::take_header(Frame& frame, uint64_t max_payload_bytes) const {
  FrameHeader header;
  static_assert(sizeof(header) == kHeaderBytes);
  std::memcpy(&header, header_.data(), sizeof(header));
  if (header.magic != kMagic || header.type >= kFrameTypes || header.length > max_payload_bytes) {
    throw Error(ErrorCode::kInvalidFile,
                str("[launch] received bytes that are no frame: magic ", header.magic, ", type ",
                    header.type, ", length ", header.length,
                    "; do frontend and ranks run the same version?"));
  }
  frame.type = static_cast<FrameType>(header.type);
  frame.payload.resize(header.length);
}

Received Channel::try_receive(Frame& frame, uint64_t max_payload_bytes) {
  while (true) {
    const std::span<std::byte> missing = missing_of(frame);
    if (missing.empty()) {
      received_ = 0;
      return Received::kWhole;
    }
    const ssize_t received = recv(fd_, missing.data(), missing.size(), MSG_DONTWAIT);
    if (received > 0) {
      received_ += static_cast<size_t>(received);
      if (received_ == kHeaderBytes) take_header(frame, max_payload_bytes);
    } else if (received == 0 || errno == ECONNRESET) {
      return Received::kEnd;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Received::kPart;
    } else if (errno != EINTR) {
      system_error("recv");
    }
  }
}

bool Channel::receive(Frame& frame, Clock::time_point deadline, uint64_t max_payload_bytes) {
  while (true) {
    const Received received = try_receive(frame, max_payload_bytes);
    if (received != Received::kPart) return received == Received::kWhole;
    wait_for_bytes(deadline);
  }
}

std::optional<Frame> Channel::receive(Clock::time_point deadline, uint64_t max_payload_bytes) {
  CHECK(received_ == 0, "a frame has begun");
  Frame frame;
  if (!receive(frame, deadline, max_payload_bytes)) return std::nullopt;
  return frame;
}

void Channel::wait_for_bytes(Clock::time_point deadline) const {
  const auto patience = std::min<Clock::duration>(patience_, deadline - Clock::now());
  if (look_for(patience, [&] { return has_bytes(fd_); })) return;
  if (wait_ready(fd_, POLLIN, deadline)) return;
  throw Error(ErrorCode::kDeadlineExceeded,
              "[launch] no whole message arrived in time; the peer is stopped or hangs");
}

Listener::Listener() {
  uint64_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) system_error("getrandom");
  name_ = str("partita-", getpid(), "-", std::hex, random);
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) system_error("socket");
  socklen_t length = 0;
  const sockaddr_un address = abstract_address(name_, length);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(fd_, kBacklog) != 0) {
    close(fd_);
    system_error("bind");
  }
}

Listener::~Listener() { close(fd_); }

std::optional<Channel> Listener::accept() {
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) return Channel(fd);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED)
    return std::nullopt;
  system_error("accept");
}

Channel connect_to(const std::string& name) {
  Channel channel(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (channel.fd() < 0) system_error("socket");
  socklen_t length = 0;
  const sockaddr_un address = abstract_address(name, length);
  if (connect(channel.fd(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    throw Error(ErrorCode::kSystem, str("[launch] cannot reach the frontend at ", name, ": ",
                                        std::strerror(errno), "; is it still running?"));
  }
  return channel;
}

}  // namespace partita::launch
