"""Contenders that train in turn, each in a process of its own: the table, the summary and the exit status."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import describe

OURS = "stillroom"
IN_FP32 = ("stillroom-fp32", "trl-fp32")
"""Whose losses are held against each other where rounding to bf16 alone moves a loss by more than LOSS."""
RESULTS = Path("benchmarks/results")
MEMORY = 0.5
"""Largest accepted share of the best peer's peak memory."""
LOSS = 0.01
"""Largest accepted relative difference of the last losses."""
NEAR = 1.25
"""A speed-up within this factor of its goal is measured a second time."""
LONGEST = 900
"""Seconds after which a contender's run is given up."""

Run = dict[str, Any]


@dataclass
class Line:
    """What one contender reached at one length of the shared prefix; the median of its runs."""

    shared: int
    contender: str
    samples_per_second: float
    tokens_per_second: float
    peak_mib: float
    last_loss: float
    runs: list[float]
    """Samples a second of each run."""


class Absent(Exception):
    """Why a contender cannot run here."""


def main(
    description: str | None,
    module: str,
    contenders: Mapping[str, Sequence[int]],
    train: Callable[[str, int, int, Path], Run],
    goals: dict[int, float],
) -> int:
    """Run the benchmark as a command; returns its exit status: 1 when a goal is missed.

    contenders: the lengths of the shared prefix at which each one runs. train(contender, shared, steps, folder): trains
    and returns "losses", "samples_per_second", "tokens_per_second" and "peak_mib"; raises Absent where it cannot.
    goals: least speed-up over the best peer, by the number of shared tokens.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", type=int, nargs="+", default=sorted(goals), help="lengths of the shared prefix, tokens"
    )
    parser.add_argument("--steps", type=int, default=2, help="steps that count; one before them does not")
    parser.add_argument("--contenders", nargs="+", choices=list(contenders), default=list(contenders))
    name = module.rpartition(".")[2]
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "SHARED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            try:
                result = train(options.one[0], int(options.one[1]), options.steps, Path(folder))
            except Absent as reason:
                result = {"absent": str(reason)}
            print(json.dumps(result))
        return 0
    print(describe(), flush=True)
    kept, machines = _kept(options.out, options.shared)
    in_fp32 = all(name in contenders for name in IN_FP32)
    table: list[Line] = []
    absent: dict[str, str] = {}

    def run(contender: str, shared: int) -> Run | None:
        command = [sys.executable, "-m", module, "--one", contender, str(shared), "--steps", str(options.steps)]
        result = _result(command)
        if "absent" in result:
            absent[contender] = result["absent"]
            print(f"{contender} is not measured: {result['absent']}", flush=True)
            return None
        return result

    for shared in options.shared:
        there = [name for name in options.contenders if shared in contenders[name] and name not in absent]
        # The first again at the end: so a machine that slows down in the meantime is seen in the runs.
        lines = measure(shared, [*there, OURS], goals.get(shared, 1.0), run)
        table += lines
        for line in lines:
            runs = " ".join(f"{value:.2f}" for value in line.runs)
            print(
                f"{shared:4d} shared  {line.contender:18s} {line.samples_per_second:6.2f} samples/s "
                f"{line.tokens_per_second:7.0f} tokens/s {line.peak_mib:6.0f} MiB  loss {line.last_loss:.4f}  ({runs})",
                flush=True,
            )
        machines[str(shared)] = describe()
        told = [asdict(line) for line in sorted([*kept, *table], key=lambda line: line.shared)]
        options.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"machines": machines, "goals": goals, "absent": absent, "in_fp32": in_fp32, "table": told}
        options.out.write_text(json.dumps(result, indent=1))
    text, missed = summary(table, goals, in_fp32)
    print(text)
    return int(missed)


def _kept(file: Path, anew: Sequence[int]) -> tuple[list[Line], dict[str, str]]:
    """The lines of the lengths that are not measured anew, and on which machine and commit each length was."""
    if not file.exists():
        return [], {}
    found = json.loads(file.read_text())
    lines = [Line(**line) for line in found["table"] if line["shared"] not in anew]
    return lines, {shared: told for shared, told in found["machines"].items() if int(shared) not in anew}


def measure(shared: int, order: Sequence[str], goal: float, run: Callable[[str, int], Run | None]) -> list[Line]:
    """Let contenders run in turn; where the outcome is near the goal, ours and the best peer run once more."""
    runs: dict[str, list[Run]] = {}

    def lines() -> list[Line]:
        return [_line(shared, name, given) for name, given in runs.items()]

    def add(name: str) -> None:
        result = run(name, shared)
        if result is not None:
            runs.setdefault(name, []).append(result)

    for name in order:
        add(name)
    ours, best = _ours_and_best(lines())
    if best and goal / NEAR < ours.samples_per_second / best.samples_per_second < goal * NEAR:
        for name in (best.contender, OURS):
            add(name)
    return lines()


def _result(command: list[str]) -> Run:
    """What a contender's process prints last."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return {"absent": f"its run took more than {LONGEST} s"}
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def _line(shared: int, name: str, given: Sequence[Run]) -> Line:
    return Line(
        shared,
        name,
        median(run["samples_per_second"] for run in given),
        median(run["tokens_per_second"] for run in given),
        max(run["peak_mib"] for run in given),
        float(given[0]["losses"][-1]),
        [run["samples_per_second"] for run in given],
    )


def is_ours(contender: str) -> bool:
    """Whether it is Stillroom, in whichever arithmetic."""
    return contender.startswith(OURS)


def _ours_and_best(lines: Sequence[Line]) -> tuple[Line, Line | None]:
    """Our line and the fastest peer's; None where no peer was measured."""
    ours = next(line for line in lines if line.contender == OURS)
    peers = [line for line in lines if not is_ours(line.contender)]
    return ours, max(peers, key=lambda line: line.samples_per_second, default=None)


def summary(table: Sequence[Line], goals: Mapping[int, float], in_fp32: bool = False) -> tuple[str, bool]:
    """One line with the speed-up over the best peer, the memory and the loss by shared length; True when one misses.

    in_fp32: losses are compared between the two of IN_FP32 alone, at the lengths where both were measured.
    """
    missed, parts = False, []
    for shared in dict.fromkeys(line.shared for line in table):
        lines = {line.contender: line for line in table if line.shared == shared}
        ours, best = _ours_and_best(list(lines.values()))
        if best is None:
            missed = True
            parts.append(f"{shared} shared: no peer was measured")
            continue
        faster = ours.samples_per_second / best.samples_per_second
        memory = ours.peak_mib / best.peak_mib
        goal = goals.get(shared, 1.0)
        missed = missed or faster < goal or memory > MEMORY
        part = f"{shared} shared: {faster:.1f}x {best.contender} (goal {goal:g}x), {memory:.2f} of its memory "
        part += f"(goal {MEMORY:g})"
        if not in_fp32 or all(name in lines for name in IN_FP32):
            one, other = (lines[name] for name in IN_FP32) if in_fp32 else (ours, best)
            apart = abs(one.last_loss / other.last_loss - 1)
            missed = missed or apart > LOSS
            part += f", loss {apart:.1%} apart" + (" in fp32" if in_fp32 else "")
        parts.append(part)
    return ("MISSED " if missed else "MET ") + "; ".join(parts), missed
