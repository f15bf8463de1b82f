# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/gguf: what llama.cpp makes of GGUF files that partita writes, and of a vocabulary.

Usage: python tools/golden_gguf.py PARTITA_PROGRAM
Needs llama-cpp-python, gguf and numpy; the tests need none of them: they write the same files again.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy

import golden_texts

ROOT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "gguf"
SHAPES = {"llama": ["--kv-heads", "2"], "gpt2": [], "qwen2": ["--kv-heads", "2"], "qwen3": ["--kv-heads", "2"]}
COMMON = ["--hidden", "64", "--layers", "2", "--heads", "4", "--ffn", "96", "--vocab", "300", "--context", "128",
          "--format", "gguf"]
DTYPES = ["f32", "bf16", "q8_0", "q4_0"]
PROMPT = "once upon a time"
TOKENS = 8
LEAST_MARGIN = 0.15  # between the best two logits of each greedy token


def open_model(path, **options):
    return llama_cpp.Llama(str(path), n_threads=1, verbose=False, **options)


def greedy(path):
    """(prompt ids, tokens, logits after the prompt, smallest margin)."""
    # Its caches are f16 unless told otherwise; ours are f32.
    f32 = llama_cpp.GGML_TYPE_F32
    model = open_model(path, n_ctx=128, logits_all=True, type_k=f32, type_v=f32)
    prompt = model.tokenize(PROMPT.encode(), add_bos=True, special=True)
    model.eval(prompt)
    logits = model.scores[model.n_tokens - 1].copy()
    tokens, margin = [], float("inf")
    for _ in range(TOKENS):
        last = model.scores[model.n_tokens - 1]
        best = numpy.argsort(last)[-2:]
        margin = min(margin, float(last[best[1]] - last[best[0]]))
        tokens.append(int(best[1]))
        model.eval([tokens[-1]])
    return prompt, tokens, logits, margin


def make_case(program, family, dtype, folder):
    """The first seed whose greedy tokens are clear."""
    for seed in range(1, 200):
        path = Path(folder) / f"{family}.{dtype}.{seed}.gguf"
        subprocess.run([program, "make-model", "--family", family, *COMMON, *SHAPES[family], "--dtype", dtype,
                        "--seed", str(seed), "--out", str(path), "--json"], check=True, stdout=subprocess.DEVNULL)
        prompt, tokens, logits, margin = greedy(path)
        if margin >= LEAST_MARGIN:
            return {"family": family, "dtype": dtype, "seed": seed, "text": PROMPT, "prompt": prompt,
                    "tokens": tokens, "margin": round(margin, 4), "logits": [round(float(x), 5) for x in logits]}
    sys.exit(f"golden_gguf: no clear seed for {family} {dtype}")


def train_pieces(texts, count):
    """Pieces of a byte-pair encoding with the score that SentencePiece gives them: minus their rank."""
    words = [list("\u2581" + text.replace(" ", "\u2581")) for text in texts]
    pieces = []
    while len(pieces) < count:
        pairs = {}
        for word in words:
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = max(sorted(pairs), key=pairs.get)
        pieces.append(best[0] + best[1])
        for word in words:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == best:
                    word[at:at + 2] = [best[0] + best[1]]
                at += 1
    characters = sorted({c for text in texts for c in text.replace(" ", "\u2581")} | {"\u2581"})
    return list(dict.fromkeys(pieces)), characters


def write_vocabulary(path):
    pieces, characters = train_pieces(golden_texts.TRAINING, 160)
    kinds = gguf.TokenType
    rows = [("<unk>", 0.0, kinds.UNKNOWN), ("<s>", 0.0, kinds.CONTROL), ("</s>", 0.0, kinds.CONTROL)]
    rows += [(f"<0x{byte:02X}>", 0.0, kinds.BYTE) for byte in range(256)]
    rows += [(piece, float(-rank), kinds.NORMAL) for rank, piece in enumerate(pieces)]
    known = {row[0] for row in rows}
    rows += [(c, -1000.0 - i, kinds.NORMAL) for i, c in enumerate(characters) if c not in known]
    rows += [("<|turn|>", 0.0, kinds.CONTROL), ("<tool>", 0.0, kinds.USER_DEFINED)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(len(rows))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([row[0] for row in rows])
    writer.add_token_scores([row[1] for row in rows])
    writer.add_token_types([row[2] for row in rows])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def make_vocabulary_cases():
    path = ROOT / "scored_vocabulary.gguf"
    write_vocabulary(path)
    model = open_model(path, vocab_only=True)
    texts = golden_texts.PLAIN + golden_texts.with_added(["<|turn|>", "<tool>"])
    return [{"text": text, "ids": model.tokenize(text.encode(), add_bos=True, special=True)} for text in texts]


def write(name, value):
    (ROOT / name).write_text(json.dumps(value, ensure_ascii=True, indent=1) + "\n", encoding="ascii")


def main():
    ROOT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        cases = [make_case(sys.argv[1], family, dtype, folder) for family in SHAPES for dtype in DTYPES]
    write("runs.json", {"versions": {"llama_cpp_python": llama_cpp.__version__, "numpy": numpy.__version__},
                        "cases": cases})
    write("scored_vocabulary.json", make_vocabulary_cases())


if __name__ == "__main__":
    main()
