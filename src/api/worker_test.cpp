// SPDX-License-Identifier: Apache-2.0
// What a rank process says when the frontend does not want it.
#include "partita/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

#include "launch/rendezvous.h"
#include "support/error.h"

namespace partita {
namespace {

using std::chrono::milliseconds;

// The error of a rank that is started with this secret, while `frontend` is served.
std::string failure_of_rank(launch::Rendezvous& frontend, const std::string& secret) {
  const std::pair<const char*, std::string> variables[] = {
      {launch::kControlVariable, frontend.variables().control},
      {launch::kSecretVariable, secret},
      {"RANK", "0"},
      {"WORLD_SIZE", "1"}};
  for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
  auto rank = std::async(std::launch::async, []() -> std::string {
    try {
      return "ended with " + std::to_string(run_worker());
    } catch (const Error& error) {
      return error.what();
    }
  });
  // A rank that is welcome is left alone at once.
  while (rank.wait_for(milliseconds(0)) != std::future_status::ready) {
    (void)frontend.next(milliseconds(5));
  }
  for (const auto& [name, value] : variables) unsetenv(name);
  return rank.get();
}

TEST(Worker, SaysWhyItIsRefused) {
  launch::Rendezvous frontend;
  EXPECT_THAT(failure_of_rank(frontend, "guess"),
              testing::HasSubstr("does not know this PARTITA_SECRET"));
  EXPECT_EQ(frontend.refused(), 1);
}

TEST(Worker, SaysWhatToCheckWhenTheFrontendLeaves) {
  launch::Rendezvous frontend;
  EXPECT_THAT(failure_of_rank(frontend, frontend.variables().secret),
              testing::HasSubstr("refused this process or left; check PARTITA_SECRET"));
}

}  // namespace
}  // namespace partita
