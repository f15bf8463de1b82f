# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden: tiny checkpoints, tokenizers and what transformers makes of them.

Usage: python tools/make_goldens.py [case ...]
Needs torch, transformers, tokenizers, safetensors and numpy; the tests need none of them.
"""
import os
import platform
import sys
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread: ties in training break the same way
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import golden_models  # noqa: E402
import golden_tokenizers  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent / "tests" / "golden"


def versions():
    return {"python": platform.python_version(), "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
            "numpy": numpy.__version__}


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    os.umask(0o022)
    only = sys.argv[1:] or None
    golden_models.make_all(ROOT, versions(), only)
    golden_tokenizers.make_all(ROOT / "tokenizers", versions(), only)


if __name__ == "__main__":
    main()
