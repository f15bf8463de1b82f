# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with other engines share: environments for them, interleaved trials, ratios of medians."""
import json
import pathlib
import statistics
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTITA = ROOT / "build/release/bin/partita"
# Round trips between two cores (ns) that still are one placement: see docs/performance/README.md.
SAME_PLACEMENT = 1.35
# Rounds that may be thrown away for each one wanted, because the cores were moved meanwhile.
TRIES = 3


def python_with(directory, packages):
    """The interpreter of a virtual environment that has the packages; made on first use."""
    python = pathlib.Path(directory) / "bin/python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    wanted = subprocess.run([python, "-m", "pip", "show", "-q", *packages], capture_output=True)
    if wanted.returncode != 0:
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def last_json(command, **options):
    """Runs a command and returns the last line of its output as JSON."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def partita_trial(model, threads, batch, prompt, output, mesh="1", program=PARTITA):
    line = last_json([program, "bench", "model", model, "--meshes", mesh, "--threads", threads, "--batch", batch,
                      "--prompt-tokens", prompt, "--output-tokens", output, "--repeats", 1])
    return {"prefill_s": line["prefill"]["median_s"], "decode_s": line["decode"]["median_s"],
            "round_trips_ns": [line["round_trip_before_ns"], line["round_trip_after_ns"]]}


def one_placement(trials):
    trips = [trip for trial in trials for trip in trial["round_trips_ns"] if trip > 0]
    return not trips or max(trips) <= SAME_PLACEMENT * min(trips)


def interleave(rounds, ours, theirs):
    """Runs both in turn until `rounds` rounds are kept, those whose partita trial and the next one saw one
    placement of the cores; gives up after TRIES times as many."""
    kept = []
    before = ours()
    for _ in range(rounds * TRIES):
        if len(kept) == rounds:
            break
        peer = theirs()
        after = ours()
        if one_placement([before, after]):
            kept.append((before, peer, after))
        before = after
    return kept


def ratios(kept, phase):
    """Peer's time over ours in every kept round; ours is the mean of the trials around the peer's."""
    values = [peer[phase] / statistics.mean([before[phase], after[phase]]) for before, peer, after in kept]
    if not values:
        return None
    ours = [trial[phase] for before, _, after in kept for trial in (before, after)]
    return {"ratio": round(statistics.median(values), 3), "ratio_min": round(min(values), 3),
            "ratio_max": round(max(values), 3), "partita_s": statistics.median(ours),
            "peer_s": statistics.median(peer[phase] for _, peer, _ in kept)}


def report(case, kept, rounds):
    trips = [trip for before, _, after in kept for trial in (before, after) for trip in trial["round_trips_ns"]]
    print(json.dumps({**case, "rounds": rounds, "kept": len(kept),
                      "round_trip_ns": round(statistics.median(trips)) if trips else None,
                      "prefill": ratios(kept, "prefill_s"), "decode": ratios(kept, "decode_s")}), flush=True)
