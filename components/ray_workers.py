"""Train on several workers by Ray Train: on this machine, or on the cluster that RAY_ADDRESS names."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.ray_encode import encode_split
from components.storage import Storage
from stillroom.errors import UserError
from stillroom.progress import FILE_VARIABLE, say
from stillroom.recipe.model import Recipe, Training

START_SECONDS = 15.0
"""How long workers that Ray has found room for may take to get it."""
RESIZE_SECONDS = 60.0
"""How often an elastic training looks whether there is room for more workers. A change costs a restart."""


def train_on_workers(task: str, recipe: Recipe, inputs: Mapping[str, Path], out: Path) -> None:
    """Run train-sft or train-dpo on recipe.train.workers workers; leaves in `out` what one process would leave.

    task: `train-sft` (inputs train.jsonl, validation.jsonl) or `train-dpo` (adapter, pairs.jsonl). An interrupted
    training goes on from its newest checkpoint in train.storage. Raises UserError where Ray is not installed, where too
    few workers come in time, and for the user's faults in any worker.
    """
    options = recipe.train
    with _cluster(options):
        storage = Storage(_root(options, out), f"{recipe.name}-{task}")
        _wait_for_workers(options)
        for name, path in inputs.items():
            if task == "train-sft":
                encode_split(recipe, storage, path, f"inputs/{path.stem}", _most(options))
            else:
                storage.store(path, f"inputs/{name}")
        _fit(task, recipe, storage)
        storage.fetch("outputs", out)
        storage.remove()
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


@contextmanager
def _cluster(options: Training) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS, or start one of this machine alone for the time of the training."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_V2_ENABLED": "1",
        "RAY_worker_niceness": "0",  # 15 by default: on a laptop everything else would go first
        # Ray may count on a lost machine at first: it is to look again soon. The watcher knows the whole limit.
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(min(START_SECONDS, options.worker_timeout_seconds)),
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a worker with a checkpoint waits until it is looked at
        "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # it would print every line twice
    }
    os.environ.update(settings)
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "train.workers needs Ray, which is not installed: pip install 'stillroom[cluster]'. Or write one worker."
        ) from error
    address = os.environ.get("RAY_ADDRESS")
    alone: dict[str, Any] = {} if address else {"num_cpus": _most(options), "include_dashboard": False}
    try:
        ray.init(address=address or "local", logging_level="warning", **alone)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        raise UserError(f"RAY_ADDRESS ({address}): no Ray cluster answers there: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def several(options: Training) -> bool:
    """Whether a recipe asks for more than the one process that needs no Ray."""
    return _most(options) > 1


def _most(options: Training) -> int:
    return options.max_workers or options.workers


def _fewest(options: Training) -> int:
    return options.min_workers or options.workers


def _root(options: Training, out: Path) -> str:
    """The storage's root; without train.storage a folder of this machine, which no other one sees."""
    import ray

    if options.storage:
        return options.storage
    if len([node for node in ray.nodes() if node["Alive"]]) > 1:
        raise UserError(
            "The Ray cluster has several machines, and the recipe's train.storage is null: a checkpoint must lie where "
            "all of them reach it. Write a shared folder or a URI such as s3://bucket/path there."
        )
    return str((out / "checkpoints").absolute())


def _resources() -> dict[str, float]:
    """What one worker reserves: a GPU where the cluster has any, else a CPU."""
    import ray

    return {"CPU": 1, "GPU": 1} if ray.cluster_resources().get("GPU") else {"CPU": 1}


def _places() -> int:
    """How many workers would find room now."""
    from ray._private.state import available_resources_per_node

    wanted = _resources()
    free = available_resources_per_node().values()
    return sum(int(min(node.get(name, 0) // amount for name, amount in wanted.items())) for node in free)


def _wait_for_workers(options: Training) -> None:
    """Return when the fewest workers have room; asking for it makes an autoscaler add machines."""
    from ray.util import placement_group, remove_placement_group

    group = placement_group([_resources()] * _fewest(options), strategy="SPREAD")
    there = group.wait(min(5, options.worker_timeout_seconds))
    if not there:
        say(f"Waiting for {_fewest(options)} workers, at most {options.worker_timeout_seconds:g} s")
        there = group.wait(options.worker_timeout_seconds - 5)
    remove_placement_group(group)
    if not there:
        raise _too_few(options)


def _too_few(options: Training) -> UserError:
    import ray

    machines = len([node for node in ray.nodes() if node["Alive"]])
    needed = " and ".join(f"{amount:g} {name}" for name, amount in _resources().items())
    return UserError(
        f"{_places()} of {_fewest(options)} workers came within {options.worker_timeout_seconds:g} s "
        f"(train.worker_timeout_seconds): each needs {needed}, and the cluster's {machines} machine(s) have no room "
        "for more. Add machines, end what else runs there, or lower train.workers or train.min_workers. Checkpoints "
        "are kept: the same command goes on from them."
    )


def _trainer_class() -> Any:
    """TorchTrainer without the callbacks that only cost: Ray Data's, which starts an actor and is imported in every
    worker though none reads from it; in a cluster of this machine alone the one that waits for a dashboard to end."""
    from ray.train.torch import TorchTrainer

    needless = {"DatasetsCallback", *(() if os.environ.get("RAY_ADDRESS") else ("PlacementGroupCleanerCallback",))}

    class Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            return [one for one in super()._create_default_callbacks() if type(one).__name__ not in needless]

    return Trainer


def _fit(task: str, recipe: Recipe, storage: Storage) -> None:
    """Let Ray Train run the workers to their end, through restarts and changes of their number."""
    import ray
    from ray import train
    from ray.train import torch as ray_torch

    from components.ray_watcher import Board, Watcher, WorkersMissing, caused_by, user_error
    from components.ray_worker import train_part  # which imports torch

    options = recipe.train
    fewest, most = _fewest(options), _most(options)
    system, root = storage.filesystem()
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), False)
    actor: Any = ray.remote(num_cpus=0, scheduling_strategy=here)(Board)
    board = actor.remote(task, os.environ.get(FILE_VARIABLE))
    trainer = _trainer_class()(
        train_part,
        # Figures are on the CPU, gradients on the GPU where there is one.
        torch_config=ray_torch.TorchConfig(backend="cpu:gloo,cuda:nccl" if "GPU" in _resources() else "gloo"),
        train_loop_config={"task": task, "recipe": recipe.model_dump_json(), "storage": storage, "board": board},
        scaling_config=train.ScalingConfig(
            num_workers=(fewest, most) if fewest < most else most,
            use_gpu="GPU" in _resources(),
            resources_per_worker=_resources(),
            placement_strategy="SPREAD",
            elastic_resize_monitor_interval_s=RESIZE_SECONDS,
        ),
        run_config=train.RunConfig(
            name=storage.name,
            storage_path=root,
            storage_filesystem=system,
            checkpoint_config=train.CheckpointConfig(num_to_keep=2),
            failure_config=train.FailureConfig(max_failures=options.max_restarts),
            logging_config=train.LoggingConfig(log_level="ERROR"),
            callbacks=[Watcher(task, options.worker_timeout_seconds)],
        ),
    )
    try:
        trainer.fit()
    except Exception as error:
        fault = user_error(error)
        if fault is None and caused_by(error, WorkersMissing):
            fault = _too_few(options)
        if fault is None:
            raise
        raise fault from None
