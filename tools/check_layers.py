#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every #include between folders of src/ follows an allowed arrow of docs/overview.md."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

ALLOWED = {
    "support": "",
    "spec": "support",
    "device": "support",
    "text": "support",
    "formats": "support",
    "ir": "spec support",
    "comm": "device support",
    "engine": "text support",
    "ops": "ir spec support",
    "plan": "ir spec support",
    "http": "engine support",
    "models": "ops ir formats support",
    "passes": "ops ir spec support",
    "cost": "ops ir spec support",
    "launch": "engine plan support",
    "importer": "models formats ops ir support",
    "planner": "cost plan ops ir spec support",
    "partition": "passes plan ops ir spec support",
    "runtime": "plan ops ir spec device comm formats support",
    "api": "*",
    "cli": "api http support",
}
# Kernels may also use the devices and the communicator, and only these folders may include ops/kernel.h.
KERNEL_FILE = re.compile(r"(_cpu|_cuda|kernel|kernel_.*)\.(cpp|h|cu)$|_test\.cpp$")
KERNEL_USERS = {"ops", "runtime", "api"}
FAMILY_NAMES = re.compile(r"\b(llama|gpt2|gpt_2|mixtral|qwen\w*|gemma\w*)\b", re.IGNORECASE)


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"/]+)/([^"]+)"', line)
        if match:
            yield number, match.group(1), match.group(2)


def allowed_for(folder, path):
    allowed = set(ALLOWED[folder].split())
    if folder == "ops" and KERNEL_FILE.search(path.name):
        allowed |= {"device", "comm"}
    return allowed


def check_file(path, problems):
    relative = path.relative_to(ROOT / "src")
    folder = relative.parts[0]
    if folder not in ALLOWED:
        problems.append(f"src/{relative}: the folder is not in the map; add it to tools/check_layers.py with its arrows")
        return
    is_test = path.name.endswith("_test.cpp")
    allowed = allowed_for(folder, path)
    for number, target, rest in includes(path):
        if target == folder or target not in ALLOWED or "*" in allowed:
            continue
        if target not in allowed and not is_test:
            problems.append(f"src/{relative}:{number}: {folder} may not include {target}/ (allowed: {' '.join(sorted(allowed))})")
        if target == "ops" and rest.startswith("kernel") and folder not in KERNEL_USERS and not is_test:
            problems.append(f"src/{relative}:{number}: {folder} may use operator declarations, not kernels")
    # GGUF calls architectures, tokenizers and tools by such names: they are words of the format.
    if folder not in ("models", "api") and not is_test and "gguf" not in str(relative):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("//")[0]
            if FAMILY_NAMES.search(re.sub(r'#\s*include.*', "", code)):
                problems.append(f"src/{relative}:{number}: a model family is named outside models/: {line.strip()}")
    if folder in ("models",) or (folder == "ops" and relative.parts[1] != "collective"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(world_size|my_rank|rank_id)\b", line.split("//")[0]):
                problems.append(f"src/{relative}:{number}: models and kernels must not know their rank")


def main():
    problems = []
    files = sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in (".cpp", ".h", ".cu"))
    for path in files:
        check_file(path, problems)
    for path in sorted((ROOT / "include").rglob("*.h")):
        for number, target, rest in includes(path):
            if target != "partita":
                problems.append(f"{path.relative_to(ROOT)}:{number}: a public header includes {target}/{rest}")
    print("\n".join(problems) if problems else f"layers: {len(files)} files, all arrows allowed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
