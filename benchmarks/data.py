"""Near duplicates against text-dedup and datatrove, the whole clean chain, and personal data against a known truth.

python -m benchmarks.data                       # everything, about ten minutes on two cores with nothing else running
python -m benchmarks.data --parts near          # one part; the others keep what they measured last
Each part is measured in processes of its own, from the file on disk to what is left on disk, start-up included. The
contenders take turns, Stillroom first and last. The last line says whether the goals hold, and so does the exit status.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks import data_peers
from benchmarks.data_corpus import THRESHOLD, Planted, write_corpus, write_mails
from benchmarks.data_pii import generated_cases, hard_cases, measure
from benchmarks.machine import describe
from stillroom.machine import cpu_threads

OURS, PEERS = "stillroom", ("text-dedup", "datatrove")
TURNS = (OURS, *PEERS, "text-dedup", OURS)
PARTS = ("near", "chain", "pii")
FASTER = 2.0
"""Least documents a second, as a multiple of text-dedup's, at a recall that is no lower."""
MAILS_PER_SECOND = 3000
GROWTH = 1.25
"""Most peak memory of ten times the rows, as a multiple."""
FOUND = 0.95
PII_MAILS = 3000
RESULTS = Path("benchmarks/results/data.json")
Results = dict[str, Any]


def main() -> int:
    """Run the benchmark; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument(
        "--peers", type=Path, default=Path(".cache/stillroom/bench-data"), help="where they are installed"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _one(options.one[0], Path(options.one[1]), Path(options.one[2]))
    print(describe(), flush=True)
    results: Results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in options.parts:
        with tempfile.TemporaryDirectory() as made:
            results[part] = {**_PART[part](Path(made), options), "machine": describe()}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1))
    print(table(results))
    return summary(results)


def table(results: Results) -> str:
    """Everything that was measured, as Markdown."""
    lines = []
    if near := results.get("near"):
        lines += [
            f"| {near['documents']:,} documents, {near['planted']:,} planted pairs | Documents/s | Peak memory "
            "| Precision | Recall |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        for name, one in near["contenders"].items():
            if "failed" in one:
                lines.append(f"| {name} | not measured: {one['failed']} | | | |")
                continue
            runs = ", ".join(f"{run:,.0f}" for run in one["documents_per_second"])
            lines.append(
                f"| {name} | {runs} | {one['peak_mib']:,.0f} MiB | {one['precision']:.4f} | {one['recall']:.4f} |"
            )
    if chain := results.get("chain"):
        lines += ["", "| E-mails through the clean chain | E-mails/s | Peak memory |", "| ---: | ---: | ---: |"]
        lines += [
            f"| {run['mails']:,} | {run['mails_per_second']:,.0f} | {run['peak_mib']:,.0f} MiB |"
            for run in chain["runs"]
        ]
    if pii := results.get("pii"):
        lines += ["", "| Personal data | Values | Precision | Recall |", "| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {name} | {found['wanted']} | {found['precision']:.3f} | {found['recall']:.3f} |"
            for name, found in pii.items()
            if name != "machine"
        ]
    return "\n".join(lines)


def summary(results: Results) -> int:
    """Print one line with every goal; 1 when one is missed or was never measured."""
    goals: list[tuple[bool, str]] = []
    contenders = results.get("near", {}).get("contenders", {})
    ours, peer = contenders.get(OURS), contenders.get("text-dedup")
    if ours and peer and "failed" not in peer:
        times = _mean(ours["documents_per_second"]) / _mean(peer["documents_per_second"])
        good = times >= FASTER and ours["recall"] >= peer["recall"]
        recalls = f"recall {ours['recall']:.4f} against {peer['recall']:.4f}"
        goals.append((good, f"near duplicates {times:.1f}x text-dedup (goal {FASTER:g}x), {recalls}"))
    if chain := results.get("chain"):
        few, many = chain["runs"][0], chain["runs"][-1]
        speed, growth = many["mails_per_second"], many["peak_mib"] / few["peak_mib"]
        goals.append((speed >= MAILS_PER_SECOND, f"clean chain {speed:.0f} e-mails/s (goal {MAILS_PER_SECOND})"))
        rows = f"{many['mails'] // few['mails']} times the rows"
        goals.append((growth <= GROWTH, f"{growth:.2f} of the memory for {rows} (goal {GROWTH:g})"))
    for name in ("generated", "hard"):
        if found := results.get("pii", {}).get(name):
            good = min(found["precision"], found["recall"]) >= FOUND
            said = f"precision {found['precision']:.3f}, recall {found['recall']:.3f} (goal {FOUND:g})"
            goals.append((good, f"personal data, {name}: {said}"))
    met = len(goals) == 5 and all(good for good, _ in goals)
    print(("MET " if met else "MISSED ") + "; ".join(said for _, said in goals))
    return int(not met)


def _near_duplicates(folder: Path, options: argparse.Namespace) -> Results:
    corpus = folder / "corpus.jsonl"
    planted = write_corpus(corpus, options.documents)
    contenders: dict[str, Results] = {}
    for number, name in enumerate(TURNS):
        if "failed" in contenders.get(name, {}):
            continue
        found = _contend(name, corpus, folder / f"{number}-{name}", planted, options)
        print(name, json.dumps(found), flush=True)
        before = contenders.get(name, {})
        if "failed" not in found:
            found["documents_per_second"] = [*before.get("documents_per_second", []), found["documents_per_second"]]
            found["peak_mib"] = max(found["peak_mib"], before.get("peak_mib", 0.0))
        contenders[name] = found
    true = sum(pair.jaccard >= THRESHOLD for pair in planted)
    return {"documents": options.documents, "planted": true, "contenders": contenders}


def _contend(name: str, corpus: Path, out: Path, planted: list[Planted], options: argparse.Namespace) -> Results:
    out.mkdir()
    try:
        if name == OURS:
            seconds, mib = _timed([*_self("near"), str(corpus), str(out)])
            of = json.loads((out / "clusters.json").read_text())
        else:
            python = data_peers.python_of(name, options.peers)
            seconds, mib = _timed(data_peers.command(name, python, corpus, out, cpu_threads()))
            of = data_peers.clusters(name, python, out, options.documents)
    except subprocess.CalledProcessError as error:
        version = data_peers.VERSIONS.get(name, name)
        return {"failed": f"{version} ended with {error.returncode}: {str(error.output).strip()[-400:]}"}
    return {"documents_per_second": options.documents / seconds, "peak_mib": mib, **_scores(of, planted)}


def _scores(of: list[int], planted: list[Planted]) -> dict[str, float]:
    """Recall of the planted pairs at the threshold or above; precision of all pairs that were put together."""
    true = {frozenset((pair.one, pair.other)) for pair in planted if pair.jaccard >= THRESHOLD}
    members: dict[int, list[int]] = {}
    for place, cluster in enumerate(of):
        members.setdefault(cluster, []).append(place)
    together = {
        frozenset((one, other)) for group in members.values() for one in group for other in group if one < other
    }
    return {"recall": len(true & together) / len(true), "precision": len(true & together) / max(1, len(together))}


def _clean_chain(folder: Path, options: argparse.Namespace) -> Results:
    """The same chain for a tenth of the mails and for all of them: the speed is that of the second."""
    runs = []
    for mails in (options.mails // 10, options.mails):
        source, out = folder / f"{mails}.jsonl", folder / str(mails)
        write_mails(source, mails)
        out.mkdir()
        seconds, mib = _timed([*_self("chain"), str(source), str(out)])
        report = json.loads((out / "data_report.json").read_text())
        kept = sum(split["rows"] for split in report["splits"].values())
        masked = sum(report["masked"].values())
        runs.append(
            {"mails": mails, "mails_per_second": mails / seconds, "peak_mib": mib, "kept": kept, "masked": masked}
        )
        print("chain", json.dumps(runs[-1]), flush=True)
    return {"runs": runs}


def _timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds of a command, and its peak memory (MiB, shared pages counted once) with all that it starts."""
    with tempfile.TemporaryFile("w+") as said:
        start, peak = time.perf_counter(), 0.0
        process = psutil.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _memory(process))
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, said.read())
    return seconds, peak


def _memory(process: psutil.Popen) -> float:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def _self(what: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.data", "--one", what]


def _one(what: str, source: Path, out: Path) -> int:
    """One measurement, in this process and those that the library starts."""
    (_near if what == "near" else _chain)(source, out)
    return 0


def _near(source: Path, out: Path) -> None:
    """Near duplicates as the data step finds them: texts on disk, keys from all cores, candidates checked exactly."""
    import numpy as np

    from stillroom.data.clean.executor import local
    from stillroom.data.duplicates import join
    from stillroom.data.spool import Spool

    with Spool[str](out) as texts, source.open() as stream:

        def chunks() -> Any:
            while lines := list(islice(stream, 512)):
                yield lines

        keys = []
        for _, (found, chunk) in local(_keys, chunks()):
            keys.append(found)
            for text in chunk:
                texts.append(text)
        of = join(np.concatenate(keys), range(len(texts)), texts.__getitem__, THRESHOLD)
    (out / "clusters.json").write_text(json.dumps(of.tolist()))


def _keys(lines: list[str]) -> Any:
    from stillroom.data.duplicates import band_keys

    texts = [json.loads(line)["text"] for line in lines]
    return band_keys(texts, THRESHOLD), texts


def _chain(source: Path, out: Path) -> None:
    """`prepare` with every step that needs no model: from a JSONL file to three splits and the report."""
    from stillroom.data.prepare import prepare
    from stillroom.recipe.model import Recipe

    (source.parent / "words.txt").write_text("damn\nbloody hell\nverdammt\n")
    cleaning = {
        "repair": True,
        "boilerplate_documents": 5000,
        "min_characters": 20,
        "symbols": {"alphabetic_words": 0.5},
        "repetition": {},
        "toxicity": {"lists": [str(source.parent / "words.txt")]},
        "languages": ["en", "de", "zh"],
        "pii": {"vault": str(out.with_suffix(".vault"))},
        "near_duplicates": "drop",
    }
    schema = {"type": "object", "properties": {"category": {"enum": ["event", "spam", "other"]}}}
    data = {"sources": [{"kind": "jsonl", "path": str(source)}], "cleaning": cleaning}
    recipe = {"name": "bench", "instruction": "Sort it.", "output_schema": schema, "data": data}
    prepare(Recipe.model_validate(recipe), source.parent, out)


def _personal_data(folder: Path, options: argparse.Namespace) -> Results:
    parts = {"generated": generated_cases(PII_MAILS), "hard": hard_cases()}
    results: Results = {}
    for name, cases in parts.items():
        found, by_kind = measure(cases)
        kinds = {kind: [one.right, one.found, one.wanted] for kind, one in by_kind.items()}
        results[name] = {
            "precision": found.precision,
            "recall": found.recall,
            "wanted": found.wanted,
            "right_found_wanted": kinds,
        }
    return results


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


_PART = {"near": _near_duplicates, "chain": _clean_chain, "pii": _personal_data}


if __name__ == "__main__":
    sys.exit(main())
