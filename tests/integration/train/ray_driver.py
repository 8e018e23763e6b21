"""A driver that a test starts: trains on Ray workers what a job file says, in fp32."""

import atexit
import faulthandler
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from components import ray_worker, ray_workers
from stillroom.errors import UserError
from stillroom.files import read_jsonl
from stillroom.recipe.model import Recipe


def slowly(job: dict[str, Any]) -> None:
    """What a worker does, at a pace that lets a test come between two steps."""
    from stillroom.train import callbacks

    class Slow(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            time.sleep(float(os.environ["STILLROOM_TEST_PACE"]))
            super().update(done, note)

    callbacks.Progress = Slow
    ray_worker.train_part(job)


ANNOUNCED = 4
"""The step behind which a machine is announced to be taken away; the workers wait for it in the step after that."""


def until_taken_away(job: dict[str, Any]) -> None:
    """What one of two workers does: it waits for the announcement, and a step later for its own end.

    No checkpoint is due before: the one that there is was saved for the announcement.
    """
    from ray.train.v2._internal.execution.context import get_train_context

    from stillroom.train import callbacks, setup

    arguments = setup.trainer_arguments
    setup.trainer_arguments = lambda *args: {**arguments(*args), "save_steps": 1000}

    class Waiting(callbacks.Progress):
        def update(self, done: int, note: str = "") -> None:
            super().update(done, note)
            while done == ANNOUNCED + 1 and get_train_context().preemption_context.preemption_info is None:
                time.sleep(0.05)
            while done > ANNOUNCED + 2:
                time.sleep(1)

    if os.environ["WORLD_SIZE"] == "2":
        callbacks.Progress = Waiting
    ray_worker.train_part(job)


def take_away(cluster: Any, node: Any, storage: Path) -> None:
    """Announce that a machine will be gone, and let it go as soon as a checkpoint lies in the storage."""
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    def announce(seconds: float) -> None:
        reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        gcs = GcsClient(address=cluster.address)
        gcs.drain_node(node.node_id, reason, "spot", int((time.time() + seconds) * 1000))

    progress = Path(os.environ["STILLROOM_PROGRESS"])
    while not progress.exists() or not any(line.get("done", 0) >= ANNOUNCED for line in read_jsonl(progress)):
        time.sleep(0.1)
    announce(200)
    while not any(
        "checkpoint_2" in list_of.read_text() for list_of in storage.glob("*/checkpoint_manager_snapshot.json")
    ):
        time.sleep(0.1)
    announce(1)
    time.sleep(1)
    cluster.remove_node(node, allow_graceful=False)


def encode(job: dict[str, Any]) -> None:
    """Encode rows in small parts, with two actors."""
    import ray

    from components import ray_encode, storage

    storage.PART_CHARACTERS, ray_encode.ROWS = 3000, 8
    ray.init("local", num_cpus=2, include_dashboard=False, logging_level="warning")
    place = storage.Storage(job["storage"], "encoded")
    ray_encode.encode_split(Recipe.model_validate(job["recipe"]), place, Path(job["rows"]), "train", 2)
    place.fetch("", Path(job["out"]))


def main(job: dict[str, Any]) -> None:
    if job.get("pace"):
        os.environ["STILLROOM_TEST_PACE"] = str(job["pace"])
        ray_worker.train_part = slowly
    if "nodes" in job:
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": job["nodes"][0]})
        nodes = [cluster.add_node(num_cpus=cpus) for cpus in job["nodes"][1:]]
        os.environ["RAY_ADDRESS"] = cluster.address
        atexit.register(cluster.shutdown)
        if "take_away_from" in job:
            ray_worker.train_part = until_taken_away
            place = (cluster, nodes[-1], Path(job["take_away_from"]))
            threading.Thread(target=take_away, args=place, daemon=True).start()
    if "encode" in job:
        return encode(job["encode"])
    for part in job["parts"]:
        inputs = {name: Path(path) for name, path in part["inputs"].items()}
        ray_workers.train_on_workers(part["task"], Recipe.model_validate(part["recipe"]), inputs, Path(part["out"]))


if __name__ == "__main__":
    faulthandler.dump_traceback_later(280, exit=True)
    try:
        main(json.loads(Path(sys.argv[1]).read_text()))
    except UserError as error:
        sys.exit(f"UserError: {error}")
