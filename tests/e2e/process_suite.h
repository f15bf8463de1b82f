// SPDX-License-Identifier: Apache-2.0
// What must hold for ranks that are processes, whichever launcher starts them.
#pragma once

#include <string>

namespace partita::tests {

// Each runs gtest expectations for one launcher ("fork" or "mpirun").
void expect_every_plan_equals_transformers(const std::string& launcher,
                                           const std::string& golden_name);
void expect_same_sampled_text(const std::string& launcher, const std::string& mesh);
void expect_killed_rank_is_reported(const std::string& launcher);
// Of two replicas under load: the requests of both get the tokens of an undisturbed run.
void expect_lost_replica_loses_no_request(const std::string& launcher);
void expect_stopped_rank_is_named(const std::string& launcher);
// While steps wait in front of its peer, which is then the one that reports.
void expect_stopped_stage_is_named(const std::string& launcher);
// `prefix` = what stands before "<variables> partita worker" in the shell; "for ... do" is closed
// by "& done".
void expect_external_ranks_join(const std::string& transport, const std::string& prefix);
void expect_nothing_is_left_behind(const std::string& launcher);
// Ends `partita run` by `signal` in the middle of its text: its ranks and files must go too.
void expect_a_signal_ends_everything(const std::string& launcher, int signal);

}  // namespace partita::tests
