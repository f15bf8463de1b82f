#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: merge_archives.sh AR OUTPUT ARCHIVE...   puts the members of all archives into one
set -euo pipefail
ar=$1
output=$2
shift 2
{
  echo "create $output"
  for archive in "$@"; do echo "addlib $archive"; done
  echo save
  echo end
} | "$ar" -M
