// SPDX-License-Identifier: Apache-2.0
// How all benches print: a table for people on stderr, one JSON line on stdout.
#pragma once

#include "partita/bench.h"

namespace partita::cli {

void print_bench_report(const BenchReport& report);

}  // namespace partita::cli
