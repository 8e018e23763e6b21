"""What the tests of several workers train: a tiny task, as one process and as several."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from several_workers import ROWS, Start, dpo, finish, sft

from stillroom.data.rows import write_rows
from stillroom.files import write_jsonl


@pytest.fixture(scope="session")
def job(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a worker needs to train on the rows, and `pairs`, the file of preference pairs."""
    folder = tmp_path_factory.mktemp("job")
    write_rows(folder / "rows.jsonl", ROWS)
    answer = '{{"category":"{category}","word":"{word}"}}'
    pairs = (
        {"id": row.id, "text": row.text, "chosen": answer.format(**row.label), "rejected": '{"category":', "rule": "-"}
        for row in ROWS[:7]
    )
    write_jsonl(folder / "pairs.jsonl", pairs)
    return {"base": str(tiny), "rows": str(folder / "rows.jsonl"), "pairs": str(folder / "pairs.jsonl")}


@pytest.fixture(scope="session")
def start(job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Start processes that train `parts` together, one thread each; what still runs at the end is ended."""
    running: list[subprocess.Popen[str]] = []

    def begin(count: int, *parts: dict[str, Any]) -> list[subprocess.Popen[str]]:
        file = tmp_path_factory.mktemp("parts") / "job.json"
        file.write_text(json.dumps({**job, "parts": parts}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        script = Path(__file__).with_name("one_worker.py")
        for rank in range(count):
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
            environment = {name: str(value) for name, value in place.items()} if count > 1 else {}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(
                [sys.executable, str(script), str(file)],
                env={**os.environ, **environment, "CUDA_VISIBLE_DEVICES": ""},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            running.append(process)
        return running[-count:]

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def alone(start: Start, job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what one process trained: `sft`, and `dpo` after it."""
    folder = tmp_path_factory.mktemp("alone")
    finish(start(1, sft(folder / "sft"), dpo(folder / "dpo", folder / "sft" / "adapter", job["pairs"])))
    return folder
