# SPDX-License-Identifier: Apache-2.0
"""Tiny random Llama-like, sparse and GPT-2 checkpoints with golden logits and greedy tokens.

Every case is written in Hugging Face layout first and the goldens are computed by transformers from
those written files, so that file, config spelling and golden cannot disagree. Weights come from
numpy's PCG64 with a gain per role that keeps logits far from flat and lets attention decide.
"""
import copy
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

VOCAB = 131
BATCH = 2
TOKENS = 64
PROMPT = 8
NEW_TOKENS = 25
MIN_MARGIN = 5e-3  # between the best two logits of every greedy step
MIN_ROUTER_MARGIN = 1e-4  # between the last chosen and the first rejected share of every token
MIN_DISTINCT = 6  # a greedy run that only repeats itself proves little
TOLERANCE = 1e-5  # atol = rtol of the f32 tests; goldens must be well inside of it
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def llama_config(**changes):
    """A Llama config in the spelling of transformers 4 (rope_theta, torch_dtype)."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 48,
        "initializer_range": 0.02,
        "intermediate_size": 66,
        "max_position_embeddings": 128,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 6,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": VOCAB,
    }
    config.update(changes)
    return config


def relative_config(family, **changes):
    """A config of a family that spells everything like Llama, without Llama's own keys."""
    config = llama_config(**changes)
    names = {"mistral": "Mistral", "mixtral": "Mixtral", "qwen2": "Qwen2", "qwen3": "Qwen3",
             "qwen3_moe": "Qwen3Moe"}
    config.update(architectures=[names[family] + "ForCausalLM"], model_type=family)
    for key in ("attention_bias", "mlp_bias", "pretraining_tp"):
        if key not in changes:
            del config[key]
    return config


def mixtral_config(**changes):
    """Five experts of 17, two per token: neither divides by 2 or 4."""
    return relative_config("mixtral", **{
        "hidden_size": 36, "num_key_value_heads": 3, "intermediate_size": 17,
        "num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": None,
        "rope_theta": 1e6, **changes})


def qwen3_moe_config(**changes):
    """Layers 1 and 3 of four are sparse, but 3 is made dense by name."""
    return relative_config("qwen3_moe", **{
        "hidden_size": 40, "num_attention_heads": 4, "head_dim": 14, "intermediate_size": 44,
        "moe_intermediate_size": 13, "num_experts": 7, "num_experts_per_tok": 3,
        "norm_topk_prob": True, "decoder_sparse_step": 2, "mlp_only_layers": [3],
        "num_hidden_layers": 4, "rms_norm_eps": 1e-6, "sliding_window": 32,
        "use_sliding_window": False, **changes})


def gpt2_config(**changes):
    """A GPT-2 config as published with the original checkpoints (no tie flag: tied by default)."""
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.0,
        "bos_token_id": 1,
        "embd_pdrop": 0.0,
        "eos_token_id": 2,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-5,
        "model_type": "gpt2",
        "n_ctx": 80,
        "n_embd": 32,
        "n_head": 4,
        "n_layer": 2,
        "n_positions": 80,
        "resid_pdrop": 0.0,
        "vocab_size": VOCAB,
    }
    config.update(changes)
    return config


def new_spelling(config):
    """The same config as transformers 5 writes it: dtype and rope_parameters."""
    config = copy.deepcopy(config)
    config["dtype"] = config.pop("torch_dtype")
    rope = config.pop("rope_scaling") or {}
    rope_type = rope.pop("type", rope.pop("rope_type", "default"))
    config["rope_parameters"] = {
        **rope, "rope_theta": config.pop("rope_theta"), "rope_type": rope_type}
    return config


def rope_llama3_config():
    # head_dim 12 gives wavelengths below 8, between 8 and 32 and above 32 tokens: each of the
    # three branches of the llama3 rule is taken by at least one frequency.
    return llama_config(
        hidden_size=36, num_attention_heads=3, num_key_value_heads=1, intermediate_size=50,
        rope_theta=100.0,
        rope_scaling={"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                      "original_max_position_embeddings": 32, "rope_type": "llama3"})


def cases():
    """name -> dict(config, alt (other spelling), layout, buffers): see tests/golden/README.md."""
    mha = dict(hidden_size=32, num_attention_heads=4, num_key_value_heads=4, intermediate_size=52)
    linear = llama_config(hidden_size=36, num_attention_heads=3, num_key_value_heads=1,
                          intermediate_size=50, rope_theta=100.0,
                          rope_scaling={"factor": 4.0, "type": "linear"})
    return {
        "llama_mha_untied": dict(config=llama_config(**mha)),
        "llama_gqa_tied": dict(config=llama_config(tie_word_embeddings=True)),
        "llama_mqa": dict(config=llama_config(
            hidden_size=40, num_attention_heads=5, num_key_value_heads=1, intermediate_size=44,
            rms_norm_eps=1e-6)),
        "llama_bias": dict(config=llama_config(
            hidden_size=36, num_key_value_heads=3, intermediate_size=50, attention_bias=True,
            mlp_bias=True)),
        "llama_rope_llama3": dict(config=new_spelling(rope_llama3_config()),
                                  alt=rope_llama3_config()),
        "llama_rope_linear": dict(config=linear, alt=new_spelling(linear)),
        "llama_headdim": dict(config=llama_config(
            hidden_size=40, num_attention_heads=4, head_dim=14, intermediate_size=44)),
        "llama_odd": dict(config=llama_config(
            hidden_size=21, num_attention_heads=7, num_key_value_heads=7, head_dim=4,
            intermediate_size=67, num_hidden_layers=5)),
        "llama_f16": dict(config=llama_config(torch_dtype="float16")),
        "llama_bf16": dict(config=llama_config(torch_dtype="bfloat16")),
        "llama_sharded_index": dict(config=llama_config(**mha), layout="sharded"),
        "mistral": dict(config=relative_config("mistral", sliding_window=None)),
        "qwen2": dict(config=relative_config("qwen2", tie_word_embeddings=True,
                                             sliding_window=32, use_sliding_window=False)),
        "qwen3": dict(config=relative_config("qwen3", head_dim=10, attention_bias=False)),
        "mixtral": dict(config=mixtral_config()),
        "mixtral_fused": dict(config=mixtral_config(num_local_experts=3), layout="fused"),
        "qwen3_moe": dict(config=qwen3_moe_config()),
        "qwen3_moe_plain": dict(config=qwen3_moe_config(
            norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[], num_experts=4,
            num_experts_per_tok=2, num_hidden_layers=2)),
        "gpt2_tied": dict(config=gpt2_config(n_embd=24)),
        "gpt2_25heads": dict(config=gpt2_config(
            n_embd=100, n_head=25, n_inner=67, torch_dtype="float16")),
        "gpt2_old_names": dict(config=gpt2_config(n_layer=1), buffers="bool"),
        "gpt2_no_prefix": dict(config=gpt2_config(n_embd=24, n_head=3),
                               layout="no_prefix", buffers="float"),
    }


def gain_of(name):
    """Standard deviation times sqrt(fan in): q and k large, so that attention is peaked."""
    for part, gain in (("q_proj", 1.5), ("k_proj", 1.5), ("o_proj", 1.6), ("c_attn", 1.6),
                       ("attn.c_proj", 1.6), ("mlp.gate.", 2.0), ("mlp", 1.3), ("lm_head", 0.5), ("wpe", 0.5),
                       ("wte", 0.6), ("embed_tokens", 0.6)):
        if part in name:
            return gain
    return 1.0


def random_weight(rng, name, shape, family):
    if name.endswith("bias"):
        return 0.3 * rng.standard_normal(shape)
    if len(shape) == 1:
        return 1.0 + 0.25 * rng.standard_normal(shape)
    conv1d = family == "gpt2" and ".h." in name
    fan_in = shape[0] if conv1d else shape[-1]
    return gain_of(name) / np.sqrt(fan_in) * rng.standard_normal(shape)


def settings_of(config):
    """A transformers config object; the copy is needed because it edits nested dicts in place."""
    return AutoConfig.for_model(**copy.deepcopy(config))


def random_weights(config, seed):
    """name -> tensor in the stored dtype, tied heads left out as published checkpoints do."""
    family = config["model_type"]
    settings = settings_of(config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(settings)
    rng = np.random.default_rng(seed)
    dtype = DTYPES[config.get("torch_dtype", config.get("dtype", "float32"))]
    tied = settings.tie_word_embeddings
    weights = {}
    for name, value in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        data = random_weight(rng, name, tuple(value.shape), family).astype(np.float32)
        weights[name] = torch.from_numpy(data).to(dtype)
    return weights


def add_buffers(weights, config, kind):
    """The causal mask and its fill value, as old GPT-2 checkpoints store them in every layer."""
    side = config["n_positions"]
    mask = torch.ones(side, side).tril().view(1, 1, side, side)
    for layer in range(config["n_layer"]):
        prefix = f"transformer.h.{layer}.attn."
        weights[prefix + "bias"] = mask.to(torch.bool) if kind == "bool" else mask.clone()
        if kind == "bool":
            weights[prefix + "masked_bias"] = torch.tensor(-1e4)


def published_names(weights, config):
    """Fused experts as the tensors per expert that published checkpoints hold."""
    is_mixtral = config["model_type"] == "mixtral"
    block, matrices = (("block_sparse_moe", ("w1", "w3", "w2")) if is_mixtral
                       else ("mlp", ("gate_proj", "up_proj", "down_proj")))
    result = {}
    for name, value in weights.items():
        head, found, tail = name.partition(".mlp.experts.")
        if not found:
            routes = name.endswith(".mlp.gate.weight")
            result[name.replace(".mlp.", f".{block}.") if routes else name] = value
            continue
        parts = value.chunk(2, dim=1) if tail == "gate_up_proj" else (value,)
        for matrix, part in zip(matrices[:2] if len(parts) == 2 else matrices[2:], parts):
            for expert in range(len(value)):
                result[f"{head}.{block}.experts.{expert}.{matrix}.weight"] = (
                    part[expert].contiguous())
    return result


def save_tensors(path, tensors):
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes for the owner only


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="ascii")


def write_sharded(folder, weights):
    """Three shards; the weights of one layer are spread over two files, as real checkpoints do."""
    names = sorted(weights)
    cuts = [0, len(names) // 3 - 1, 2 * len(names) // 3, len(names)]
    index = {"metadata": {"total_size": sum(w.nbytes for w in weights.values())}, "weight_map": {}}
    for shard in range(3):
        file = f"model-{shard + 1:05d}-of-00003.safetensors"
        part = {name: weights[name] for name in names[cuts[shard]:cuts[shard + 1]]}
        save_tensors(folder / file, part)
        index["weight_map"].update(dict.fromkeys(part, file))
    write_json(folder / "model.safetensors.index.json", index)


def write_checkpoint(folder, case, seed):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", case["config"])
    if "alt" in case:
        write_json(folder / "config_alt.json", case["alt"])
    weights = random_weights(case["config"], seed)
    if "buffers" in case:
        add_buffers(weights, case["config"], case["buffers"])
    if case.get("layout") != "fused":
        weights = published_names(weights, case["config"])
    if case.get("layout") == "no_prefix":
        weights = {name.removeprefix("transformer."): w for name, w in weights.items()}
    if case.get("layout") == "sharded":
        write_sharded(folder, weights)
    else:
        save_tensors(folder / "model.safetensors", weights)


def load(folder, dtype=torch.float32, config=None):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, config=config, attn_implementation="eager",
        experts_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"], (folder, info)
    return model.eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor(ids)).logits


def greedy(model, prompt, count):
    """Greedy tokens with the KV cache, and the smallest margin found without it."""
    out = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False, max_new_tokens=count, eos_token_id=None, pad_token_id=0)[0].tolist()
    best = torch.topk(logits_of(model, [out[:-1]])[0, len(prompt) - 1:].float(), 2)
    margin = (best.values[:, 0] - best.values[:, 1]).min().item()
    assert best.indices[:, 0].tolist() == out[len(prompt):] or margin < MIN_MARGIN
    return out[len(prompt):], margin


class DoubleRmsNorm(torch.nn.Module):
    """RMSNorm without the rounding to f32 that transformers always does."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.eps = norm.weight, norm.variance_epsilon

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class DoubleRope(torch.nn.Module):
    """Rotary angles in f64 from the same (f32) frequencies."""

    def __init__(self, rope):
        super().__init__()
        self.rate, self.scaling = rope.inv_freq.double(), rope.attention_scaling

    def forward(self, x, position_ids):
        angle = position_ids[..., None].double() * self.rate
        angle = torch.cat((angle, angle), dim=-1)
        return angle.cos() * self.scaling, angle.sin() * self.scaling


def double_logits(folder, ids):
    """The same logits with every operation in f64: shows how much of the tolerance f32 uses up."""
    model = load(folder).double()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("RMSNorm"):
                setattr(module, name, DoubleRmsNorm(child))
            elif type(child).__name__.endswith("RotaryEmbedding"):
                setattr(module, name, DoubleRope(child))
    return logits_of(model, ids)


def tolerance_used(logits, exact):
    """Largest error as a share of atol + rtol * |exact|."""
    return ((logits.double() - exact).abs() / (TOLERANCE * (1 + exact.abs()))).max().item()


def router_margin(model, ids):
    """The smallest distance between chosen and rejected shares; None without experts."""
    margins = []

    def note(router, _, output):
        shares = torch.softmax(output[0].float(), dim=-1).topk(router.top_k + 1, dim=-1).values
        margins.append((shares[..., -2] - shares[..., -1]).min().item())

    hooks = [module.register_forward_hook(note) for module in model.modules()
             if type(module).__name__.endswith("TopKRouter")]
    logits_of(model, ids)
    for hook in hooks:
        hook.remove()
    return min(margins, default=None)


def attention_effect(model, ids, logits):
    """How far the last logits move when only the first token changes."""
    changed = [[(row[0] + 1) % VOCAB, *row[1:]] for row in ids]
    return (logits_of(model, changed)[:, -1] - logits[:, -1]).abs().max().item()


def scaling_effect(folder, case, ids, logits):
    """How far the logits move when RoPE scaling is left out; None for cases without scaling."""
    config = copy.deepcopy(case["config"])
    if "alt" not in case:
        return None
    config["rope_scaling"] = None
    config["rope_theta"] = config.pop("rope_parameters", config).get("rope_theta")
    model = load(folder, config=settings_of(config))
    return (logits_of(model, ids) - logits).abs().max().item()


def good_case(folder, case, seed):
    """The golden of one seed, or None when its tokens are too close or too dull."""
    write_checkpoint(folder, case, seed)
    rng = np.random.default_rng(1000 + seed)
    ids = rng.integers(3, VOCAB, (BATCH, TOKENS)).tolist()
    prompt = rng.integers(3, VOCAB, PROMPT).tolist()
    model = load(folder)
    tokens, margin = greedy(model, prompt, NEW_TOKENS)
    eos = case["config"]["eos_token_id"]
    if margin < MIN_MARGIN or len(set(tokens)) < MIN_DISTINCT or eos in tokens:
        return None
    routed = router_margin(model, ids)
    if routed is not None and routed < MIN_ROUTER_MARGIN:
        return None
    logits = logits_of(model, ids)
    used = tolerance_used(logits, double_logits(folder, ids))
    effect = attention_effect(model, ids, logits)
    scaling = scaling_effect(folder, case, ids, logits)
    if used > 0.4 or effect < 1e-2 or (scaling is not None and scaling < 0.1):
        return None
    golden = {"seed": seed, "input_ids": ids, "logits_std": round(logits.std().item(), 3),
              "greedy": {"prompt": prompt, "tokens": tokens, "min_margin": round(margin, 4)},
              "f32_share_of_tolerance": round(used, 3), "first_token_effect": round(effect, 3)}
    if scaling is not None:
        golden["rope_scaling_effect"] = round(scaling, 3)
    if routed is not None:
        golden["router_margin"] = round(routed, 5)
    return golden, logits


def check_alt_config(folder, case, ids, logits):
    """Both spellings of the config must mean the same to transformers."""
    if "alt" in case:
        model = load(folder, config=settings_of(case["alt"]))
        assert torch.equal(logits_of(model, ids), logits), folder


def add_bf16_run(folder, golden, tensors):
    """What transformers gives when it computes in bf16 too: the yardstick of the bf16 tolerance."""
    model = load(folder, dtype=torch.bfloat16)
    logits = logits_of(model, golden["input_ids"]).to(torch.bfloat16)
    tokens, _ = greedy(model, golden["greedy"]["prompt"], NEW_TOKENS)
    difference = (logits.float() - tensors["logits"]).abs()
    tensors["logits_bf16"] = logits.contiguous()
    golden["bf16_greedy"] = tokens
    golden["bf16_difference"] = {"max": round(difference.max().item(), 4),
                                 "mean": round(difference.mean().item(), 5)}


def make_case(root, name, case, versions):
    folder = root / name
    seed = 0
    while (found := good_case(folder, case, seed)) is None:
        seed += 1
        assert seed < 200, f"no good seed for {name}"
    golden, logits = found
    check_alt_config(folder, case, golden["input_ids"], logits)
    tensors = {"logits": logits.contiguous()}
    if case["config"].get("torch_dtype") == "bfloat16":
        add_bf16_run(folder, golden, tensors)
    golden["logits"] = {"file": "golden.safetensors", "tensor": "logits", "dtype": "F32",
                        "shape": list(logits.shape)}
    golden["versions"] = versions
    write_golden(folder, golden, tensors)
    print(f"{name}: seed {seed}, margin {golden['greedy']['min_margin']}, "
          f"f32 uses {golden['f32_share_of_tolerance']} of the tolerance", flush=True)


def write_golden(folder, golden, tensors):
    save_tensors(folder / "golden.safetensors", tensors)
    lines = [f"  {json.dumps(key)}: {json.dumps(golden[key], sort_keys=True)}"
             for key in sorted(golden)]
    (folder / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


def make_all(root: Path, versions, only=None):
    for name, case in cases().items():
        if only is None or name in only:
            make_case(root, name, case, versions)
