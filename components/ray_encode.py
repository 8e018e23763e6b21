"""Encode a training's rows by Ray Data: a block of lines at a time on every machine, never all rows in one memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components import storage as parts
from components.storage import Storage
from stillroom.recipe.model import Recipe

ROWS = 256
"""Rows that are encoded together: the largest part of the data that exists as Python objects."""


class Encode:
    """One Ray actor's work, with its own tokenizer."""

    def __init__(self, recipe: str) -> None:
        from stillroom.models.base import resolve_base_model
        from stillroom.train.encode import Encoder
        from stillroom.train.setup import load_tokenizer

        self._recipe = Recipe.model_validate_json(recipe)
        self._encoder = Encoder(self._recipe, load_tokenizer(resolve_base_model(self._recipe.base_model)))

    def __call__(self, lines: Any) -> Any:
        """lines: a pyarrow Table with the columns `place` and `text`."""
        return self.table(lines["text"].to_pylist(), lines["place"].to_pylist())

    def table(self, lines: Sequence[str], places: Sequence[int]) -> Any:
        from stillroom.train.encoded import encode_table

        return encode_table(self._recipe, self._encoder, lines, places)


def encode_split(recipe: Recipe, storage: Storage, rows: Path, name: str, actors: int) -> None:
    """Encode the rows of a JSON Lines file into Parquet files in the storage's folder `name`, in their order.

    What is one part of lines, for which a second worker would have nothing to do, is encoded here: Ray Data would take
    longer to begin than the work takes.
    """
    if rows.stat().st_size <= parts.PART_CHARACTERS:
        _encode_here(recipe, storage, rows, name)
        return
    import ray.data

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    storage.store_lines(rows, f"{name}-lines")
    system, _ = storage.filesystem()
    lines = ray.data.read_parquet(storage.path(f"{name}-lines"), filesystem=system)
    encoded = lines.map_batches(
        Encode,
        fn_constructor_args=(recipe.model_dump_json(),),
        batch_size=ROWS,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
    )
    encoded.write_parquet(storage.path(name), filesystem=system, mode=ray.data.SaveMode.OVERWRITE)
    storage.remove(f"{name}-lines")


def _encode_here(recipe: Recipe, storage: Storage, rows: Path, name: str) -> None:
    from pyarrow import parquet

    with rows.open(encoding="utf-8", newline="\n") as stream:
        lines = list(stream)
    table = Encode(recipe.model_dump_json()).table(lines, range(len(lines)))
    storage.remove(name)
    if not len(table):
        return
    system, _ = storage.filesystem()
    system.create_dir(storage.path(name), recursive=True)
    parquet.write_table(table, f"{storage.path(name)}/rows.parquet", filesystem=system)
