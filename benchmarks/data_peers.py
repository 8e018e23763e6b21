"""The peers, each in an environment of its own: text-dedup and datatrove, by MinHash at the same threshold."""

import json
import subprocess
import venv
from collections import defaultdict
from pathlib import Path

from benchmarks.data_corpus import THRESHOLD, split_corpus

VERSIONS = {"text-dedup": "text-dedup==0.4.0", "datatrove": "datatrove[io,processing]==0.10.1"}
# What each of them needs for MinHash. text-dedup asks for PySpark and a neural model too, which this leaves out, and
# was written for the `datasets` of its time.
_NEEDED = {
    "text-dedup": [
        "bitarray", "click<9", "click-option-group<0.6", "datasets<3", "fire<0.7", "ftfy", "numpy<2", "pandas<3",
        "psutil", "pyarrow<18", "regex", "rich<14", "scipy", "setuptools", "tqdm", "xxhash", "zstandard",
    ],
    "datatrove": ["spacy"],
}  # fmt: skip


def python_of(peer: str, folder: Path) -> Path:
    """The interpreter with the peer, installed at first use. Raises CalledProcessError where that fails."""
    python = folder / peer / "bin/python"
    if not (folder / peer / "ready").exists():
        venv.create(folder / peer, with_pip=True)
        alone = ["--no-deps"] if peer == "text-dedup" else []
        for wanted in (["-q", *alone, VERSIONS[peer]], ["-q", *_NEEDED[peer]]):
            command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *wanted]
            subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        (folder / peer / "ready").touch()
    return python


def command(peer: str, python: Path, corpus: Path, out: Path, cores: int) -> list[str]:
    """What finds the near duplicates of the corpus and leaves them in `out`."""
    if peer == "text-dedup":
        source = ["--path", "json", "--data_files", str(corpus), "--split", "train", "--column", "text"]
        put = ["--cache_dir", str(out / "cache"), "--output", str(out / "kept"), "--debug"]
        how = ["--ngram", "3", "--threshold", str(THRESHOLD), "--num_proc", str(cores), "--hash_func", "xxh3"]
        return [str(python), "-m", "text_dedup.minhash", *source, *put, *how]
    parts = corpus.with_suffix("")
    if not parts.exists():
        split_corpus(corpus, cores)
    return [str(python), "-c", _DATATROVE, str(parts), str(out), str(cores)]


def clusters(peer: str, python: Path, out: Path, documents: int) -> list[int]:
    """The cluster of each document, as the peer has left it."""
    if peer == "datatrove":
        found: dict[int, list[int]] = defaultdict(list)
        for path in [*(out / "kept").glob("*.jsonl"), *(out / "removed").glob("*.jsonl")]:
            for line in path.open():
                row = json.loads(line)
                found[row["metadata"].get("minhash_cluster_id", -1)].append(int(row["id"]))
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
with open(sys.argv[1], "rb") as stream:
    union = pickle.load(stream)
print(json.dumps([int(union.find(place)) for place in range(int(sys.argv[2]))]))
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
    reader = lambda: JsonlReader(corpus)
    run = lambda name, steps, tasks: LocalPipelineExecutor(
        pipeline=steps, tasks=tasks, workers=min(tasks, cores), logging_dir=f"{out}/logs/{name}").run()
    run("sign", [reader(), MinhashDedupSignature(f"{out}/signatures", config=config)], cores)
    run("bands", [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)], 17)
    run("join", [MinhashDedupCluster(f"{out}/buckets", f"{out}/removed_ids", config=config, save_cluster_id=True)], 1)
    run("write", [reader(), MinhashDedupFilter(f"{out}/removed_ids", load_cluster_ids=True,
        exclusion_writer=JsonlWriter(f"{out}/removed", compression=None)),
        JsonlWriter(f"{out}/kept", compression=None)], cores)
"""
