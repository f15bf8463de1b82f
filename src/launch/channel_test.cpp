// SPDX-License-Identifier: Apache-2.0
// Frames over a socket: round trip, end of file, deadlines, garbage.
#include "launch/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "launch/step_codec.h"
#include "support/error.h"

namespace partita::launch {
namespace {

std::pair<Channel, Channel> channel_pair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  return {Channel(fds[0]), Channel(fds[1])};
}

Clock::time_point soon() { return Clock::now() + std::chrono::seconds(5); }

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

TEST(Channel, CarriesFramesLargerThanTheSocketBuffer) {
  auto [left, right] = channel_pair();
  const std::vector<std::byte> payload(3 << 20, std::byte{7});
  std::thread sender([&left = left, &payload] { left.send(FrameType::kStepDone, payload); });
  const auto frame = right.receive(soon());
  sender.join();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->type, FrameType::kStepDone);
  EXPECT_EQ(frame->payload, payload);
}

TEST(Channel, FramesOfTwoPiecesArriveWholeInReusedMemory) {
  auto [left, right] = channel_pair();
  Frame frame;
  for (const size_t size : {size_t{3} << 20, size_t{10}, size_t{0}}) {
    const std::vector<std::byte> head(size / 3, std::byte{1});
    const std::vector<std::byte> rest(size - size / 3, std::byte{2});
    std::thread sender([&, &left = left] {
      left.send(OutgoingFrame(FrameType::kStepDone, {head, rest}));
    });
    const bool is_whole = right.receive(frame, soon());
    sender.join();
    ASSERT_TRUE(is_whole);
    std::vector<std::byte> both = head;
    both.insert(both.end(), rest.begin(), rest.end());
    EXPECT_EQ(frame.payload, both);
    EXPECT_GE(frame.payload.capacity(), size_t{3} << 20);
  }
}

TEST(Channel, EndOfFileIsNoFrame) {
  auto [left, right] = channel_pair();
  { const Channel closed = std::move(left); }
  EXPECT_FALSE(right.receive(soon()));
}

// Looking first changes neither what arrives nor when a wait ends.
TEST(Channel, PatientReceiversGetTheSame) {
  for (const auto patience : {std::chrono::microseconds(1), std::chrono::microseconds(200'000)}) {
    auto [left, right] = channel_pair();
    right.set_patience(patience);
    std::thread sender([&left = left] {
      for (uint8_t i = 0; i < 20; ++i) {
        const std::vector<std::byte> payload(i, std::byte{i});
        left.send(FrameType::kStep, payload);
        // Now and then late enough that a receiver with little patience sleeps.
        if (i % 8 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    for (uint8_t i = 0; i < 20; ++i) {
      const auto frame = right.receive(soon());
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->payload, std::vector<std::byte>(i, std::byte{i}));
    }
    sender.join();
    const auto deadline = Clock::now() + std::chrono::milliseconds(5);
    EXPECT_EQ(code_of([&right = right, deadline] { (void)right.receive(deadline); }),
              ErrorCode::kDeadlineExceeded);
    EXPECT_GE(Clock::now(), deadline);
    Channel moved = std::move(right);
    { const Channel closed = std::move(left); }
    EXPECT_FALSE(moved.receive(soon()));
  }
}

TEST(Channel, SendingToAClosedPeerIsARankFailure) {
  auto [left, right] = channel_pair();
  { const Channel closed = std::move(right); }
  EXPECT_EQ(code_of([&left = left] {
              left.send_json(FrameType::kStep, Json{{"a", 1}});
            }),
            ErrorCode::kRankFailed);
}

TEST(Channel, ReceivingRespectsTheDeadline) {
  auto [left, right] = channel_pair();
  const auto begin = Clock::now();
  EXPECT_EQ(code_of([&right = right] {
              (void)right.receive(Clock::now() + std::chrono::milliseconds(20));
            }),
            ErrorCode::kDeadlineExceeded);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
}

// A rank that is stopped in the middle of a message must not hold its frontend beyond the deadline.
TEST(Channel, AFrameThatStopsHalfWayMissesTheDeadlineToo) {
  auto [left, right] = channel_pair();
  left.send(FrameType::kStepDone, std::vector<std::byte>(100));
  std::vector<std::byte> whole(116);
  ASSERT_EQ(read(right.fd(), whole.data(), whole.size()), 116);
  ASSERT_EQ(write(left.fd(), whole.data(), 50), 50);
  const auto begin = Clock::now();
  EXPECT_EQ(code_of([&right = right] {
              (void)right.receive(Clock::now() + std::chrono::milliseconds(20));
            }),
            ErrorCode::kDeadlineExceeded);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
}

// A frame in any pieces, also over a move, and between the two ways of receiving.
TEST(Channel, AFrameThatComesInPiecesIsTakenAsItComes) {
  auto [left, right] = channel_pair();
  const std::vector<std::byte> payload(100, std::byte{5});
  left.send(FrameType::kStepDone, payload);
  std::vector<std::byte> whole(116);
  ASSERT_EQ(read(right.fd(), whole.data(), whole.size()), 116);
  for (const size_t size : {size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{115}}) {
    Frame frame;
    EXPECT_EQ(right.try_receive(frame), Received::kPart);
    ASSERT_EQ(write(left.fd(), whole.data(), size), static_cast<ssize_t>(size));
    EXPECT_EQ(right.try_receive(frame), Received::kPart);
    Channel moved = std::move(right);
    EXPECT_EQ(moved.try_receive(frame), Received::kPart);
    const size_t rest = whole.size() - size;
    ASSERT_EQ(write(left.fd(), whole.data() + size, rest), static_cast<ssize_t>(rest));
    if (size % 2 == 0) {
      EXPECT_TRUE(moved.receive(frame, soon()));
    } else {
      EXPECT_EQ(moved.try_receive(frame), Received::kWhole);
    }
    EXPECT_EQ(frame.type, FrameType::kStepDone);
    EXPECT_EQ(frame.payload, payload);
    right = std::move(moved);
  }
  ASSERT_EQ(write(left.fd(), whole.data(), 50), 50);
  Frame frame;
  EXPECT_EQ(right.try_receive(frame), Received::kPart);
  { const Channel closed = std::move(left); }
  EXPECT_EQ(right.try_receive(frame), Received::kEnd);
}

TEST(Channel, APeerThatDoesNotReadMissesTheDeadline) {
  auto [left, right] = channel_pair();
  const std::vector<std::byte> payload(8 << 20);
  EXPECT_EQ(code_of([&, &left = left] {
              left.send(FrameType::kStep, payload, Clock::now() + std::chrono::milliseconds(20));
            }),
            ErrorCode::kDeadlineExceeded);
}

TEST(Channel, APayloadAboveTheAllowedSizeIsRefusedUnread) {
  auto [left, right] = channel_pair();
  left.send(FrameType::kHello, std::vector<std::byte>(101));
  EXPECT_EQ(code_of([&right = right] { (void)right.receive(soon(), 100); }),
            ErrorCode::kInvalidFile);
}

TEST(Channel, KnowsWhoIsAtTheOtherEnd) {
  auto [left, right] = channel_pair();
  EXPECT_EQ(left.peer().pid, getpid());
  EXPECT_EQ(left.peer().uid, geteuid());
}

TEST(Channel, ANameThatCannotBeASocketIsAnInvalidArgument) {
  for (const std::string& name : {std::string(), std::string(200, 'x')})
    EXPECT_EQ(code_of([&] { (void)connect_to(name); }), ErrorCode::kInvalidArgument);
}

TEST(Channel, BytesThatAreNoFrameAreRefused) {
  auto [left, right] = channel_pair();
  const std::string garbage = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_EQ(write(left.fd(), garbage.data(), garbage.size()), static_cast<ssize_t>(garbage.size()));
  EXPECT_EQ(code_of([&right = right] { (void)right.receive(soon()); }), ErrorCode::kInvalidFile);
}

TEST(Listener, AcceptsWhoConnectsByName) {
  Listener listener;
  EXPECT_FALSE(listener.accept());
  Channel client = connect_to(listener.name());
  std::optional<Channel> server = listener.accept();
  ASSERT_TRUE(server);
  client.send_json(FrameType::kHello, Json{{"rank", 3}});
  EXPECT_EQ(server->receive(soon())->json("hello")["rank"], 3);
}

std::vector<std::byte> encoded(const engine::StepBatch& batch) {
  std::vector<std::byte> bytes(5);  // of an earlier one
  encode(batch, bytes);
  return bytes;
}

engine::StepBatch decoded(std::span<const std::byte> bytes) {
  engine::StepBatch batch;  // of an earlier one
  batch.token_ids = {1};
  batch.logit_rows = {1, 2, 3};
  decode_batch(bytes, batch);
  return batch;
}

TEST(StepCodec, BatchAndResultSurviveTheRoundTrip) {
  const engine::StepBatch batch{.token_ids = {5, 6, 7},
                                .positions = {0, 1, 9},
                                .sequence_ids = {0, 0, 1},
                                .block_tables = {3, -1, 4, 5},
                                .sequences = 2,
                                .blocks_per_sequence = 2,
                                .logit_rows = {1, 2},
                                .whole_logits = false};
  const engine::StepBatch copy = decoded(encoded(batch));
  EXPECT_EQ(copy.token_ids, batch.token_ids);
  EXPECT_EQ(copy.positions, batch.positions);
  EXPECT_EQ(copy.sequence_ids, batch.sequence_ids);
  EXPECT_EQ(copy.block_tables, batch.block_tables);
  EXPECT_EQ(copy.logit_rows, batch.logit_rows);
  EXPECT_EQ(copy.sequences, 2);
  EXPECT_FALSE(copy.whole_logits);
  EXPECT_TRUE(decoded(encoded(engine::StepBatch{})).whole_logits);
}

// The answer of a rank as it crosses the channel.
std::vector<std::byte> answer_of(const engine::RankSpan& span,
                                 std::span<const float> logits,
                                 const engine::Candidates& candidates = {}) {
  auto [here, there] = channel_pair();
  const auto head = encode_result_head(span, candidates);
  here.send(result_frame(head, logits, candidates));
  return there.receive(soon())->payload;
}

template <typename T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(StepCodec, AResultSurvivesTheRoundTrip) {
  std::vector<std::byte> answer = answer_of(
      {.begin = 1, .end = 4, .receiving = 0.5, .sending = 0.25}, std::vector<float>{1, 2});
  const RankResult result = decode_result(answer);
  EXPECT_EQ(result.span.begin, 1);
  EXPECT_EQ(result.span.busy_seconds(), 2.25);
  EXPECT_EQ(values_of<float>(result.logits), (std::vector<float>{1, 2}));
  EXPECT_TRUE(result.candidate_tokens.empty());
  answer.pop_back();
  EXPECT_EQ(code_of([&] { (void)decode_result(answer); }), ErrorCode::kInvalidFile);
}

TEST(StepCodec, CandidatesComeWithAndWithoutLogits) {
  const std::vector<float> best = {3, 2, 1};
  const std::vector<int32_t> tokens = {7, 0, 5};
  for (const std::vector<float>& logits : {std::vector<float>{}, std::vector<float>{1, 2}}) {
    const std::vector<std::byte> answer = answer_of({}, logits, {best, tokens});
    const RankResult result = decode_result(answer);
    EXPECT_EQ(values_of<float>(result.logits), logits);
    EXPECT_EQ(values_of<float>(result.candidate_logits), best);
    EXPECT_EQ(values_of<int32_t>(result.candidate_tokens), tokens);
  }
  std::vector<std::byte> bytes = answer_of({}, {}, {best, tokens});
  for (const int64_t lie : {int64_t{4}, int64_t{-1}, INT64_MAX}) {
    std::memcpy(bytes.data() + 4 * sizeof(double), &lie, sizeof(lie));
    EXPECT_EQ(code_of([&] { (void)decode_result(bytes); }), ErrorCode::kInvalidFile) << lie;
  }
}

TEST(StepCodec, SizesThatDoNotMatchAreRefused) {
  std::vector<std::byte> bytes = encoded(engine::StepBatch{});
  for (const int64_t lie : {int64_t{1}, int64_t{-1}, INT64_MAX}) {
    std::memcpy(bytes.data(), &lie, sizeof(lie));
    EXPECT_EQ(code_of([&] { (void)decoded(bytes); }), ErrorCode::kInvalidFile) << lie;
  }
  EXPECT_EQ(code_of([&] { (void)decoded({}); }), ErrorCode::kInvalidFile);
  engine::StepBatch negative;
  negative.block_tables = {0, 1};
  negative.sequences = -1;
  negative.blocks_per_sequence = -2;
  EXPECT_EQ(code_of([&] { (void)decoded(encoded(negative)); }), ErrorCode::kInvalidFile);
  bytes = encoded(engine::StepBatch{});
  bytes.push_back(std::byte{0});
  EXPECT_EQ(code_of([&] { (void)decoded(bytes); }), ErrorCode::kInvalidFile);
}

// The receiver would take it for bytes of something else.
TEST(Channel, AMessageThatIsTooLongIsRefusedBySize) {
  const auto bytes = std::make_unique_for_overwrite<std::byte[]>(kMaxPayloadBytes);  // untouched
  const std::span<const std::byte> most(bytes.get(), kMaxPayloadBytes);
  const std::byte more{0};
  EXPECT_NO_THROW(OutgoingFrame(FrameType::kStepDone, {most}));
  try {
    const OutgoingFrame frame(FrameType::kStepDone, {{&more, 1}, most});
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(e.what(), testing::HasSubstr("1073741825 bytes"));
  }
}

}  // namespace
}  // namespace partita::launch
