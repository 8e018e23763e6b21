"""torchtune as a contender, in an environment of its own: its last release wants an older torchao than others do."""

import json
import subprocess
import venv
from pathlib import Path
from typing import Any

from benchmarks.contender import TARGETS
from benchmarks.contest import Absent

WANTED = ["torch==2.13.0", "torchtune==0.6.1", "torchao==0.11.0"]
FOLDER = Path(".cache/stillroom/bench-train/torchtune")


def python() -> Path:
    """The interpreter with torchtune, installed at first use. Raises Absent, with pip's last line, where it is not."""
    found = FOLDER / "bin/python"
    if not (FOLDER / "ready").exists():
        venv.create(FOLDER, with_pip=True)
        done = subprocess.run(
            [found, "-m", "pip", "install", "--quiet", *WANTED], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Absent(f"pip cannot install {' '.join(WANTED)}: {_last(done.stderr)}")
        (FOLDER / "ready").touch()
    return found


def train(
    base: Path, rows: list[dict[str, Any]], batch: int, at_once: int, steps: int, dtype: str, out: Path
) -> dict[str, Any]:
    """Train on the rows in their order by torchtune's recipe; returns what the contest wants. Raises Absent.

    at_once: rows of a batch that run through the model together; the gradients of its parts add up.
    """
    from stillroom.machine import cpu_threads

    interpreter, job = python(), out / "job.json"
    facts = {"base": str(base), "rows": rows, "batch": batch, "rows_at_once": at_once, "steps": steps, "out": str(out)}
    settings = {"dtype": dtype, "rate": 1e-4, "rank": TARGETS["r"], "alpha": TARGETS["lora_alpha"], "compile": False}
    job.write_text(json.dumps({**facts, **settings, "threads": cpu_threads()}))
    script = Path(__file__).with_name("torchtune_recipe.py")
    done = subprocess.run([interpreter, script, job], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"torchtune's recipe ({', '.join(WANTED)}) fails: {_last(done.stderr)}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:300]
