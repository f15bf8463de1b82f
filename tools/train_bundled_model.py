# SPDX-License-Identifier: Apache-2.0
"""Trains models/tiny-tales, the small Llama-like model that the project carries with it.

Usage: python tools/train_bundled_model.py [--from-phase N] [--threads N] [--goldens-only]
Training is in three phases. Whole stories teach the language, but names are a small share of the
tokens and stay guesses; snippets of a few sentences about one hero make the model find a name again
in what it has read; whole stories with heavier names then join the two.
Text comes from story_grammar.py. Training is seeded; with one thread it repeats on one machine.
The shape is awkward on purpose: 6 heads over 2 KV heads, an FFN width that 4 does not divide, an
odd number of layers and a prime vocabulary. Writes tests/golden/tiny_tales as well.
"""
import argparse
import json
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer, decoders, processors  # noqa: E402
from tokenizers.models import BPE  # noqa: E402
from tokenizers.trainers import BpeTrainer  # noqa: E402
from tokenizers.pre_tokenizers import ByteLevel  # noqa: E402

import golden_tokenizers  # noqa: E402
import story_grammar  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "tiny-tales"
GOLDEN = ROOT / "tests" / "golden" / "tiny_tales"
VOCAB = 509
CONTEXT = 512
BATCH = 4
SNIPPET_SENTENCES = 80  # per batch of snippets
STORIES = 8  # per batch of whole stories
NO_TARGET = -100
BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
PROMPTS = ["Once upon a time", "Once upon a time, a small bear named Otto",
           "Long ago, a brave girl named Mia"]

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": VOCAB - 2,
    "eos_token_id": VOCAB - 1,
    "head_dim": 16,
    "hidden_act": "silu",
    "hidden_size": 96,
    "initializer_range": 0.05,
    "intermediate_size": 274,
    "max_position_embeddings": CONTEXT,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 6,
    "num_hidden_layers": 5,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "use_cache": True,
    "vocab_size": VOCAB,
}


def train_tokenizer():
    """ByteLevel BPE with the split rule of the Llama 3 kind; every text starts with BOS."""
    rng = random.Random(7)
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = golden_tokenizers.split_then_bytes(golden_tokenizers.LLAMA3_SPLIT)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(vocab_size=VOCAB - 2, show_progress=False,
                         initial_alphabet=ByteLevel.alphabet())
    names = " ".join(["", *story_grammar.PEOPLE["she"], *story_grammar.PEOPLE["he"]])
    texts = [story_grammar.story(rng) for _ in range(3000)]
    # A name that is one token is never spelt half like another one.
    tokenizer.train_from_iterator(texts + [names] * 3000, trainer)
    tokenizer.add_special_tokens([BOS, EOS])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        golden_tokenizers.bos_template(BOS, tokenizer.token_to_id(BOS))])
    assert tokenizer.get_vocab_size() == VOCAB
    return tokenizer


def packed_blocks(tokenizer, rng, steps):
    """[BATCH, CONTEXT] blocks of stories, each between BOS and EOS, cut where the block ends."""
    tokens = []
    for _ in range(steps):
        while len(tokens) < BATCH * CONTEXT:
            tokens += tokenizer.encode(story_grammar.story(rng)).ids + [VOCAB - 1]
        block = torch.tensor(tokens[:BATCH * CONTEXT]).view(BATCH, CONTEXT)
        yield block, block
        tokens = tokens[BATCH * CONTEXT:]


def padded(tokenizer, texts):
    """One text per row, BOS and EOS around it; (inputs, targets) with no target in the padding."""
    rows = [torch.tensor(tokenizer.encode(text).ids + [VOCAB - 1]) for text in texts]
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(rows, True, VOCAB - 1), pad(rows, True, NO_TARGET)


def snippets(tokenizer, rng, steps):
    """A few unconnected sentences about one hero per row, more of them as training goes on."""
    for step in range(steps):
        count = 2 if step < 0.45 * steps else 3 if step < 0.7 * steps else 6
        yield padded(tokenizer, [story_grammar.snippet(rng, count)
                                 for _ in range(SNIPPET_SENTENCES // count)])


def whole_stories(tokenizer, rng, steps):
    for _ in range(steps):
        yield padded(tokenizer, [story_grammar.story(rng) for _ in range(STORIES)])


@dataclass
class Phase:
    data: object  # generator of (inputs, targets), both [rows, tokens]
    seed: int
    steps: int
    peak_rate: float
    warm_up: int
    name_weight: float  # of a name that was met before in its row, against 1 for other tokens
    final_share: float  # of the peak rate at the end of the cosine; 1 keeps the rate


PHASES = [Phase(packed_blocks, 23, 3400, 4e-3, 100, 1.0, 0.02),
          Phase(snippets, 1, 1000, 3e-3, 50, 10.0, 1.0),
          Phase(whole_stories, 31, 1200, 2.5e-3, 50, 5.0, 0.02)]


def rate_share(step, phase):
    """Linear warm-up, then a cosine down to the final share."""
    if step < phase.warm_up:
        return (step + 1) / phase.warm_up
    progress = (step - phase.warm_up) / max(1, phase.steps - phase.warm_up)
    return phase.final_share + (1 - phase.final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def name_ids(tokenizer):
    names = story_grammar.PEOPLE["she"] + story_grammar.PEOPLE["he"]
    return torch.tensor([tokenizer.token_to_id("\u0120" + name) for name in names])


def weighted_loss(logits, targets, names, name_weight):
    """Mean cross entropy, and the share of later names that the model would choose itself."""
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none",
        ignore_index=NO_TARGET).view_as(targets)
    is_name = torch.isin(targets, names)
    later = is_name & (is_name.cumsum(1) > 1)
    weights = torch.where(later, name_weight, 1.0) * (targets != NO_TARGET)
    hits = (logits.argmax(-1) == targets)[later].float().mean().item()
    return (losses * weights).sum() / weights.sum(), hits


def train_phase(model, tokenizer, phase):
    optimizer = torch.optim.AdamW(model.parameters(), lr=phase.peak_rate, betas=(0.9, 0.95),
                                  weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_share(step, phase))
    names, start = name_ids(tokenizer), time.time()
    data = phase.data(tokenizer, random.Random(phase.seed), phase.steps)
    for step, (inputs, targets) in enumerate(data):
        loss, hits = weighted_loss(model(inputs[:, :-1]).logits, targets[:, 1:], names,
                                   phase.name_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step % 50 == 0 or step == phase.steps - 1:
            print(f"step {step} loss {loss.item():.4f} names {hits:.3f} "
                  f"{time.time() - start:.0f} s", flush=True)


def train(tokenizer, first_phase):
    """All phases from random weights, or from the saved model on where first_phase is above 1."""
    if first_phase == 1:
        torch.manual_seed(11)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))
    else:
        model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    model.train()
    for phase in PHASES[first_phase - 1:]:
        train_phase(model, tokenizer, phase)
        save(model, tokenizer)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="ascii")


def tokenizer_config():
    def token(content):
        return {"content": content, "lstrip": False, "normalized": False, "rstrip": False,
                "single_word": False, "special": True}
    return {"added_tokens_decoder": {str(VOCAB - 2): token(BOS), str(VOCAB - 1): token(EOS)},
            "bos_token": BOS, "clean_up_tokenization_spaces": False, "eos_token": EOS,
            "model_max_length": CONTEXT, "tokenizer_class": "PreTrainedTokenizerFast"}


def save(model, tokenizer):
    MODEL.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()
               if name != "lm_head.weight"}
    save_file(weights, MODEL / "model.safetensors", metadata={"format": "pt"})
    (MODEL / "model.safetensors").chmod(0o644)
    write_json(MODEL / "config.json", CONFIG)
    write_json(MODEL / "generation_config.json", {
        "bos_token_id": VOCAB - 2, "do_sample": False, "eos_token_id": VOCAB - 1})
    write_json(MODEL / "tokenizer_config.json", tokenizer_config())
    content = json.loads(tokenizer.to_str())
    (MODEL / "tokenizer.json").write_text(
        json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def greedy(model, ids, count):
    """Greedy ids behind the prompt (eos ends them) and the smallest margin of the best two."""
    out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)).long(),
                         do_sample=False, max_new_tokens=count, pad_token_id=VOCAB - 1)
    tokens = out[0].tolist()[len(ids):]
    with torch.no_grad():
        logits = model(out[:, :-1]).logits[0, len(ids) - 1:]
    best = torch.topk(logits, 2).values
    return tokens, (best[:, 0] - best[:, 1]).min().item()


def write_goldens(count=60):
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    rows = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt).ids
        tokens, margin = greedy(model, ids, count)
        rows.append({"prompt": prompt, "prompt_ids": ids, "tokens": tokens,
                     "text": tokenizer.decode(tokens), "min_margin": round(margin, 4)})
        print(f"{prompt} ->{tokenizer.decode(greedy(model, ids, 400)[0])}\n  margin {margin:.4f}")
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write_json(GOLDEN / "golden.json", {
        "greedy": rows, "model": "models/tiny-tales",
        "versions": {"torch": torch.__version__.split("+")[0],
                     "transformers": transformers.__version__}})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-phase", type=int, default=1,
                        help="above 1: go on from the saved model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--goldens-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if not options.goldens_only:
        tokenizer = (train_tokenizer() if options.from_phase == 1
                     else Tokenizer.from_file(str(MODEL / "tokenizer.json")))
        train(tokenizer, options.from_phase)
    write_goldens()


if __name__ == "__main__":
    main()
