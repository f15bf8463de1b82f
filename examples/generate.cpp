// SPDX-License-Identifier: Apache-2.0
// The library in 40 lines: load a checkpoint, plan it over ranks, stream text.
// usage: generate DIR [RANKS [PROMPT]]
#include <cstdio>
#include <cstdlib>
#include <string>

#include "partita/partita.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DIR [RANKS [PROMPT]]\n", argv[0]);
    return 2;
  }
  const int ranks = argc > 2 ? std::atoi(argv[2]) : 2;
  const std::string prompt = argc > 3 ? argv[3] : "Once upon a time";
  try {
    // Reads the config and the tokenizer; no weights yet.
    const partita::Model model = partita::Model::load(argv[1]);

    // Decides how the model lies on the ranks, and says so.
    const partita::Plan plan =
        partita::Plan::make(model, {.mesh = {}, .ranks = ranks, .devices = {}});
    std::printf("%s\n", plan.explain().c_str());

    // Starts the ranks (here: threads of this process); each reads only its part of the weights.
    partita::Engine engine(model, plan);

    std::printf("%s", prompt.c_str());
    const partita::Completion completion =
        engine.generate(prompt, {.max_tokens = 40, .stop = {}}, [](std::string_view text) {
          std::fwrite(text.data(), 1, text.size(), stdout);
          std::fflush(stdout);
        });
    std::printf("\n(%zu tokens, ended by %s)\n", completion.tokens.size(),
                completion.finish_reason.c_str());
    return 0;
  } catch (const partita::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return exit_code(error.code());
  }
}
