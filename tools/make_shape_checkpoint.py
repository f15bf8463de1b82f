#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a Hugging Face checkpoint of a given shape with pseudo-random weights.

Needs the standard library only. The same arguments give the same bytes.
Usage: make_shape_checkpoint.py OUT_DIR --preset gpt2-124m [--dtype f32|bf16|f16] [--shards N]
       make_shape_checkpoint.py OUT_DIR --config CONFIG.json [...]
       make_shape_checkpoint.py OUT_DIR --family llama --hidden 96 --layers 5 --heads 6 --kv-heads 2
                                --ffn 274 --vocab 509 [--head-dim N] [--context N] [--tied]
"""
import argparse
import json
import random
import struct
import sys
import zlib
from pathlib import Path

POOL = 65521  # values in the pool that fills all tensors; prime, so rows of a tensor differ
TORCH_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
SAFE_NAMES = {"f32": "F32", "bf16": "BF16", "f16": "F16"}
ITEM_BYTES = {"f32": 4, "bf16": 2, "f16": 2}
# hidden, layers, heads of the published GPT-2 sizes
GPT2_SIZES = {"gpt2-124m": (768, 12, 12), "gpt2-355m": (1024, 24, 16),
              "gpt2-774m": (1280, 36, 20), "gpt2-xl": (1600, 48, 25)}


def gpt2_config(hidden, layers, heads, vocab=50257, context=1024, ffn=None):
    return {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
            "bos_token_id": vocab - 1, "eos_token_id": vocab - 1, "layer_norm_epsilon": 1e-5,
            "model_type": "gpt2", "n_ctx": context, "n_embd": hidden, "n_head": heads,
            "n_inner": ffn, "n_layer": layers, "n_positions": context, "vocab_size": vocab}


def llama_config(options):
    heads = options.heads
    return {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1,
            "eos_token_id": 2, "head_dim": options.head_dim or options.hidden // heads,
            "hidden_act": "silu", "hidden_size": options.hidden, "mlp_bias": False,
            "intermediate_size": options.ffn or 4 * options.hidden, "model_type": "llama",
            "max_position_embeddings": options.context or 2048, "num_attention_heads": heads,
            "num_hidden_layers": options.layers, "num_key_value_heads": options.kv_heads or heads,
            "rms_norm_eps": 1e-5, "rope_scaling": None, "rope_theta": 10000.0,
            "tie_word_embeddings": options.tied, "vocab_size": options.vocab or 32000}


def config_of(options):
    """The config.json content that the options ask for, without its dtype."""
    if options.config:
        return json.loads(Path(options.config).read_text(encoding="utf-8"))
    if options.preset:
        return gpt2_config(*GPT2_SIZES[options.preset])
    if not (options.hidden and options.layers and options.heads):
        sys.exit("make_shape_checkpoint: give --preset, --config or --hidden --layers --heads")
    if options.family == "gpt2":
        return gpt2_config(options.hidden, options.layers, options.heads, options.vocab or 50257,
                           options.context or 1024, options.ffn)
    return llama_config(options)


def gpt2_tensors(config):
    """(name, shape) pairs; linear weights are stored [in, out], the head is tied."""
    hidden, ffn = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    linear = {"attn.c_attn": (hidden, 3 * hidden), "attn.c_proj": (hidden, hidden),
              "mlp.c_fc": (hidden, ffn), "mlp.c_proj": (ffn, hidden)}
    yield "transformer.wte.weight", (config["vocab_size"], hidden)
    yield "transformer.wpe.weight", (config["n_positions"], hidden)
    for layer in range(config["n_layer"]):
        prefix = f"transformer.h.{layer}."
        for norm in ("ln_1", "ln_2"):
            yield prefix + norm + ".weight", (hidden,)
            yield prefix + norm + ".bias", (hidden,)
        for name, shape in linear.items():
            yield prefix + name + ".weight", shape
            yield prefix + name + ".bias", shape[1:]
    yield "transformer.ln_f.weight", (hidden,)
    yield "transformer.ln_f.bias", (hidden,)


def llama_linears(config):
    """Layer-local name -> ([out, in], has a bias)."""
    hidden, ffn, heads = (config["hidden_size"], config["intermediate_size"],
                          config["num_attention_heads"])
    head_dim = config.get("head_dim") or hidden // heads
    q_rows = heads * head_dim
    kv_rows = (config.get("num_key_value_heads") or heads) * head_dim
    attention_bias, mlp_bias = config.get("attention_bias", False), config.get("mlp_bias", False)
    return {"self_attn.q_proj": ((q_rows, hidden), attention_bias),
            "self_attn.k_proj": ((kv_rows, hidden), attention_bias),
            "self_attn.v_proj": ((kv_rows, hidden), attention_bias),
            "self_attn.o_proj": ((hidden, q_rows), attention_bias),
            "mlp.gate_proj": ((ffn, hidden), mlp_bias), "mlp.up_proj": ((ffn, hidden), mlp_bias),
            "mlp.down_proj": ((hidden, ffn), mlp_bias)}


def llama_tensors(config):
    """(name, shape) pairs; linear weights are stored [out, in]."""
    hidden = config["hidden_size"]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
        for name, (shape, bias) in llama_linears(config).items():
            yield prefix + name + ".weight", shape
            if bias:
                yield prefix + name + ".bias", shape[:1]
    yield "model.norm.weight", (hidden,)
    if not config.get("tie_word_embeddings", False):
        yield "lm_head.weight", (config["vocab_size"], hidden)


def tensors_of(config):
    makers = {"gpt2": gpt2_tensors, "llama": llama_tensors}
    family = config.get("model_type")
    if family not in makers:
        sys.exit(f"make_shape_checkpoint: unknown model_type {family!r}; known: gpt2, llama")
    return list(makers[family](config))


def encode(values, dtype):
    if dtype == "f16":
        return struct.pack(f"<{len(values)}e", *values)
    packed = struct.pack(f"<{len(values)}f", *values)
    if dtype == "f32":
        return packed
    high = bytearray(2 * len(values))  # bf16 is the upper half of f32
    high[0::2], high[1::2] = packed[2::4], packed[3::4]
    return bytes(high)


def filler(dtype):
    rng = random.Random(5)
    return encode([rng.gauss(0.0, 0.02) for _ in range(POOL)], dtype)


def element_count(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def is_norm_weight(name):
    return name.endswith(("norm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight"))


def write_tensor(out, name, shape, dtype, pool):
    """Ones for norm weights; else the pool over and over, started where the name says."""
    left = element_count(shape) * ITEM_BYTES[dtype]
    if is_norm_weight(name):
        out.write(encode([1.0] * element_count(shape), dtype))
        return
    start = zlib.crc32(name.encode()) % POOL * ITEM_BYTES[dtype]
    rotated = pool[start:] + pool[:start]
    block = rotated * 16
    while left > 0:
        out.write(block[:left])
        left -= len(block)


def header_of(tensors, dtype):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        end = offset + element_count(shape) * ITEM_BYTES[dtype]
        header[name] = {"dtype": SAFE_NAMES[dtype], "shape": list(shape),
                        "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def write_safetensors(path, tensors, dtype, pool):
    header = header_of(tensors, dtype)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        for name, shape in tensors:
            write_tensor(out, name, shape, dtype, pool)


def split_evenly(tensors, shards):
    """Consecutive groups of about equal element counts, none empty."""
    total = sum(element_count(shape) for _, shape in tensors)
    groups, seen = [[] for _ in range(shards)], 0
    for position, (name, shape) in enumerate(tensors):
        left = len(tensors) - position
        group = min(seen * shards // total, shards - 1)
        group = max(group, shards - left)  # keep one tensor for each later shard
        groups[group].append((name, shape))
        seen += element_count(shape)
    return [group for group in groups if group]


def write_shards(folder, tensors, dtype, shards):
    pool = filler(dtype)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype, pool)
        return
    groups = split_evenly(tensors, shards)
    weight_map = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        write_safetensors(folder / file, group, dtype, pool)
        weight_map.update((name, file) for name, _ in group)
    size = sum(element_count(shape) for _, shape in tensors) * ITEM_BYTES[dtype]
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": size}, "weight_map": weight_map})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="ascii")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--preset", choices=sorted(GPT2_SIZES))
    parser.add_argument("--config", help="take the shape from this config.json")
    parser.add_argument("--family", choices=["llama", "gpt2"], default="llama")
    for name in ("hidden", "layers", "heads", "kv-heads", "head-dim", "ffn", "vocab", "context"):
        parser.add_argument("--" + name, type=int)
    parser.add_argument("--tied", action="store_true", help="llama: no lm_head of its own")
    parser.add_argument("--dtype", choices=sorted(ITEM_BYTES), default="f32")
    parser.add_argument("--shards", type=int, default=1, help="more than 1 writes an index too")
    return parser.parse_args()


def main():
    options = parse_options()
    config = config_of(options)
    config.pop("dtype", None)
    config["torch_dtype"] = TORCH_NAMES[options.dtype]
    tensors = tensors_of(config)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    write_json(options.out_dir / "config.json", config)
    write_shards(options.out_dir, tensors, options.dtype, max(1, options.shards))
    count = sum(element_count(shape) for _, shape in tensors)
    print(f"{options.out_dir}: {count} parameters, {len(tensors)} tensors, {options.dtype}")


if __name__ == "__main__":
    main()
