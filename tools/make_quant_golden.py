# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/quant_blocks.json: blocks of Q8_0 and Q4_0 as the package gguf makes them.

Usage: python tools/make_quant_golden.py
Needs numpy and gguf (0.19.0 made the committed file); the tests need neither.
"""
import json
from pathlib import Path

import numpy
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

TARGET = Path(__file__).resolve().parent.parent / "tests" / "golden" / "quant_blocks.json"
BLOCK = 32


def rows():
    """Blocks whose every corner matters: normal values, ties, signs, zeros, tiny and large ones."""
    random = numpy.random.default_rng(7)
    result = [random.normal(0, scale, BLOCK) for scale in (0.02, 1, 300)]
    result.append(random.uniform(-1, 1, BLOCK))
    result.append(numpy.zeros(BLOCK))
    result.append(numpy.where(numpy.arange(BLOCK) == 5, -3.5, 0))
    result.append((numpy.arange(BLOCK) - 15.5) * 127 / 16)  # halves: ties of the 8-bit rounding
    result.append(numpy.where(numpy.arange(BLOCK) % 2 == 0, 2.0, -2.0))  # the first decides the sign
    result.append(numpy.where(numpy.arange(BLOCK) % 2 == 0, -127.0, numpy.arange(BLOCK) + 0.5))
    result.append(random.normal(0, 1e-6, BLOCK))  # the scale is subnormal in f16
    result.append(random.normal(0, 1e-20, BLOCK))  # the scale is 0 in f16
    return numpy.array(result, dtype=numpy.float32)


def hexadecimal(array):
    return [row.tobytes().hex() for row in array]


def main():
    values = rows()
    golden = {"f32": hexadecimal(values)}
    for name, kind in (("q8_0", GGMLQuantizationType.Q8_0), ("q4_0", GGMLQuantizationType.Q4_0)):
        blocks = quantize(values, kind)
        golden[name] = {"blocks": hexadecimal(blocks),
                        "values": hexadecimal(dequantize(blocks, kind).astype(numpy.float32))}
    TARGET.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
