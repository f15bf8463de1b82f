#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the sizes of source files and functions, and the share of header comments, #if and macros."""
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 800
MAX_TEST_LINES = 1000
MAX_MEDIAN = 200
MAX_FUNCTION = 60          # outside kernels
MAX_KERNEL_FUNCTION = 120
MAX_LONG_SHARE = 0.03
MIN_HEADER_COMMENTS = 0.25
MAX_PER_KLOC = 1.0


def source_files():
    for folder in ("src", "include", "tests", "bench", "tools"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cpp", ".h", ".cu"):
                yield path


def functions(lines):
    """Yields (first line, length) of every top-level or member function body, found by its indentation."""
    start = None
    indent = ""
    for number, line in enumerate(lines):
        if start is None:
            match = re.match(r"^(\s{0,2})(?!namespace|class|struct|enum|union|extern|#|//|\}|if|for|while|switch|else|do\b)"
                             r"\S.*[\)\w>]\s*\{$", line)
            if match and "(" in "".join(lines[max(0, number - 6):number + 1]) and " = " not in line.split("(")[0]:
                start, indent = number, match.group(1)
        elif line.startswith(indent + "}") and not line.startswith(indent + " "):
            yield start + 1, number - start + 1
            start = None


def main():
    problems = []
    lengths, header_lines, header_comments, total, conditionals, macros = [], 0, 0, 0, 0, 0
    functions_seen, long_functions = 0, []
    source_total = test_total = 0
    for path in source_files():
        name = str(path.relative_to(ROOT))
        lines = path.read_text().splitlines()
        is_test = path.name.endswith("_test.cpp") or name.startswith("tests/")
        limit = MAX_TEST_LINES if is_test else MAX_LINES
        if len(lines) > limit:
            problems.append(f"{name}: {len(lines)} lines; at most {limit}")
        lengths.append(len(lines))
        source_total += 0 if is_test else len(lines)
        test_total += len(lines) if is_test else 0
        if is_test:
            continue
        total += len(lines)
        if path.suffix == ".h":
            header_lines += sum(1 for line in lines if line.strip())
            header_comments += sum(1 for line in lines if "//" in line)
        conditionals += sum(1 for line in lines if re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line))
        macros += sum(1 for line in lines if re.match(r"\s*#\s*define\s+\w+\(", line))
        is_kernel = re.search(r"(_cpu|_cuda)\.(cpp|cu)$", path.name) is not None
        for start, length in functions(lines):
            functions_seen += 1
            if length > (MAX_KERNEL_FUNCTION if is_kernel else MAX_FUNCTION):
                long_functions.append(f"{name}:{start}: a function of {length} lines")
    if functions_seen and len(long_functions) / functions_seen > MAX_LONG_SHARE:
        problems += long_functions
    if lengths and statistics.median(lengths) > MAX_MEDIAN:
        problems.append(f"the median file has {statistics.median(lengths)} lines; at most {MAX_MEDIAN}")
    if header_lines and header_comments / header_lines < MIN_HEADER_COMMENTS:
        problems.append(f"only {header_comments / header_lines:.0%} of header lines carry a comment; "
                        f"at least {MIN_HEADER_COMMENTS:.0%}")
    for what, count in (("#if", conditionals), ("function-like macros", macros)):
        if total and count * 1000 / total > MAX_PER_KLOC:
            problems.append(f"{count} {what} in {total} lines; at most {MAX_PER_KLOC} per 1000")
    print("\n".join(problems) if problems else
          f"sizes: {len(lengths)} files, median {statistics.median(lengths):.0f} lines, {functions_seen} functions "
          f"({len(long_functions)} long), header comments {header_comments / max(header_lines, 1):.0%}, "
          f"tests/source {test_total / max(source_total, 1):.2f}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
