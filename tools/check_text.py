#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what every text file of the project must keep: SPDX line, ASCII, no forbidden calls or names."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = {".cpp", ".h", ".cu", ".py", ".sh", ".cmake"}
# The library never prints, exits or aborts; only cli/, tools and tests may.
FORBIDDEN_CALLS = re.compile(r"\b(std::)?(exit|abort|printf|puts)\s*\(|std::c(out|err)\b")
PRINTING_FOLDERS = ("src/cli/", "tests/", "bench/", "tools/", "examples/")
# A rank process ends itself at once when its frontend is gone; there is nobody left to throw to.
ALLOWED_EXITS = {"src/launch/child.cpp", "src/api/worker.cpp"}
# Places of the machine at hand (where the checkout and the home folder lie), package hosts, and to-do notes without an issue.
MACHINE_PLACES = [f"{place}/" for place in (ROOT.parent, pathlib.Path.home()) if str(place) != "/"]
FORBIDDEN_TEXT = re.compile("|".join([*map(re.escape, MACHINE_PLACES),
                                      r"\bTODO\b(?!\(#\d+\))", r"\b(?:pypi|deb)\.[a-z]+(?:\.[a-z]+)*\b"]))

# What a merge leaves where two changes collide. A row of equals signs alone may underline a title.
MERGE_MARK = re.compile(r"(<{7}|>{7}) ")


def tracked_files():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\n")
    return [name for name in names if name and (ROOT / name).is_file()]


def check(name, problems):
    path = ROOT / name
    if path.suffix not in CODE | {".md", ".txt"} and path.name not in ("CMakeLists.txt", "Makefile"):
        return
    if "tests/golden/" in name or "/corpus/" in name or name.startswith("models/"):
        return
    data = path.read_bytes()
    lines = data.decode("utf-8", "replace").splitlines()
    if path.suffix in CODE and not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
        problems.append(f"{name}:1: the SPDX line is missing")
    if path.suffix in {".cpp", ".h", ".cu"} and any(byte > 127 for byte in data):
        problems.append(f"{name}: holds bytes that are not ASCII; write them as escapes")
    is_test = name.endswith("_test.cpp")
    merge_marks = {number for number, line in enumerate(lines, 1) if MERGE_MARK.match(line)}
    problems += [f"{name}:{number}: a mark of an unfinished merge" for number in sorted(merge_marks)]
    for number, line in enumerate(lines, 1):
        if name != "tools/check_text.py" and FORBIDDEN_TEXT.search(line):
            problems.append(f"{name}:{number}: a path, host or bare to-do note: {line.strip()[:80]}")
        if path.suffix in {".cpp", ".h"} and not is_test and not name.startswith(PRINTING_FOLDERS):
            code = line.split("//")[0]
            if FORBIDDEN_CALLS.search(code) and name not in ALLOWED_EXITS and "snprintf" not in code:
                problems.append(f"{name}:{number}: the library must not print, exit or abort: {line.strip()[:80]}")


def main():
    problems = []
    files = tracked_files()
    for name in files:
        check(name, problems)
    print("\n".join(problems) if problems else f"text: {len(files)} files checked")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
