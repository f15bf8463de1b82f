#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: install_and_example.sh CMAKE SOURCE_DIR BUILD_DIR
set -euo pipefail
cmake=$1
source=$2
build=$3
work=$build/install-test
rm -rf "$work"
"$cmake" --install "$build" --prefix "$work/prefix" >/dev/null
"$cmake" -S "$source/examples" -B "$work/example" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release >/dev/null
"$cmake" --build "$work/example" >/dev/null
output=$("$work/example/generate" "$source/models/tiny-tales" 2 "Once upon a time")
echo "$output"
grep -q "^Once upon a time" <<<"$output"
grep -q "tokens, ended by" <<<"$output"
"$work/prefix/bin/partita" --version
# Every public header must compile alone.
for header in "$work"/prefix/include/partita/*.h; do
  echo "#include \"partita/$(basename "$header")\"" | c++ -std=c++20 -fsyntax-only -I "$work/prefix/include" -x c++ -
done
