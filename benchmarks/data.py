"""Near duplicates against text-dedup and datatrove, the whole clean chain, and personal data against a known truth.

python -m benchmarks.data                       # everything, about ten minutes on two cores
python -m benchmarks.data --parts stillroom     # one part; the others keep what they measured last
Each part is measured in processes of its own, from the corpus on disk to the clusters on disk, start-up included. The
last line says whether the goals hold, and so does the exit status.
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

PEERS = ("text-dedup", "datatrove")
PARTS = ("stillroom", *PEERS, "chain", "pii")
FASTER = 2.0
"""Least documents a second, as a multiple of text-dedup's, at a recall that is no lower."""
MAILS_PER_SECOND = 3000
FOUND = 0.95
PII_MAILS = 3000
RESULTS = Path("benchmarks/results/data.json")


def main() -> int:
    """Run the benchmark; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--mails", type=int, default=50_000)
    parser.add_argument(
        "--peers", type=Path, default=Path(".cache/stillroom/bench-data"), help="where they are installed"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _one(options.one[0], Path(options.one[1]), Path(options.one[2]))
    print(describe(), flush=True)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planted = (
            write_corpus(folder / "corpus.jsonl", options.documents) if {*options.parts} & {"stillroom", *PEERS} else []
        )
        for part in options.parts:
            result = _part(part, folder, planted, options)
            results[part] = {**result, "machine": describe()}
            print(part, json.dumps(result), flush=True)
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1))
    return summary(results)


def summary(results: dict[str, Any]) -> int:
    """Print one line with every goal; 1 when one is missed or was never measured."""
    goals: list[tuple[bool, str]] = []
    ours, peer = results.get("stillroom"), results.get("text-dedup")
    if ours and peer and "failed" not in peer:
        times = ours["documents_per_second"] / peer["documents_per_second"]
        good = times >= FASTER and ours["recall"] >= peer["recall"]
        recalls = f"recall {ours['recall']:.4f} against {peer['recall']:.4f}"
        goals.append((good, f"near duplicates {times:.1f}x text-dedup (goal {FASTER:g}x), {recalls}"))
    if chain := results.get("chain"):
        speed = chain["mails_per_second"]
        goals.append((speed >= MAILS_PER_SECOND, f"clean chain {speed:.0f} e-mails/s (goal {MAILS_PER_SECOND})"))
    for name in ("generated", "hard"):
        if found := results.get("pii", {}).get(name):
            good = min(found["precision"], found["recall"]) >= FOUND
            said = f"precision {found['precision']:.3f}, recall {found['recall']:.3f} (goal {FOUND:g})"
            goals.append((good, f"personal data, {name}: {said}"))
    met = len(goals) == 4 and all(good for good, _ in goals)
    print(("MET " if met else "MISSED ") + "; ".join(said for _, said in goals))
    return int(not met)


def _part(part: str, folder: Path, planted: list[Planted], options: argparse.Namespace) -> dict[str, Any]:
    out = folder / part
    out.mkdir()
    if part == "pii":
        return _personal_data()
    if part == "chain":
        write_mails(folder / "mails.jsonl", options.mails)
        seconds, mib = _timed([*_self("chain"), str(folder / "mails.jsonl"), str(out)])
        report = json.loads((out / "data_report.json").read_text())
        masked = sum(report["masked"].values())
        return {"mails_per_second": options.mails / seconds, "seconds": seconds, "peak_mib": mib, "masked": masked}
    if part == "stillroom":
        command = [*_self("near"), str(folder / "corpus.jsonl"), str(out)]
    else:
        try:
            python = data_peers.python_of(part, options.peers)
        except subprocess.CalledProcessError as error:
            return {"failed": f"does not install: {error}"}
        command = data_peers.command(part, python, folder / "corpus.jsonl", out, cpu_threads())
    try:
        seconds, mib = _timed(command)
    except subprocess.CalledProcessError as error:
        return {"failed": f"ended with {error.returncode}: {str(error.output)[-500:]}"}
    if part == "stillroom":
        of = json.loads((out / "clusters.json").read_text())
    else:
        of = data_peers.clusters(part, python, out, options.documents)
    scores = _scores(of, planted)
    return {"documents_per_second": options.documents / seconds, "seconds": seconds, "peak_mib": mib, **scores}


def _scores(of: list[int], planted: list[Planted]) -> dict[str, float]:
    """Recall of the planted pairs at the threshold or above; precision of all pairs that were put together."""
    true = {frozenset((pair.one, pair.other)) for pair in planted if pair.jaccard >= THRESHOLD}
    members: dict[int, list[int]] = {}
    for place, cluster in enumerate(of):
        members.setdefault(cluster, []).append(place)
    together = {
        frozenset((one, other)) for group in members.values() for one in group for other in group if one < other
    }
    return {
        "planted": len(true),
        "recall": len(true & together) / len(true),
        "precision": len(true & together) / len(together),
    }


def _timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds of a command, and its peak memory (MiB, shared pages counted once) with all that it starts."""
    with tempfile.TemporaryFile("w+") as said:
        start, peak = time.perf_counter(), 0.0
        process = psutil.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _memory(process))
            time.sleep(0.1)
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
        for found, chunk in local(_keys, chunks()):
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
        "pii": {"vault": str(source.parent / "mails.vault")},
        "near_duplicates": "drop",
    }
    data = {"sources": [{"kind": "jsonl", "path": str(source)}], "cleaning": cleaning}
    prepare(Recipe.model_validate({"name": "bench", "instruction": "Sort it.", "data": data}), source.parent, out)


def _personal_data() -> dict[str, Any]:
    parts = {"generated": generated_cases(PII_MAILS), "hard": hard_cases()}
    results: dict[str, Any] = {}
    for name, cases in parts.items():
        found, by_kind = measure(cases)
        kinds = {kind: [one.right, one.found, one.wanted] for kind, one in by_kind.items()}
        results[name] = {"precision": found.precision, "recall": found.recall, "right_found_wanted": kinds}
    return results


if __name__ == "__main__":
    sys.exit(main())
