#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times prefill and decode of a GGUF model in llama.cpp (through llama-cpp-python); prints one JSON line.

Run by compare_llama_cpp.py, in the interpreter that has the package. Tokens are pseudo-random and the next
token is not chosen from the logits, so that exactly the model is timed; logits are asked for where a server would.
"""
import argparse
import ctypes
import json
import random
import statistics
import time

import llama_cpp as lib


class Batch:
    """A batch of up to `tokens` tokens, each of one sequence."""

    def __init__(self, tokens):
        self.batch = lib.llama_batch_init(tokens, 0, 1)
        self.batch.n_tokens = 0

    def add(self, token, position, sequence, wants_logits):
        at = self.batch.n_tokens
        self.batch.token[at] = token
        self.batch.pos[at] = position
        self.batch.n_seq_id[at] = 1
        self.batch.seq_id[at][0] = sequence
        self.batch.logits[at] = wants_logits
        self.batch.n_tokens = at + 1

    def run(self, context):
        if lib.llama_decode(context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        lib.llama_synchronize(context)
        self.batch.n_tokens = 0


# llama.cpp keeps the address, so the object must live as long.
SILENCE = lib.llama_log_callback(lambda *_: None)


def load(arguments):
    lib.llama_log_set(SILENCE, ctypes.c_void_p(0))
    lib.llama_backend_init()
    model = lib.llama_model_load_from_file(arguments.model.encode(), lib.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp cannot load {arguments.model}")
    settings = lib.llama_context_default_params()
    settings.n_ctx = (arguments.prompt + arguments.output) * arguments.batch
    settings.n_batch = settings.n_ubatch = max(arguments.prompt, arguments.batch)
    settings.n_seq_max = arguments.batch
    settings.n_threads = settings.n_threads_batch = arguments.threads
    settings.flash_attn_type = -1 if arguments.flash_attention == "auto" else int(arguments.flash_attention == "on")
    context = lib.llama_init_from_model(model, settings)
    if not context:
        raise SystemExit("llama.cpp cannot make a context")
    return model, context


def trial(arguments, model, context):
    """Seconds of prefilling all prompts, and of each decode step."""
    vocab_size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
    source = random.Random(1)
    batch = Batch(max(arguments.prompt, arguments.batch))
    start = time.perf_counter()
    for sequence in range(arguments.batch):
        for position in range(arguments.prompt):
            batch.add(source.randrange(vocab_size), position, sequence, position + 1 == arguments.prompt)
        batch.run(context)
    prefill = time.perf_counter() - start
    decode = []
    for step in range(arguments.output - 1):
        start = time.perf_counter()
        for sequence in range(arguments.batch):
            batch.add(source.randrange(vocab_size), arguments.prompt + step, sequence, True)
        batch.run(context)
        decode.append(time.perf_counter() - start)
    lib.llama_batch_free(batch.batch)
    return prefill, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--output", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--flash-attention", choices=["auto", "on", "off"], default="auto")
    arguments = parser.parse_args()
    model, context = load(arguments)
    trial(arguments, model, context)
    prefill, decode = [], []
    for _ in range(arguments.repeats):
        seconds, steps = trial(arguments, model, context)
        prefill.append(seconds)
        decode += steps
    print(json.dumps({"engine": "llama.cpp", "version": lib.__version__, "model": arguments.model,
                      "threads": arguments.threads, "batch": arguments.batch,
                      "prompt_tokens": arguments.prompt, "output_tokens": arguments.output,
                      "prefill_s": statistics.median(prefill), "decode_s": statistics.median(decode)}))


if __name__ == "__main__":
    main()
