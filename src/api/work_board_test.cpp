// SPDX-License-Identifier: Apache-2.0
// Steps, reports, failures and the end between the thread of an engine and those of its ranks.
#include "api/work_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "support/error.h"

namespace partita::api {
namespace {

using std::chrono::microseconds;
using testing::HasSubstr;

constexpr int kReplicas = 2;
constexpr int kRanksPerReplica = 2;
constexpr int kRanks = kReplicas * kRanksPerReplica;
constexpr int64_t kInFlight = 3;

engine::StepBatch batch_of(int32_t token) {
  engine::StepBatch batch;
  batch.token_ids = {token};
  return batch;
}

struct Rank {
  int number = 0;
  microseconds patience{0};
};

// A step with its token, a report with how much was done before it.
void answer(WorkBoard& board, const Rank& rank, RankWork& work, uint64_t number) {
  if (!work.batch) {
    engine::RankReport report;
    report.rank = rank.number;
    report.pid = static_cast<int64_t>(number);
    board.put_report(rank.number, report);
    return;
  }
  const auto own = static_cast<size_t>(rank.number % kRanksPerReplica);
  work.result.spans[own].rank = rank.number;
  // The last rank of a replica has the logits.
  if (own + 1 == kRanksPerReplica)
    work.result.logits = {static_cast<float>(work.batch->token_ids.at(0))};
}

void serve(WorkBoard& board, const Rank& rank) {
  board.note_progress(rank.number, 1, 2);
  board.note_progress(rank.number, 2, 2);
  board.note_loaded();
  uint64_t number = 0;
  while (RankWork* work = board.next(rank.number, number, rank.patience)) {
    answer(board, rank, *work, number++);
    board.finish(*work);
  }
  board.leave();
}

// A board and the threads of its ranks; ends them.
class Served {
 public:
  explicit Served(const std::vector<Rank>& ranks) {
    for (const Rank& rank : ranks) threads_.emplace_back([this, rank] { serve(board, rank); });
  }
  ~Served() {
    board.end();
    for (std::thread& thread : threads_) thread.join();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  WorkBoard board{kReplicas, kRanksPerReplica};

 private:
  std::vector<std::thread> threads_;
};

// Of which some look for work before they sleep.
std::vector<Rank> good_ranks() {
  std::vector<Rank> ranks;
  for (int number = 0; number < kRanks; ++number)
    ranks.push_back({.number = number, .patience = microseconds(number % 2 == 0 ? 0 : 50)});
  return ranks;
}

std::string error_of(const std::function<void()>& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(WorkBoard, LoadingPassesTheLastProgressOfEveryRankOn) {
  Served served(good_ranks());
  std::vector<int64_t> done(kRanks);
  served.board.wait_until_loaded([&](int rank, int64_t bytes, int64_t total) {
    EXPECT_EQ(total, 2);
    EXPECT_GT(bytes, done.at(static_cast<size_t>(rank)));
    done.at(static_cast<size_t>(rank)) = bytes;
  });
  EXPECT_EQ(done, std::vector<int64_t>(kRanks, 2));
}

// Replicas at their own pace; within one, in order, also with reports between the steps.
TEST(WorkBoard, EveryStepComesBackOnceAndInTheOrderOfItsReplica) {
  constexpr int32_t kSteps = 600;
  Served served(good_ranks());
  served.board.wait_until_loaded({});
  std::vector<int32_t> submitted(kReplicas);
  std::vector<int32_t> answered(kReplicas);
  for (int32_t i = 0; i < kReplicas * kSteps; ++i) {
    for (size_t replica = 0; replica < kReplicas; ++replica) {
      while (submitted[replica] < kSteps && submitted[replica] - answered[replica] < kInFlight)
        served.board.submit(static_cast<int>(replica), batch_of(submitted[replica]++), kInFlight);
    }
    if (i % 100 == 50) {
      EXPECT_EQ(served.board.report().size(), static_cast<size_t>(kRanks));
    }
    const engine::StepResult& result = served.board.wait();
    const auto replica = static_cast<size_t>(result.replica);
    ASSERT_EQ(result.logits, std::vector<float>{static_cast<float>(answered.at(replica)++)});
    ASSERT_EQ(result.spans.size(), static_cast<size_t>(kRanksPerReplica));
    for (size_t own = 0; own < kRanksPerReplica; ++own)
      ASSERT_EQ(result.spans[own].rank, result.replica * kRanksPerReplica + static_cast<int>(own));
  }
  EXPECT_EQ(answered, std::vector<int32_t>(kReplicas, kSteps));
}

TEST(WorkBoard, AReportIsThatOfEveryRankAfterTheStepsBeforeIt) {
  Served served(good_ranks());
  served.board.wait_until_loaded({});
  served.board.submit(1, batch_of(5), kInFlight);
  const std::vector<engine::RankReport> reports = served.board.report();
  ASSERT_EQ(reports.size(), static_cast<size_t>(kRanks));
  for (int rank = 0; rank < kRanks; ++rank) {
    EXPECT_EQ(reports[static_cast<size_t>(rank)].rank, rank);
    EXPECT_EQ(reports[static_cast<size_t>(rank)].pid, rank / kRanksPerReplica);  // work before it
  }
  EXPECT_EQ(served.board.wait().logits, std::vector<float>{5});
}

TEST(WorkBoard, TooManyStepsAndNoneAreProgrammingErrors) {
  Served served(good_ranks());
  served.board.wait_until_loaded({});
  EXPECT_THAT(error_of([&] { (void)served.board.wait(); }, ErrorCode::kInternal),
              HasSubstr("no step is in flight"));
  served.board.submit(0, batch_of(0), 1);
  EXPECT_THAT(error_of([&] { served.board.submit(0, batch_of(1), 1); }, ErrorCode::kInternal),
              HasSubstr("1 steps are in flight"));
  EXPECT_EQ(served.board.wait().logits, std::vector<float>{0});
}

// Whichever tells first; every later call throws it again.
TEST(WorkBoard, TheCauseIsThrownAndNotWhatItsVictimSays) {
  for (const bool is_victim_first : {true, false}) {
    WorkBoard board(1, 2);
    std::latch both_work(2);
    std::latch first_has_failed(1);
    const auto play = [&](int number, bool is_first, const RankFailure& failure) {
      board.note_loaded();
      EXPECT_NE(board.next(number, 0, microseconds(0)), nullptr);
      both_work.arrive_and_wait();
      if (!is_first) first_has_failed.wait();
      board.fail(failure);
      if (is_first) first_has_failed.count_down();
      EXPECT_EQ(board.next(number, 1, microseconds(0)), nullptr);
      board.leave();
    };
    std::thread victim([&] {
      play(0, is_victim_first, {ErrorCode::kDeadlineExceeded, "waited for rank 1", true});
    });
    std::thread cause([&] {
      play(1, !is_victim_first, {ErrorCode::kInternal, "rank 1 is broken", false});
    });
    board.wait_until_loaded({});
    board.submit(0, batch_of(1), kInFlight);
    const auto expect_cause = [&](const std::function<void()>& call) {
      EXPECT_EQ(error_of(call, ErrorCode::kInternal), "rank 1 is broken");
    };
    expect_cause([&] { (void)board.wait(); });
    expect_cause([&] { (void)board.report(); });
    expect_cause([&] { board.submit(0, batch_of(1), kInFlight); });
    victim.join();
    cause.join();
  }
}

TEST(WorkBoard, AFailureWhileRanksLoadIsThrown) {
  WorkBoard board(1, 2);
  std::thread good([&] {
    board.note_loaded();
    EXPECT_EQ(board.next(0, 0, microseconds(0)), nullptr);
    board.leave();
  });
  std::thread bad([&] {
    board.fail({ErrorCode::kInvalidFile, "no such weight", false});
    board.leave();
  });
  EXPECT_EQ(error_of([&] { board.wait_until_loaded({}); }, ErrorCode::kInvalidFile),
            "no such weight");
  good.join();
  bad.join();
}

// Whether they sleep or look.
TEST(WorkBoard, TheEndWakesRanksThatWait) {
  for (const auto patience : {microseconds(0), microseconds(1'000'000)}) {
    WorkBoard board(1, 1);
    std::thread rank([&] {
      board.note_loaded();
      EXPECT_EQ(board.next(0, 0, patience), nullptr);
      board.leave();
    });
    board.wait_until_loaded({});
    board.end();
    rank.join();
  }
}

}  // namespace
}  // namespace partita::api
