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


def take_away(cluster: Any, node: Any, after: int) -> None:
    """Announce at a step that a machine will be gone in four seconds, and end it then."""
    progress = Path(os.environ["STILLROOM_PROGRESS"])
    while not progress.exists() or not any(line.get("done", 0) >= after for line in read_jsonl(progress)):
        time.sleep(0.1)
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    GcsClient(address=cluster.address).drain_node(node.node_id, reason, "spot", int((time.time() + 4) * 1000))
    time.sleep(4)
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
        ray_workers.train_part = slowly
    if "nodes" in job:
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": job["nodes"][0]})
        nodes = [cluster.add_node(num_cpus=cpus) for cpus in job["nodes"][1:]]
        os.environ["RAY_ADDRESS"] = cluster.address
        atexit.register(cluster.shutdown)
        if "take_away_after" in job:
            threading.Thread(target=take_away, args=(cluster, nodes[-1], job["take_away_after"]), daemon=True).start()
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
