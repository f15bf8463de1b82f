#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""partita beside llama.cpp on the very same GGUF file: interleaved trials, one JSON line of ratios per case.

  bench/compare/compare_llama_cpp.py model-q8_0.gguf --threads 1 2 --batches 1 8

A ratio above 1 says that partita is faster. The first use compiles llama.cpp for this machine (llama-cpp-python),
which takes some minutes. Let the machine rest meanwhile.
"""
import argparse
import pathlib

import peers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1])
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--output", type=int, default=33)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venv", default=str(peers.ROOT / "build/venv-llama-cpp"), help="Where llama-cpp-python is")
    arguments = parser.parse_args()
    python = peers.python_with(arguments.venv, ["llama-cpp-python"])
    worker = pathlib.Path(__file__).with_name("llama_cpp_worker.py")
    for model in arguments.models:
        for threads in arguments.threads:
            for batch in arguments.batches:
                def ours():
                    return peers.partita_trial(model, threads, batch, arguments.prompt, arguments.output)

                def theirs():
                    return peers.last_json([python, worker, model, "--threads", threads, "--batch", batch, "--prompt",
                                            arguments.prompt, "--output", arguments.output])

                case = {"bench": "llama.cpp", "model": pathlib.Path(model).name, "threads": threads, "batch": batch,
                        "prompt_tokens": arguments.prompt, "output_tokens": arguments.output}
                peers.report(case, peers.interleave(arguments.rounds, ours, theirs), arguments.rounds)


if __name__ == "__main__":
    main()
