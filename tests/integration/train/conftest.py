"""What the tests of several workers train: a tiny task, as one process and as several."""

import json
import multiprocessing
import socket
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import one_worker
import pytest
from several_workers import ROWS, Start, Worker, dpo, finish, sft

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
    """Start processes that train `parts` together, one thread each; what still runs at the end is ended.

    They are forked from one that has imported what all of them need, and has computed nothing.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["datasets", "peft", "trl.trainer.sft_trainer", "trl.trainer.dpo_trainer"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        forkserver.ensure_running()
    running: list[Worker] = []

    def begin(count: int, *parts: dict[str, Any]) -> list[Worker]:
        folder = tmp_path_factory.mktemp("parts")
        (folder / "job.json").write_text(json.dumps({**job, "parts": parts}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        for rank in range(count):
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
            environment = {name: str(value) for name, value in place.items()} if count > 1 else {}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            printed = folder / f"{rank}.txt"
            process = context.Process(target=one_worker.run, args=(folder / "job.json", environment, printed))
            process.start()
            running.append(Worker(process, printed))
        return running[-count:]

    yield begin
    for worker in running:
        worker.process.kill()
        worker.process.join()


@pytest.fixture(scope="session")
def alone(start: Start, job: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what one process trained: `sft`, and `dpo` after it."""
    folder = tmp_path_factory.mktemp("alone")
    finish(start(1, sft(folder / "sft"), dpo(folder / "dpo", folder / "sft" / "adapter", job["pairs"])))
    return folder
