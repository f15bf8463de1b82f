#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""partita with tp=2 beside transformers' tp_plan="auto" on two gloo processes: interleaved trials, one JSON line.

  bench/compare/compare_transformers.py DIR

A ratio above 1 says that partita is faster. Both run two ranks of one thread.
"""
import argparse
import pathlib

import peers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Folder of a Hugging Face checkpoint")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--output", type=int, default=33)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--venv", default=str(peers.ROOT / "build/venv-transformers"), help="Where transformers is")
    arguments = parser.parse_args()
    python = peers.python_with(arguments.venv, ["torch", "transformers", "accelerate"])
    worker = pathlib.Path(__file__).with_name("transformers_worker.py")

    def ours():
        return peers.partita_trial(arguments.model, 1, 1, arguments.prompt, arguments.output, mesh="tp=2")

    def theirs():
        return peers.last_json([python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, worker,
                                arguments.model, "--prompt", arguments.prompt, "--output", arguments.output])

    case = {"bench": "transformers tp_plan", "model": pathlib.Path(arguments.model).name, "ranks": 2,
            "prompt_tokens": arguments.prompt, "output_tokens": arguments.output}
    peers.report(case, peers.interleave(arguments.rounds, ours, theirs), arguments.rounds)


if __name__ == "__main__":
    main()
