#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: comm_mpi_kill_test.sh MPIRUN VICTIM: a rank that is killed ends the job; one that stops is named by
# the others within the deadline; no process is left.
mpirun=$1
victim=$2
token=victim-$$
out=$(mktemp)
trap 'rm -f "$out"' EXIT

fail() {
  echo "FAILED: $1"
  cat "$out"
  exit 1
}

# run MODE [OPTION...]: the job must end by itself and leave no process; its exit code goes to $code.
run() {
  mode=$1
  shift
  timeout 30 "$mpirun" --oversubscribe --allow-run-as-root "$@" -n 3 "$victim" "$mode" "$token" \
    > "$out" 2>&1
  code=$?
  [ "$code" -ne 124 ] || fail "$mode: the job hangs"
  tries=0
  while pgrep -f -- "$token" > /dev/null && [ "$tries" -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  if pgrep -f -- "$token" | grep -qv "^$$\$"; then fail "$mode: a process is left"; fi
}

run kill
[ "$code" -ne 0 ] || fail "kill: the job says that all is well"
# Here the launcher lets the others live, so that they see for themselves; it then always exits with 0.
run kill --enable-recovery
grep -q 'all_reduce.*rank 1 (global rank 1) has not arrived' "$out" || fail "rank 1 is not named"
run stop
[ "$code" -ne 0 ] || fail "stop: the job says that all is well"
grep -q 'all_reduce.*rank 1 (global rank 1) has not arrived' "$out" || fail "stopped rank 1 is not named"
echo PASSED
