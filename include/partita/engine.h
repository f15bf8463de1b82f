// SPDX-License-Identifier: Apache-2.0
// Running a planned model: start the ranks, generate text, report what it cost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "partita/model.h"
#include "partita/plan.h"

namespace partita {

struct EngineOptions {
  // "threads" (virtual ranks in this process), "fork", "mpirun", "srun", or "external" (ranks
  // started by somebody else).
  std::string launcher = "threads";
  // Between the ranks: "auto" (local for threads, shm for fork, mpi for the others), "shm" or
  // "mpi".
  std::string transport = "auto";
  std::string worker_program =
      {};  // of rank processes; empty = the program `partita` beside the caller, then on PATH
  std::string log_dir = {};  // output of rank processes; empty = ours
  int threads_per_rank = 0;  // 0 = usable cores / ranks on this host, at least 1
  // Stages work on several steps at the same time, and all ranks while texts are made. False: one
  // step at a time, none between calls of step(); for measuring steps by themselves.
  bool overlap = true;
  bool trace = false;  // keeps what every rank did when, for Engine::write_trace()
  // A step that takes longer names the silent rank and ends its replica. 0 = ten times what the
  // plan predicts for its longest step, at least 10 s.
  int step_timeout_ms = 0;
  int start_timeout_ms = 600000;  // until all rank processes have loaded
  // Told while weights load, on the thread that constructs the Engine: bytes of one rank.
  std::function<void(int rank, int64_t bytes, int64_t total_bytes)> on_progress = {};
  // Told when ranks have failed and the others go on without their replica; the requests it had are
  // restarted there. When none is left the error is thrown. On the thread that calls step(),
  // logits() or report(), whichever sees it first.
  std::function<void(int replica, const std::string& why)> on_loss = {};
  // "external" only: told the environment variables the ranks need.
  std::function<void(const std::string& variables)> on_external = {};
};

struct GenerateOptions {
  int64_t max_tokens = 128;
  double temperature = 0;  // 0 = greedy
  int64_t top_k = 0;       // 0 = all
  double top_p = 1;
  double repetition_penalty = 1;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  bool ignore_end_of_text = false;
};

// What Engine::submit() refuses of them whatever the prompt is, for use before ranks are started.
// Throws kInvalidArgument naming the option and its range.
void check_generate_options(const Model& model, const GenerateOptions& options);
// What Engine::submit() refuses of a prompt of tokens when the model runs by this plan, likewise.
// Throws kInvalidArgument: no token, one outside the vocabulary, or more than fit the context.
void check_prompt(const Model& model, const Plan& plan, const std::vector<int32_t>& prompt);

struct Completion {
  std::string text;
  std::vector<int32_t> prompt_tokens;
  std::vector<int32_t> tokens;
  std::string finish_reason;  // "eos", "stop", "length", "cancelled"
};

struct CollectiveCost {
  std::string kind;  // "all_reduce", ...
  int64_t calls = 0;
  int64_t payload_bytes = 0;   // of the whole tensors
  int64_t wire_bytes = 0;      // sent by this rank
  double seconds = 0;          // waiting for peers included
  double waiting_seconds = 0;  // of these; 0 where the transport cannot tell (mpi)
};

struct OpCost {
  std::string op;  // "linear", "attention", ...; collectives of the program included
  int64_t calls = 0;
  double seconds = 0;
};

// Seconds of loading one rank, one after the other.
struct LoadCost {
  double program = 0;  // importing the model and cutting out the rank's part; 0 for virtual ranks
  double read = 0;     // reading weights, or waiting for threads that read them
  double pack = 0;     // binding kernels, which pack their weights, while others are being read
  double buffers = 0;  // memory of caches and activations
};

struct RankCost {
  int rank = 0;  // of all replicas: those of the first one come first
  int replica = 0;
  bool is_lost = false;  // with its replica: nothing below is known
  int stage = 0;
  int64_t pid = 0;
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t activation_bytes = 0;
  int64_t bytes_read = 0;
  int64_t peak_rss_bytes = 0;
  double load_seconds = 0;
  LoadCost load;
  // In steps, without waiting for and passing on the values of other stages. What is missing to the
  // prefill and decode seconds of the report is the rank's bubble.
  double busy_seconds = 0;
  std::vector<CollectiveCost> collectives;
  std::vector<OpCost> ops;  // in the order of first use; what moves no data is not listed
};

struct RunReport {
  double start_seconds = 0;  // from the call to ready ranks
  int64_t prefill_tokens = 0;
  double prefill_seconds = 0;
  int64_t decode_tokens = 0;
  int64_t decode_steps = 0;
  double decode_seconds = 0;
  std::vector<RankCost> ranks;
};

// Called with every piece of text; never half a character. What it throws comes out of the step()
// or generate() under way. It may call submit(), cancel() and take(), but not step() or generate().
using OnText = std::function<void(std::string_view text)>;

// A running model. Owned and used by one thread, which must outlive it; several requests may be in
// flight at once.
class Engine {
 public:
  // Starts the ranks and loads the weights. Throws kInvalidArgument for options out of range,
  // kRankFailed, kDeadlineExceeded, and what loading finds.
  Engine(const Model& model, const Plan& plan, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Runs one prompt to its end. When something is thrown meanwhile, this request is cancelled,
  // others stay in flight.
  Completion generate(std::string_view prompt,
                      const GenerateOptions& options = {},
                      const OnText& on_text = {});
  // Queues a prompt of tokens; step() computes all queued requests together. take() gives the
  // completion once it is done.
  int64_t submit(std::vector<int32_t> prompt,
                 const GenerateOptions& options = {},
                 OnText on_text = {});
  bool step();  // false when nothing is in flight
  void cancel(int64_t request);
  [[nodiscard]] Completion take(
      int64_t request);  // throws kNotFound when unknown, kInvalidArgument when not done
  // The logits [positions, vocab_size] that the model gives after each position of a prompt. Throws
  // kInvalidArgument for tokens outside the vocabulary, too many tokens, or requests in flight.
  // When ranks fail it starts again with a replica that is left; throws kRankFailed or
  // kDeadlineExceeded when there is none.
  [[nodiscard]] std::vector<float> logits(const std::vector<int32_t>& prompt);

  // May be called at any time; waits for the steps in flight.
  [[nodiscard]] RunReport report();
  // All steps so far, in the Trace Event Format that chrome://tracing and ui.perfetto.dev read: one
  // row per rank. Throws kInvalidArgument without EngineOptions::trace, kSystem when the file
  // cannot be written.
  void write_trace(const std::filesystem::path& file) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace partita
