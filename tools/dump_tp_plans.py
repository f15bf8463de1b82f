#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tensor and pipeline plans that the configurations of an installed transformers carry, by model type.

Usage: python3 tools/dump_tp_plans.py > tests/data/tp_plans.json
The plan of the language-model head is joined to that of the base model. Facts only; types without plan are null.
"""
import json
import sys

import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

TYPES = (
    "cohere gemma gemma2 glm4 gpt2 gpt_neo gpt_neox gptj granite llama mistral mixtral olmo2 opt phi phi3 "
    "qwen2 qwen2_moe qwen3 qwen3_moe starcoder2"
).split()


def plan_of(model_type):
    config = transformers.CONFIG_MAPPING[model_type]
    tensor_plan = getattr(config, "base_model_tp_plan", None)
    if not tensor_plan:
        return None
    head = getattr(MODEL_FOR_CAUSAL_LM_MAPPING[config], "_tp_plan", None) or {}
    stages = getattr(config, "base_model_pp_plan", None) or {}
    return {
        "base_model_tp_plan": {**tensor_plan, **head},
        "base_model_pp_plan": {path: [list(names) for names in pair] for path, pair in stages.items()},
    }


def main():
    plans = {model_type: plan_of(model_type) for model_type in TYPES}
    json.dump({"transformers": transformers.__version__, "plans": plans}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
