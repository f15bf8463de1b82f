#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what rules about modules see of many model families: linear layers, norms, sums, and what is expected of them.

Usage: python3 tools/dump_families.py OUT_DIR            (OUT_DIR = tests/data/families)
Every family of an installed transformers is built tiny, with random weights, and run once. Written per family: FAMILY.graph, its
linear layers, norms and additions in the order they run (all else is an input of the graph), and in families.json
- rows: the linear layers that DeepSpeed's automatic tensor parallelism sums over ranks, by its own way to find them: modules in
  the order of their declaration, a linear layer right before a norm, and its list of names;
- tp_plan: per tensor what the plan of its configuration says (rows, columns, whole), null for families without plan.
"""
import json
import pathlib
import sys
import warnings

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()

# Of the list that DeepSpeed supports, those it does not, and more that have a plan.
FAMILIES = (
    "albert bert bigbird_pegasus bloom codegen deberta-v2 electra falcon glm gpt_neo gpt_neox gptj llama m2m_100 mistral mpt opt phi "
    "qwen2 qwen3 starcoder2 t5 xglm "
    "deberta flaubert fsmt gpt2 led longformer xlm xlnet "
    "cohere gemma gemma2 glm4 granite olmo olmo2 phi3 stablelm"
).split()

# Names of sizes in configurations, old and new; only those that a configuration has are set.
SIZES = {
    32: "hidden_size d_model n_embd emb_dim embedding_size word_embed_proj_dim embed_dim",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads",
    2: "num_key_value_heads num_kv_heads",
    1: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers eos_token_id",
    64: "intermediate_size d_ff ffn_dim encoder_ffn_dim decoder_ffn_dim d_inner n_inner vocab_size max_position_embeddings n_positions",
    8: "d_kv head_dim entity_emb_size rotary_dim global_rank",
    0: "pad_token_id bos_token_id",
}
SPECIAL = {
    "gpt_neo": {"attention_types": [[["global"], 1]], "window_size": 8},
    "longformer": {"attention_window": [4]},
    "led": {"attention_window": [4]},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "mpt": {"expansion_ratio": 2},
    "falcon": {"new_decoder_architecture": False, "multi_query": False, "num_kv_heads": 4},
    "xlm": {"n_words": 64, "emb_dim": 32},
    "flaubert": {"n_words": 64, "emb_dim": 32},
    "phi": {"num_key_value_heads": 4},
    "xlnet": {"d_head": 8},
}
# Follow from others, but are written into a configuration all the same.
DERIVED = ("model_type", "architectures", "layer_types", "attention_layers")
# The names that DeepSpeed knows, and the kinds of linear layers that it does not.
NAMED_ROWS = "out_proj o_proj down_proj attention.dense self_attention.dense w2 self_attn.dense dense_4h_to_h".split()

ROW_STYLES = ("rowwise", "rowwise_rep", "rowwise_split_input")
COLUMN_STYLES = ("colwise", "colwise_rep", "colwise_gather_output", "packed_colwise")
# Modules that only look their input up or change its form.
SAME = ("aten.view", "aten._unsafe_view", "aten.clone", "aten.contiguous", "aten._to_copy", "aten.detach", "aten.alias", "aten.expand",
        "aten.reshape", "aten.transpose", "aten.t.", "aten.unsqueeze", "aten.squeeze", "aten.native_dropout")


def is_linear(module):
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


def is_norm(module):
    return "Norm" in type(module).__name__ and any(p.dim() == 1 for p in module.parameters(recurse=False))


def sizes_of(module):
    rows, columns = module.weight.shape
    return (columns, rows) if type(module).__name__ == "Conv1D" else (rows, columns)


def without_numbers(name):
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def config_of(family):
    config = transformers.AutoConfig.for_model(family)
    for size, names in SIZES.items():
        for name in names.split():
            if getattr(config, name, None) is not None:
                try:
                    setattr(config, name, size)
                except (AttributeError, NotImplementedError):  # follows from others
                    pass
    values = {name: value for name, value in config.to_dict().items() if name not in DERIVED}
    fresh = type(config)(**{**values, **SPECIAL.get(family, {})})
    fresh._attn_implementation = "eager"
    return fresh


def model_of(family):
    config = config_of(family)
    mapping = MODEL_FOR_CAUSAL_LM_MAPPING if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING else transformers.MODEL_MAPPING
    if getattr(config, "is_encoder_decoder", False) or family in ("bert", "camembert", "electra", "roberta", "xlm-roberta", "ernie"):
        mapping = transformers.MODEL_MAPPING
    torch.manual_seed(0)
    return mapping[type(config)](config).eval()


class Recorder(TorchDispatchMode):
    """What linear layers, norms and additions read, as lines of a graph."""

    def __init__(self, model):
        super().__init__()
        self.lines, self.values, self.kept, self.inputs = [], {}, [], 0
        self.inside, self.counts = 0, {}
        self.weights, self.parameters = set(), {p.data_ptr() for p in model.parameters()}
        for name, module in model.named_modules():
            if is_linear(module) or is_norm(module):
                module.register_forward_pre_hook(lambda m, args: self.enter())
                module.register_forward_hook(lambda m, args, out, name=name: self.leave(name, m, args, out))

    def enter(self):
        self.inside += 1

    def leave(self, name, module, args, out):
        self.inside -= 1
        if self.inside == 0 and torch.is_tensor(args[0]):
            (self.add_linear if is_linear(module) else self.add_norm)(name, module, args[0], out)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if self.inside == 0:
            name = str(func)
            tensors = [a for a in args if torch.is_tensor(a)]
            if name.startswith(SAME) and tensors and torch.is_tensor(out) and out.numel() == tensors[0].numel():
                self.keep(out, self.values.get(id(tensors[0])))
            elif name.startswith("aten.add") and len(tensors) == 2:
                self.add_sum(tensors, out, name.startswith("aten.add_"))
        return out

    def keep(self, tensor, value):
        self.kept.append(tensor)  # so that no other tensor gets the same id
        self.values[id(tensor)] = value

    def value_of(self, tensor, width):
        known = self.values.get(id(tensor))
        if known and known[1] == width:
            return known[0]
        name = f"i{self.inputs}"
        self.inputs += 1
        self.lines.append(f"input %{name} : f32[t,{width}]")
        self.keep(tensor, (name, width))
        return name

    def unique(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        return name if self.counts[name] == 1 else f"{name}.run{self.counts[name]}"

    def weight(self, name, shape, transposed=False):
        if name in self.weights:
            return
        self.weights.add(name)
        source = f'tensor("{name}")'
        dims = ",".join(str(size) for size in shape)
        self.lines.append(f"weight %{name} : f32[{dims}] = " + (f"transpose({source}, [1,0])" if transposed else source))

    def layer(self, name):
        numbers = [part for part in name.split(".") if part.isdigit()]
        return f" {{layer = {numbers[0]}}}" if numbers else ""

    def add_linear(self, name, module, value, out):
        rows, columns = sizes_of(module)
        result = self.unique(name)
        source = self.value_of(value, columns)
        self.weight(f"{name}.weight", (rows, columns), type(module).__name__ == "Conv1D")
        linear = f"{result}.product" if module.bias is not None else result
        self.lines.append(f"%{linear} : f32[t,{rows}] = linear(%{source}, %{name}.weight){self.layer(name)}")
        if module.bias is not None:
            self.weight(f"{name}.bias", (rows,))
            self.lines.append(f"%{result} : f32[t,{rows}] = add(%{linear}, %{name}.bias){self.layer(name)}")
        self.keep(out, (result, rows))

    def add_norm(self, name, module, value, out):
        width = value.shape[-1]
        result = self.unique(name)
        source = self.value_of(value, width)
        names = [n for n, p in module.named_parameters(recurse=False)]
        layer = self.layer(name).strip(" {}")
        attributes = f" {{eps = 1e-05{', ' + layer if layer else ''}}}"
        for parameter in names:
            self.weight(f"{name}.{parameter}", (width,))
        inputs = ", ".join(f"%{name}.{parameter}" for parameter in names)
        op = "layer_norm" if len(names) == 2 else "rms_norm"
        self.lines.append(f"%{result} : f32[t,{width}] = {op}(%{source}, {inputs}){attributes}")
        self.keep(out, (result, width))

    def add_sum(self, tensors, out, in_place):
        if any(t.data_ptr() in self.parameters for t in tensors) or tensors[0].shape != tensors[1].shape:
            return
        known = [self.values.get(id(t)) for t in tensors]
        width = out.shape[-1]
        if out.dim() < 2 or not any(known) or any(value and value[1] != width for value in known):
            return
        left, right = (self.value_of(t, width) for t in tensors)
        result = self.unique("sum")
        self.lines.append(f"%{result} : f32[t,{width}] = add(%{left}, %{right})")
        self.keep(out, (result, width))


def run(model):
    ids = torch.arange(2, 10).reshape(1, 8)
    inputs = {"input_ids": ids}
    if getattr(model.config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = ids
    recorder = Recorder(model)
    with torch.no_grad(), recorder:
        model(**inputs, use_cache=False) if "xl" not in model.config.model_type else model(**inputs)
    return recorder.lines


def rows_of(model):
    """DeepSpeed's way: the first module of every class in a list of layers, its linear layers and norms as declared."""
    rows = set()
    for list_name, modules in model.named_modules():
        if not isinstance(modules, torch.nn.ModuleList):
            continue
        for index, layer in enumerate(modules):
            order = [(name, module) for name, module in layer.named_modules() if is_linear(module) or is_norm(module)]
            for position, (name, module) in enumerate(order):
                path = f"{list_name}.{index}.{name}" if name else f"{list_name}.{index}"
                following = order[position + 1][1] if position + 1 < len(order) else None
                is_named = any(f".{item}." in f".{path}." for item in NAMED_ROWS)
                if is_linear(module) and (is_named or (following is not None and is_norm(following))):
                    rows.add(without_numbers(path))
    return sorted(rows)


def styles_of(model, plan):
    """Per tensor of a linear layer or embedding what the plan says of it."""
    styles = {}
    for name, module in model.named_modules():
        if not (is_linear(module) or isinstance(module, torch.nn.Embedding)):
            continue
        path = without_numbers(name)
        style = plan.get(path) or plan.get(path.split(".", 1)[-1])
        if style in ROW_STYLES:
            styles[path] = "rows"
        elif style in COLUMN_STYLES:
            styles[path] = "columns"
        elif style:
            styles[path] = "whole"
    return styles


def plan_of(model):
    plan = getattr(type(model.config), "base_model_tp_plan", None)
    if not plan:
        return None
    return {**plan, **(getattr(type(model), "_tp_plan", None) or {})}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    families = {}
    for family in sys.argv[2:] or FAMILIES:
        model = model_of(family)
        rows = rows_of(model)
        plan = plan_of(model)
        styles = styles_of(model, plan) if plan else None
        lines = run(model)
        last = [line.split()[0] for line in lines if line.startswith("%")][-1]
        text = "\n".join(f"  {line}" for line in lines)
        (folder / f"{family}.graph").write_text(f'graph "{family}" {{\n{text}\n  return {last}\n}}\n')
        families[family] = {"rows": rows, "plan": plan, "styles": styles}
        print(family, len(lines), len(rows), file=sys.stderr)
    (folder / "families.json").write_text(json.dumps({"transformers": transformers.__version__, "families": families}, indent=1) + "\n")


if __name__ == "__main__":
    main()
