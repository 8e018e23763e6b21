"""Contenders that train in turn, each in a process of its own: the table, the plot, the summary and the exit status."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import describe

OURS = "stillroom"
MEMORY = 0.5
"""Largest accepted share of the best peer's peak memory."""
LOSS = 0.01
"""Largest accepted relative difference of the last losses."""


@dataclass
class Line:
    """What one contender reached at one length of the shared prefix."""

    shared: int
    contender: str
    samples_per_second: float
    tokens_per_second: float
    peak_mib: float
    last_loss: float


def main(
    description: str | None,
    module: str,
    contenders: Sequence[str],
    train: Callable[[str, int, int, Path], dict[str, Any]],
    goals: dict[int, float],
) -> int:
    """Run the benchmark as a command; returns its exit status: 1 when a goal is missed.

    train(contender, shared, steps, folder): trains and returns "losses", "samples_per_second", "tokens_per_second" and
    "peak_mib". goals: least speed-up over the best peer, by the number of shared tokens.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", type=int, nargs="+", default=sorted(goals), help="lengths of the shared prefix, tokens"
    )
    parser.add_argument("--steps", type=int, default=2, help="steps that count; one before them does not")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each contender")
    parser.add_argument("--out", type=Path, default=Path(f"benchmarks/results/{module.rpartition('.')[2]}.json"))
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "SHARED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(train(options.one[0], int(options.one[1]), options.steps, Path(folder))))
        return 0
    print(describe(), flush=True)
    table: list[Line] = []
    for shared in options.shared:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name in contenders:
                command = [sys.executable, "-m", module, "--one", name, str(shared), "--steps", str(options.steps)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        for name, given in runs.items():
            line = Line(
                shared,
                name,
                median(run["samples_per_second"] for run in given),
                median(run["tokens_per_second"] for run in given),
                max(run["peak_mib"] for run in given),
                float(given[0]["losses"][-1]),
            )
            table.append(line)
            print(
                f"{shared:4d} shared  {name:18s} {line.samples_per_second:6.2f} samples/s "
                f"{line.tokens_per_second:7.0f} tokens/s {line.peak_mib:6.0f} MiB  loss {line.last_loss:.4f}",
                flush=True,
            )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": describe(), "table": [asdict(line) for line in table]}, indent=1))
    return summary(table, goals)


def summary(table: Sequence[Line], goals: dict[int, float]) -> int:
    """Print the speed-up over the best peer, the memory and the loss, by shared length; 1 when a goal is missed."""
    missed, parts = False, []
    for shared in dict.fromkeys(line.shared for line in table):
        lines = {line.contender: line for line in table if line.shared == shared}
        ours = lines.pop(OURS)
        best = max(lines.values(), key=lambda line: line.samples_per_second)
        faster = ours.samples_per_second / best.samples_per_second
        memory = ours.peak_mib / best.peak_mib
        apart = abs(ours.last_loss / best.last_loss - 1)
        goal = goals.get(shared, 1.0)
        good = faster >= goal and memory <= MEMORY and apart <= LOSS
        missed = missed or not good
        parts.append(
            f"{shared} shared: {faster:.1f}x {best.contender} (goal {goal:g}x), {memory:.2f} of its memory "
            f"(goal {MEMORY:g}), loss {apart:.1%} apart"
        )
    print(("MISSED " if missed else "MET ") + "; ".join(parts))
    return int(missed)
