// SPDX-License-Identifier: Apache-2.0
// Fuzz target: whatever a control channel brings is refused with an Error or read. The first byte
// says as what it is read: a step, its result, a report, limits, or the bytes of the socket.
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "launch/channel.h"
#include "launch/process_group.h"
#include "launch/step_codec.h"
#include "support/error.h"

namespace {

using namespace partita;

void read_step(std::span<const std::byte> bytes) {
  engine::StepBatch batch;
  launch::decode_batch(bytes, batch);
  std::vector<std::byte> written;
  launch::encode(batch, written);
  if (!std::ranges::equal(written, bytes)) std::abort();
}

Json json_of(std::span<const std::byte> bytes) {
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "a message");
}

// Reads frames until the end of the bytes; those of the largest size that is allowed here.
void read_frames(std::span<const std::byte> bytes) {
  constexpr uint64_t kMostBytes = 1 << 16;
  int ends[2];
  if (bytes.size() > kMostBytes || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return;
  launch::Channel reader(ends[0]);
  {
    const launch::Channel writer(ends[1]);
    if (!bytes.empty() && send(writer.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) return;
  }
  const auto deadline = launch::Clock::now() + std::chrono::seconds(5);
  while (const auto frame = reader.receive(deadline, kMostBytes)) {
    if (frame->payload.size() > bytes.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    switch (data[0] % 5) {
      case 0:
        read_step(bytes);
        break;
      case 1:
        (void)launch::decode_result(bytes);
        break;
      case 2:
        (void)launch::to_json(launch::report_from_json(json_of(bytes)));
        break;
      case 3:
        (void)launch::to_json(launch::limits_from_json(json_of(bytes)));
        break;
      default:
        read_frames(bytes);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
