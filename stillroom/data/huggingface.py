"""A data set that the library `datasets` reads: by its Hugging Face id, or a local folder or file."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stillroom.data.reading import Rejected, with_weight
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_ids, earlier_ids, faults_of
from stillroom.recipe.model import HuggingFaceSource


class HuggingFaceReader:
    """Reads one split of a data set; class numbers become the names the data set gives them."""

    def __init__(self, source: HuggingFaceSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """A data set that cannot be loaded, columns it lacks, earlier samples that cannot be read."""
        return [*self._data_faults(), *faults_of(self.base, self.source.skip_ids_in)]

    def size(self) -> int:
        """The number of rows, or of the sample where that is less."""
        return min(len(self._data), self.source.sample or len(self._data))

    def rows(self) -> Iterator[Row | Rejected]:
        """The rows of the sample; an id is the source's name and the row's number."""
        numbers = {f"{self.name}/{number}": number for number in range(len(self._data))}
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        for id in draw_ids(numbers, self.source.sample, self.seed, skip):
            values = self._data[numbers[id]]
            text, label = values[self.source.text], self._label(values)
            row = Row(id, text if isinstance(text, str) else "", label, self.name)
            wrong = text is not None and not isinstance(text, str)
            if wrong:
                yield Rejected(row, "the text is not a string", type(text).__name__)
            elif self.source.weight is not None:
                yield with_weight(row, values[self.source.weight], self.source.weight)
            else:
                yield row

    def _label(self, values: dict[str, Any]) -> Any:
        if self.source.label is None:
            return None
        value = values[self.source.label]
        feature = self._data.features[self.source.label]
        # A class label is stored as a number; recipes speak of its name.
        return (
            feature.int2str(value) if hasattr(feature, "int2str") and isinstance(value, int) and value >= 0 else value
        )

    def _data_faults(self) -> list[str]:
        try:
            columns = self._data.column_names
        # Loading runs file parsers and network clients of many libraries, which share no error type.
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if isinstance(error, ConnectionError):
                said = (
                    f"it is neither on this machine nor can the hub be reached ({said}). Put the network right, or "
                    "write the folder of a downloaded copy as its path, or take a source of kind csv"
                )
            return [f"The data set {self.source.path} (split {self.source.split}) could not be loaded: {said}"]
        if not len(self._data):
            return [f"The data set {self.source.path} (split {self.source.split}) is empty."]
        named = (self.source.text, self.source.label, self.source.weight)
        wanted = [column for column in named if column is not None]
        missing = [column for column in wanted if column not in columns]
        if not missing:
            return []
        plural = "columns" if len(missing) > 1 else "column"
        return [f"The data set {self.source.path} has no {plural} {', '.join(missing)}. It has: {', '.join(columns)}."]

    @cached_property
    def _data(self) -> Any:
        import datasets

        datasets.disable_progress_bars()  # The run draws its own.
        local, split = self.base / self.source.path, self.source.split
        if any((local / name).is_file() for name in ("dataset_dict.json", "state.json")):  # saved by save_to_disk
            saved = datasets.load_from_disk(str(local))
            if not isinstance(saved, datasets.DatasetDict):
                return saved
            if split not in saved:
                raise ValueError(f"no split {split}; it has: {', '.join(saved)}")
            return saved[split]
        if local.is_file():
            builder = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".txt": "text"}.get(local.suffix, "json")
            more = {"sep": "\t"} if local.suffix == ".tsv" else {}
            return datasets.load_dataset(builder, data_files={split: str(local)}, split=split, **more)
        if local.exists():
            return datasets.load_dataset(str(local), self.source.subset, split=split)
        with _offline_if_there_is_no_network():
            return datasets.load_dataset(self.source.path, self.source.subset, split=split)


@contextmanager
def _offline_if_there_is_no_network() -> Iterator[None]:
    """Let the library look into its cache alone where the hub's name leads nowhere; it would try for half a minute."""
    import datasets
    from huggingface_hub import constants

    known = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if not _hub_is_there(str(constants.ENDPOINT)):
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = known


def _hub_is_there(endpoint: str) -> bool:
    """Whether the hub's name can be resolved. Behind a proxy that is the proxy's task, so nothing is known then."""
    from urllib.request import getproxies

    if getproxies():
        return True
    parts = urlsplit(endpoint)
    try:
        return bool(socket.getaddrinfo(parts.hostname, parts.port or 443))
    except OSError:
        return False
