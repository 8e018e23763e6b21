"""The steps of cleaning on Ray Data: the chunks go to the nodes of the cluster that the driver is connected to.

The chunks are first written as files where every node can read them, so that Ray Data streams them and a lost node's
work is done again elsewhere. The results come back in the order of the chunks.
"""

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from stillroom.data.clean.executor import Executor, local
from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users
from stillroom.recipe.model import Recipe

T = TypeVar("T")
R = TypeVar("R")


def executor_of(recipe: Recipe, folder: Path) -> Executor:
    """What the recipe's data.executor names. Raises UserError where it is ray, and Ray is not installed."""
    if recipe.data.executor == "local":
        return local
    if find_spec("ray") is None:
        raise UserError("data.executor: ray needs Ray: pip install 'stillroom[cluster]'")
    return partial(ray_data, folder)


def ray_data(folder: Path, work: Callable[[T], R], chunks: Iterable[T]) -> Iterator[tuple[T, R]]:
    """An executor for `stillroom.data.prepare.prepare`, once `folder` is bound to it; all nodes must see the folder."""
    import ray

    ray.init(ignore_reinit_error=True, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    with tempfile.TemporaryDirectory(dir=folder, prefix=".chunks-") as made:
        with full_disk_is_the_users(folder):
            count = 0
            for count, chunk in enumerate(chunks, start=1):
                (Path(made) / f"{count:09d}").write_bytes(pickle.dumps(chunk))
        if count:
            read = ray.data.read_binary_files(made, override_num_blocks=count)
            for number, row in enumerate(read.map(partial(_worked, work)).iter_rows(), start=1):
                yield pickle.loads((Path(made) / f"{number:09d}").read_bytes()), pickle.loads(row["bytes"])


def _worked(work: Callable[[Any], Any], row: dict[str, Any]) -> dict[str, Any]:
    return {"bytes": pickle.dumps(work(pickle.loads(row["bytes"])))}
