// SPDX-License-Identifier: Apache-2.0
// Names of calls, and transports that are not built.
#include <gtest/gtest.h>

#include <string>

#include "comm/counters.h"
#include "comm/mpi/mpi.h"
#include "comm/nccl/nccl.h"
#include "support/error.h"

namespace partita::comm {
namespace {

TEST(CollectiveKind, HasANameForEachKind) {
  EXPECT_EQ(to_string(CollectiveKind::kAllReduce), "all_reduce");
  EXPECT_EQ(to_string(CollectiveKind::kReduceScatter), "reduce_scatter");
  EXPECT_EQ(to_string(CollectiveKind::kBarrier), "barrier");
}

TEST(Nccl, SaysHowToGetItWhenItWasNotBuilt) {
  if (nccl_built()) GTEST_SKIP() << "built with NCCL";
  try {
    (void)make_nccl_communicator({}, 0, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("cannot yet"), std::string::npos);
  }
}

TEST(Mpi, SaysHowToGetItWhenItWasNotBuilt) {
  if (mpi_built()) GTEST_SKIP() << "built with MPI";
  try {
    (void)make_mpi_world();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("PARTITA_MPI"), std::string::npos);
  }
}

}  // namespace
}  // namespace partita::comm
