#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times prefill and decode of a Hugging Face model cut by transformers' own tp_plan; rank 0 prints one JSON line.

Run by compare_transformers.py under torchrun with the gloo backend, one thread per rank.
"""
import argparse
import json
import os
import statistics
import time

import torch
import torch.distributed
import transformers


def trial(model, arguments):
    """Seconds of prefilling the prompt, and of each greedy decode step."""
    ids = torch.randint(0, model.config.vocab_size, (1, arguments.prompt), generator=torch.Generator().manual_seed(1))
    start = time.perf_counter()
    out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
    prefill = time.perf_counter() - start
    decode = []
    for _ in range(arguments.output - 1):
        ids = out.logits[:, -1:].argmax(-1)
        start = time.perf_counter()
        out = model(input_ids=ids, past_key_values=out.past_key_values, use_cache=True)
        decode.append(time.perf_counter() - start)
    return prefill, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--output", type=int, default=33)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, tp_plan="auto", dtype="auto").eval()
    with torch.inference_mode():
        trial(model, arguments)
        prefill, decode = trial(model, arguments)
    if torch.distributed.get_rank() == 0:
        print(json.dumps({"engine": "transformers", "version": transformers.__version__, "torch": torch.__version__,
                          "model": arguments.model, "ranks": int(os.environ["WORLD_SIZE"]),
                          "prefill_s": prefill, "decode_s": statistics.median(decode)}), flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
