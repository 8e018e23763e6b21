"""Training on Ray workers: the figures of one process, whoever dies on the way, and clear words where nobody comes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from several_workers import RECIPE, ROWS, same_training

from stillroom.data.rows import Row, write_rows
from stillroom.files import read_json, read_jsonl
from stillroom.recipe.model import Recipe
from stillroom.train.encode import Encoder
from stillroom.train.encoded import EncodedRows
from stillroom.train.setup import load_tokenizer

pytest.importorskip("ray", reason="Ray is not installed (the extra `cluster`)")

MARK = "\u2028"  # ends a line for some readers, and stands as it is in JSON's strings
SERVICES = [
    f"{service}.port{kind}" for service in ("master", "volume", "filer", "s3", "admin") for kind in ("", ".grpc")
]
Drive = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Start a driver of some trainings, with `nodes` machines of so many CPUs each; it is ended with all it started."""
    drivers: list[subprocess.Popen[str]] = []

    def begin(*parts: dict[str, Any], **job: Any) -> subprocess.Popen[str]:
        file = tmp_path / f"job-{len(drivers)}.json"
        file.write_text(json.dumps({**job, "parts": parts}))
        root = str(Path(__file__).parents[3])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {
            "PYTHONPATH": root,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "ONEDNN_MAX_CPU_ISA": "AVX2",  # no quick bfloat16: trained in fp32
            "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5",
            "STILLROOM_PROGRESS": str(tmp_path / "progress.jsonl"),
        }
        driver = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ray_driver.py")), str(file)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        drivers.append(driver)
        return driver

    yield begin
    for driver in drivers:
        end_all(driver)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of a folder in an S3 store on this machine; a plain folder where SeaweedFS is not installed."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        yield str(tmp_path / "bucket")
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stillroom")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "known-to-this-test-alone")
    with contextlib.ExitStack() as stack:
        probes = {name: stack.enter_context(socket.socket()) for name in SERVICES}
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        ports = {name: probe.getsockname()[1] for name, probe in probes.items()}
    quiet = ["-admin.ui=false", "-webdav=false", "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    here = [f"-dir={tmp_path}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=stillroom"]
    command = [str(weed), "mini", *here, *quiet, *(f"-{name}={port}" for name, port in ports.items())]
    with (tmp_path / "weed.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        uri = f"s3://stillroom/trainings?endpoint_override=http://127.0.0.1:{ports['s3.port']}&region=us-east-1"
        deadline = time.monotonic() + 60
        while not stored(uri):
            assert time.monotonic() < deadline and server.poll() is None, (tmp_path / "weed.log").read_text()[-2000:]
            time.sleep(0.2)
        yield uri
    finally:
        server.kill()
        server.wait()


def stored(uri: str) -> bool:
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(uri)
    try:
        with system.open_output_stream(f"{path}/first") as stream:
            stream.write(b"here")
        system.delete_file(f"{path}/first")
    except OSError:
        return False
    return True


def end_all(driver: subprocess.Popen[str]) -> None:
    """End a driver and every process below it."""
    if driver.poll() is None:
        below = psutil.Process(driver.pid).children(recursive=True)
        for process in (*below, driver):
            process.send_signal(signal.SIGKILL)
        driver.communicate()


def part(kind: str, job: dict[str, Any], folder: Path, name: str, adapter: Path | None = None, **train: Any) -> Any:
    """One training of the tiny task, as the driver takes it."""
    write_rows(folder / "train.jsonl", ROWS[1:])
    write_rows(folder / "validation.jsonl", ROWS[:1])
    inputs = {"train.jsonl": folder / "train.jsonl", "validation.jsonl": folder / "validation.jsonl"}
    if kind == "dpo":
        inputs = {"adapter": adapter, "pairs.jsonl": job["pairs"]}
    train = {"workers": 2, "storage": str(folder / "storage"), "worker_timeout_seconds": 120} | train
    return {
        "task": f"train-{kind}",
        "recipe": RECIPE | {"base_model": job["base"], "train": train},
        "out": str(folder / name),
        "inputs": {name: str(path) for name, path in inputs.items()},
    }


def wait_for_step(folder: Path, step: int, driver: subprocess.Popen[str]) -> None:
    file, deadline = folder / "progress.jsonl", time.monotonic() + 300
    while time.monotonic() < deadline:
        if driver.poll() is not None:
            raise AssertionError(driver.communicate()[0][-6000:])
        if file.exists() and any(line.get("done", 0) >= step for line in read_jsonl(file)):
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} was never reached")


def ray_workers(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    below = psutil.Process(driver.pid).children(recursive=True)
    return [process for process in below if process.cmdline()[:1] == ["ray::RayTrainWorker"]]


def done(driver: subprocess.Popen[str]) -> str:
    text = driver.communicate(timeout=600)[0]
    assert driver.returncode == 0, text[-8000:]
    return text


def test_a_killed_worker_leaves_no_trace(drive: Drive, job: dict[str, Any], alone: Path, tmp_path: Path) -> None:
    """Of preference training; the tests below end supervised fine-tuning in other ways."""
    driver = drive(part("dpo", job, tmp_path, "dpo", alone / "sft" / "adapter"), pace=0.5)
    wait_for_step(tmp_path, 3, driver)
    ray_workers(driver)[0].kill()
    printed = done(driver)
    assert "is gone" in printed
    assert read_json(tmp_path / "dpo" / "training.json")["resumed_from_step"] >= 1
    assert read_json(tmp_path / "dpo" / "training.json")["workers"] == 2
    same_training(alone / "dpo", tmp_path / "dpo")
    assert not list((tmp_path / "storage").iterdir()), "nothing is left behind"


def test_the_drivers_end_is_no_end(drive: Drive, job: dict[str, Any], alone: Path, bucket: str, tmp_path: Path) -> None:
    """Killed with everything below it, and called again: first with another recipe, then with its own."""
    this = part("sft", job, tmp_path, "sft", storage=bucket)
    driver = drive(this, pace=0.5)
    wait_for_step(tmp_path, 5, driver)
    end_all(driver)
    (tmp_path / "progress.jsonl").unlink()
    other = this["recipe"] | {"instruction": "Is it spam?"}
    refused = drive(this | {"recipe": other})
    text = refused.communicate(timeout=300)[0]
    assert refused.returncode == 1
    assert "UserError: The checkpoint" in text and "belongs to another training (instruction is" in text
    begun = [line["say"] for line in read_jsonl(tmp_path / "progress.jsonl") if "say" in line]
    assert len(begun) == 1, "what the user must put right is not tried again"
    done(drive(this))
    assert read_json(tmp_path / "sft" / "training.json")["resumed_from_step"] >= 2
    same_training(alone / "sft", tmp_path / "sft")


def test_a_machine_is_taken_away(drive: Drive, job: dict[str, Any], alone: Path, tmp_path: Path) -> None:
    """Announced, so that all save at once and no restart is counted; an elastic training goes on with who is left."""
    options = {"workers": 2, "min_workers": 1, "max_restarts": 0}
    this = part("sft", job, tmp_path, "sft", **options)
    done(drive(this, nodes=[1, 1], take_away_from=str(tmp_path / "storage")))
    facts = read_json(tmp_path / "sft" / "training.json")
    assert facts["workers"] == 1
    assert facts["resumed_from_step"] in (5, 6), "saved for the announcement behind step 4, and never before"
    same_training(alone / "sft", tmp_path / "sft")


def test_rows_encoded_by_ray_data_are_those_of_memory(drive: Drive, job: dict[str, Any], tmp_path: Path) -> None:
    rows = [Row(f"{n}", f"The otter{MARK}{n} swam. " * (n % 5), ROWS[n % 24].label, "made") for n in range(200)]
    rows[7] = replace(rows[7], label=None)
    write_rows(tmp_path / "rows.jsonl", rows)
    recipe = RECIPE | {"base_model": job["base"]}
    places = {"storage": str(tmp_path / "storage"), "rows": str(tmp_path / "rows.jsonl"), "out": str(tmp_path / "out")}
    done(drive(encode={"recipe": recipe, **places}))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train"], "the lines are gone"
    found = EncodedRows.read(tmp_path / "out" / "train", tmp_path / "cache")
    encoder = Encoder(Recipe.model_validate(recipe), load_tokenizer(Path(job["base"])))
    assert found is not None and list(found) == encoder.encode_rows(rows)


def test_a_worker_that_never_comes(drive: Drive, job: dict[str, Any], tmp_path: Path) -> None:
    driver = drive(part("sft", job, tmp_path, "sft", workers=3, worker_timeout_seconds=6), nodes=[1])
    text = driver.communicate(timeout=300)[0]
    assert driver.returncode == 1
    assert "UserError: 1 of 3 workers came within 6 s (train.worker_timeout_seconds): each needs 1 CPU" in text
