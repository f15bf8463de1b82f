#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing need; asks for sudo only when not root.
# usage: tools/setup.sh [--dev]     --dev adds the formatter, the linter and the fuzzing runtime
set -euo pipefail
packages=(build-essential cmake ninja-build ccache pkg-config python3
  libdnnl-dev nlohmann-json3-dev libcli11-dev libpcre2-dev libicu-dev libtomlplusplus-dev
  zlib1g-dev coinor-libcbc-dev libhwloc-dev libopenmpi-dev openmpi-bin libgtest-dev libgmock-dev)
if [[ "${1:-}" == --dev ]]; then
  packages+=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libomp-14-dev)
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
run() { if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi; }
echo "installing: ${missing[*]}"
run apt-get update -qq
DEBIAN_FRONTEND=noninteractive run apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
