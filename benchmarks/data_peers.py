"""The peers, each in an environment of its own: text-dedup and datatrove, by MinHash at the same threshold."""

import json
import subprocess
import venv
from collections import defaultdict
from pathlib import Path

from benchmarks.data_corpus import THRESHOLD

WANTED = {"text-dedup": ["text-dedup==0.4.0"], "datatrove": ["datatrove[io,processing]==0.10.1", "spacy"]}


def python_of(peer: str, folder: Path) -> Path:
    """The interpreter with the peer, installed at first use. Raises CalledProcessError where that fails."""
    python = folder / peer / "bin/python"
    if not (folder / peer / "ready").exists():
        venv.create(folder / peer, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *WANTED[peer]], check=True)
        (folder / peer / "ready").touch()
    return python


def command(peer: str, python: Path, corpus: Path, out: Path, cores: int) -> list[str]:
    """What finds the near duplicates of the corpus and leaves them in `out`."""
    if peer == "text-dedup":
        return [
            *(
                str(python),
                "-m",
                "text_dedup.minhash",
                "--path",
                "json",
                "--data_files",
                str(corpus),
                "--split",
                "train",
            ),
            *("--cache_dir", str(out / "cache"), "--output", str(out / "kept"), "--column", "text", "--debug"),
            *("--ngram", "3", "--threshold", str(THRESHOLD), "--num_proc", str(cores), "--hash_func", "xxh3"),
        ]
    return [str(python), "-c", _DATATROVE, str(corpus), str(out), str(cores)]


def clusters(peer: str, python: Path, out: Path, documents: int) -> list[int]:
    """The cluster of each document, as the peer has left it."""
    if peer == "datatrove":
        found: dict[int, list[int]] = defaultdict(list)
        for path in [*(out / "kept").glob("*.jsonl"), *(out / "removed").glob("*.jsonl")]:
            for line in path.open():
                row = json.loads(line)
                found[row["metadata"].get("minhash_cluster_id", -1)].append(int(row["id"].rpartition("/")[2]))
        of = list(range(documents))
        for number, members in found.items():
            for member in members if number != -1 else ():
                of[member] = min(members)
        return of
    shown = subprocess.run(
        [python, "-c", _PARENTS, out / "kept/uf.pkl", str(documents)], capture_output=True, text=True, check=True
    )
    return [int(place) for place in json.loads(shown.stdout.splitlines()[-1])]


_PARENTS = """
import json, pickle, sys
from text_dedup.utils import UnionFind
with open(sys.argv[1], "rb") as stream:
    found = pickle.load(stream)
union = found[0] if isinstance(found, tuple) else found
find = union.find if hasattr(union, "find") else lambda place: union.get(place, place)
print(json.dumps([int(find(place)) for place in range(int(sys.argv[2]))]))
"""
# 17 buckets of 7 hashes: the most selective ones of about 120 hashes that find a pair at 0.8 in 98 of 100 cases.
_DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

if __name__ == "__main__":
    corpus, out, cores = sys.argv[1], sys.argv[2], int(sys.argv[3])
    config = MinhashConfig(n_grams=3, num_buckets=17, hashes_per_bucket=7)
    reader = lambda: JsonlReader(corpus, glob_pattern=None)
    run = lambda name, steps, tasks: LocalPipelineExecutor(
        pipeline=steps, tasks=tasks, workers=min(tasks, cores), logging_dir=f"{out}/logs/{name}").run()
    run("sign", [reader(), MinhashDedupSignature(f"{out}/signatures", config=config)], 1)
    run("bands", [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)], 17)
    run("join", [MinhashDedupCluster(f"{out}/buckets", f"{out}/removed_ids", config=config, save_cluster_id=True)], 1)
    run("write", [reader(), MinhashDedupFilter(f"{out}/removed_ids", load_cluster_ids=True,
        exclusion_writer=JsonlWriter(f"{out}/removed", compression=None)),
        JsonlWriter(f"{out}/kept", compression=None)], 1)
"""
