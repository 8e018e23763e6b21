"""Stillroom's server against llama-server, llama-cpp-python's server and Ollama: same model file, threads and requests.

    python -m benchmarks.serve                                        # the whole table, about 25 minutes on two cores
    python -m benchmarks.serve --work tuned-q8 --clients 8 --rounds 1 --no-trial         # a minute or two

What was measured of other kinds of work before is kept beside it, with the commit of then.

Every figure is of a fresh server, asked over HTTP, after as many other requests as it has slots. Contenders take
turns in rounds, with nothing else running. A short trial finds a peer's best options for each kind of work. The last
line is the summary; the exit status is 1 when a goal is missed.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import describe
from benchmarks.serve_load import Load, closed, percentiles, poisson
from benchmarks.serve_peers import LLAMA, OURS, PYTHON, VARIANTS, addressed, compact_grammar, contenders, serving
from benchmarks.serve_work import Workload, model_file, valid, workloads

BETTER = 1.03
"""What an option must bring in a trial to be kept; less is chance."""
OF_BOUND = 0.9
WARM_START = 1.5
TIE = 1.0
"""Answers may part where the two tokens' logits are closer than this: sums in another order, as in a batch of another
shape, move those of a quantised model by some tenths."""
RATES = (0.7, 1.2)
"""Arrivals a second, as multiples of what llama-server answers at its best."""
RESULTS = Path("benchmarks/results/serve.json")


@dataclass(frozen=True)
class Setup:
    """How a contender is started: its options, and its slots at most."""

    options: tuple[str, ...] = ()
    slots: int = 16

    def slots_for(self, clients: int) -> int:
        """As many as there are clients, up to the most."""
        return min(clients, self.slots)


@dataclass
class Line:
    """What one contender reached on one kind of work. clients 0: random arrivals, `rate` a second. Times in seconds."""

    work: str
    contender: str
    clients: int
    rate: float
    setup: dict[str, Any]
    requests_per_second: float
    tokens_per_second: float
    whole: dict[str, float]
    first: dict[str, float]
    valid: float
    equal: float
    peak_mib: float
    started: float
    errors: list[str] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list, repr=False)
    leads: list[float] = field(default_factory=list)
    """Where answers part from llama-server's: how far apart the logits of the two tokens are."""


def main() -> int:
    """Run the benchmark; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {work.name: work for work in workloads()}
    parser.add_argument("--work", nargs="+", choices=known, default=list(known))
    parser.add_argument("--clients", type=int, nargs="+", help="only these numbers of clients")
    parser.add_argument("--peers", nargs="+", choices=contenders()[1:], default=contenders()[1:])
    parser.add_argument("--rounds", type=int, default=2, help="runs of each contender")
    parser.add_argument("--requests", type=int, help="at most so many requests a run")
    parser.add_argument("--no-trial", action="store_true", help="peers with their default options")
    parser.add_argument("--no-bound", action="store_true", help="without what the kernels alone would allow")
    parser.add_argument("--no-arrivals", action="store_true", help="without random arrivals")
    parser.add_argument("--run", type=Path, default=Path("runs/email-events"), help="the demo's run folder")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    print(describe(), flush=True)
    results = _kept(options.out, options.work)
    results["machines"] |= dict.fromkeys(options.work, describe())
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for name in options.work:
        for _ in _measure(known[name], options, results):
            options.out.write_text(json.dumps({**results, "setups": None}, indent=1))
    return summary(results, known)


def _kept(file: Path, anew: Sequence[str]) -> dict[str, Any]:
    """What a file holds of the kinds of work that are not measured anew."""
    found = json.loads(file.read_text()) if file.exists() else {"machines": {}, "lines": [], "bounds": []}
    kept = {name: [one for one in found[name] if one["work"] not in anew] for name in ("lines", "bounds")}
    return {"machines": found["machines"], **kept, "setups": {}}


def _measure(work: Workload, options: argparse.Namespace, results: dict[str, Any]) -> Iterator[None]:
    """Add the lines and bounds of one kind of work to the results; yields where they should be kept."""
    model, names = model_file(work.model, options.run), [OURS, *options.peers]
    counts = {n: min(count, options.requests or count) for n, count in work.requests.items()}
    counts = {n: count for n, count in counts.items() if not options.clients or n in options.clients}
    setups: dict[str, Setup] = {}
    for name in names:
        before = results["setups"].get(work.like or work.name, {}).get(name)
        skipped = options.no_trial or name == PYTHON
        setups[name] = Setup() if skipped else _trial(work, model, name, max(counts), before)
    results["setups"][work.name] = setups
    print(work.title, *(f"  {name}: {' '.join(s.options)} slots {s.slots}" for name, s in setups.items()), sep="\n")
    lines: list[Line] = []
    for clients, count in counts.items():
        lines += _rounds(work, model, [n for n in names if n != PYTHON], setups, options.rounds, clients, count)
        # It takes many times as long: a few requests tell that, once for each kind of work.
        if PYTHON in names and not work.like and clients in (1, 8) and work.options:
            lines += _rounds(work, model, [PYTHON], setups, 1, clients, max(clients, count // 4))
    best = max((line.requests_per_second for line in lines if line.contender == LLAMA), default=0.0)
    if work.arrivals and best and not options.no_arrivals:
        for share in RATES:
            taking = [OURS, LLAMA]
            lines += _rounds(work, model, taking, setups, 1, 0, max(counts.values()), share * best)
    _compare(work, model, lines)
    results["lines"] += [{**asdict(line), "texts": len(line.texts)} for line in lines]
    yield
    for clients in () if options.no_bound else counts:
        if clients in work.least:
            results["bounds"].append(_bound(work, model, clients, setups[OURS].slots_for(clients)))
            yield


def _rounds(
    work: Workload, model: Path, names: Sequence[str], setups: dict[str, Setup], rounds: int, clients: int, count: int,
    rate: float = 0.0,
) -> list[Line]:  # fmt: skip
    """Each contender's line; they take turns, and every round begins with another."""
    runs: dict[str, list[Line]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            runs[name].append(_run(work, model, name, setups[name], clients, count, rate))
    lines = [_joined(given) for given in runs.values()]
    for line in lines:
        how = f"{line.clients:2d} clients" if line.clients else f"{line.rate:.1f} arrivals/s"
        print(
            f"{work.name:9s} {how:12s} {line.contender:17s} {line.requests_per_second:6.2f} requests/s "
            f"{line.tokens_per_second:6.0f} tokens/s  p50 {line.whole['p50']:.2f} p95 {line.whole['p95']:.2f} s "
            + (f" first p95 {line.first['p95']:.2f} s " if line.first else "")
            + f" valid {line.valid:.0%} {line.peak_mib:5.0f} MiB"
            + (f"  {line.errors[0]}" if line.errors else ""),
            flush=True,
        )
    return lines


def _run(work: Workload, model: Path, name: str, setup: Setup, clients: int, count: int, rate: float) -> Line:
    # Whoever waits in the queue waits there for every contender: slots are for those who are being answered.
    slots = setup.slots_for(clients) if clients else setup.slots
    with serving(name, model, slots, work.context, setup.options) as server:
        grammar = compact_grammar(server.port, work.schema) if name == LLAMA and work.schema else None
        bodies = [addressed(name, body, grammar) for body in work.bodies[:count]]
        warming = [addressed(name, body, grammar) for body in work.warming[:slots]]
        if rate:
            bodies = [{**body, "stream": True, "stream_options": {"include_usage": True}} for body in bodies]
        closed(server.port, warming, slots)
        load = poisson(server.port, bodies, rate, 1) if rate else closed(server.port, bodies, clients)
        return _line(work, name, setup, clients, rate, load, server.peak_mib(), server.started)


def _line(
    work: Workload, name: str, setup: Setup, clients: int, rate: float, load: Load, peak: float, started: float
) -> Line:
    good = [reply for reply in load.replies if not reply.error]
    return Line(
        work.name, name, clients, rate, asdict(setup), len(good) / load.seconds,
        sum(reply.tokens for reply in good) / load.seconds,
        percentiles([reply.seconds for reply in load.replies]),
        percentiles([reply.first for reply in good if reply.first is not None]),
        sum(valid(reply.text, work.schema) for reply in load.replies) / len(load.replies), 0.0, peak, started,
        [reply.error for reply in load.replies if reply.error][:3], [len(good) / load.seconds],
        [reply.text for reply in load.replies],
    )  # fmt: skip


def _joined(runs: Sequence[Line]) -> Line:
    """One line of several runs: medians, the worst validity, the largest memory."""

    def middle(pick: Any) -> dict[str, float]:
        return {key: median(pick(run)[key] for run in runs) for key in pick(runs[0])}

    first = runs[0]
    return Line(
        first.work, first.contender, first.clients, first.rate, first.setup,
        median(run.requests_per_second for run in runs), median(run.tokens_per_second for run in runs),
        middle(lambda run: run.whole), middle(lambda run: run.first), min(run.valid for run in runs), 0.0,
        max(run.peak_mib for run in runs), min(run.started for run in runs),
        [error for run in runs for error in run.errors][:3], [run.requests_per_second for run in runs], first.texts,
    )  # fmt: skip


def _compare(work: Workload, model: Path, lines: Sequence[Line]) -> None:
    """Note which share of the answers is llama-server's with the fewest clients to the letter; where others part."""
    theirs = [line for line in lines if line.contender == LLAMA and line.clients]
    if not theirs:
        return
    reference = min(theirs, key=lambda line: line.clients)
    for line in lines:
        # With the fewest clients there may be fewer answers.
        pairs = list(zip(work.bodies, line.texts, reference.texts, strict=False))
        line.equal = sum(one == other for _, one, other in pairs) / len(pairs)
        if line.contender in (OURS, LLAMA):
            parted = [(body, one, other) for body, one, other in pairs if one != other and one and other]
            cases = [{"messages": body["messages"], "one": one, "other": other} for body, one, other in parted]
            line.leads = _sub("serve_ties", [str(model)], json.dumps(cases)) if cases else []


def _trial(work: Workload, model: Path, name: str, clients: int, before: Setup | None) -> Setup:
    """The options with which a contender is quickest at this work, tried one after another on a few requests."""
    if not VARIANTS[name]:
        return before or Setup()

    def speed(setup: Setup) -> float:
        line = _run(work, model, name, setup, at_once, at_once, 0.0)
        told = " ".join(setup.options) or "plain"
        print(f"  trial {name}, {told}, {setup.slots} slots: {line.requests_per_second:.2f} requests/s", flush=True)
        return line.requests_per_second

    at_once = min(8, clients)
    best = before or Setup(slots=8)
    variants = [variant for variant in VARIANTS[name] if variant[0].startswith(work.options or ("none",))]
    fastest = speed(best) if variants else 0.0
    for variant in variants:
        tried = Setup((*best.options, *variant), best.slots)
        found = speed(tried)
        if found > BETTER * fastest:
            best, fastest = tried, found
    if len(work.slots) > 1:
        at_once = min(16, clients)
        speeds = {slots: speed(Setup(best.options, slots)) for slots in work.slots}
        best = Setup(best.options, max(speeds, key=lambda slots: speeds[slots]))
    return best


def _bound(work: Workload, model: Path, clients: int, slots: int) -> dict[str, Any]:
    told = _sub("serve_bound", [work.name, str(model), str(clients), str(slots)])
    found = {"work": work.name, "clients": clients, **told}
    print(
        f"{work.name:9s} {clients:2d} clients   bound {found['requests_per_second']:.2f} requests/s: kernels at "
        f"{found['kernel_tokens_per_second']:.0f} tokens/s, {found['computed_tokens']:.0f} computed a request",
        flush=True,
    )
    return found


def _sub(module: str, arguments: Sequence[str], given: str = "") -> Any:
    """What a module of the benchmark prints, run in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def summary(results: dict[str, Any], known: dict[str, Workload]) -> int:
    """Print one line with every goal that was measured; 1 when one is missed."""
    goals: list[tuple[bool, str]] = []
    lines = results["lines"]
    for name in dict.fromkeys(line["work"] for line in lines):
        work = known[name]
        for clients, least in work.least.items():
            here = {line["contender"]: line for line in lines if line["work"] == name and line["clients"] == clients}
            ours, peers = here.pop(OURS, None), list(here.values())
            if ours and peers:
                best = max(peers, key=lambda line: float(line["requests_per_second"]))
                goals += _goals(work, clients, least, ours, best)
        for bound in results["bounds"]:
            if bound["work"] == name:
                share = _reached(lines, bound) / bound["requests_per_second"]
                goals.append((share >= OF_BOUND, f"{name} at {bound['clients']}: {share:.0%} of its bound"))
    starts = [line["started"] for line in lines if line["contender"] == OURS and line["work"].startswith("tuned")]
    if starts:
        goals.append((median(starts) <= WARM_START, f"first token {median(starts):.1f} s after a warm start"))
    missed = [said for good, said in goals if not good]
    print(
        ("MISSED " + "; ".join(missed) + " | met: " if missed else "MET ") + "; ".join(s for good, s in goals if good)
    )
    return int(bool(missed))


def _goals(
    work: Workload, clients: int, least: float, ours: dict[str, Any], best: dict[str, Any]
) -> list[tuple[bool, str]]:
    where = f"{work.name} at {clients}"
    faster = ours["requests_per_second"] / best["requests_per_second"]
    slower = ours["whole"]["p95"] / best["whole"]["p95"]
    widest = max(ours["leads"], default=0.0)
    return [
        (faster >= least, f"{where}: {faster:.2f}x {best['contender']} (goal {least:g}x)"),
        (slower <= work.later, f"{where}: p95 {slower:.2f} of its (goal {work.later:g})"),
        (ours["valid"] == 1, f"{where}: {ours['valid']:.0%} valid"),
        (
            widest < TIE,
            f"{where}: {ours['equal']:.0%} of the answers equal, the others part at leads below {widest:.2f}",
        ),
    ]


def _reached(lines: Sequence[dict[str, Any]], bound: dict[str, Any]) -> float:
    keys = ("work", "clients")
    here = [line for line in lines if line["contender"] == OURS and all(line[key] == bound[key] for key in keys)]
    return float(here[0]["requests_per_second"]) if here else 0.0


if __name__ == "__main__":
    sys.exit(main())
