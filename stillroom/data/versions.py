"""A data set as a folder: its rows by split, and a manifest that says what they are and where they came from.

The manifest holds no time and no place: the same data has the same manifest. Its `version` is a digest of the rows.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import stillroom
from stillroom.data.rows import Row
from stillroom.data.split import NAMES, class_of
from stillroom.errors import UserError
from stillroom.files import read_json, sha256, write_json
from stillroom.recipe.model import Recipe

MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
DOUBTFUL = "label_quality.jsonl"
BESIDE = (REJECTED, DOUBTFUL, "near_duplicates.jsonl")
"""Files of rows that are not the data."""
REPORT = "data_report.json"
SUMMARY = "review.json"
"""What people said of the labels."""
CARD = "README.md"
UNCOUNTED = (MANIFEST, CARD, "step.json", "data.html")
"""Files beside the data that are made from it."""


@dataclass(frozen=True)
class DataSet:
    """An opened data set: where it lies, and its files of rows by the name of the split (or of the single file)."""

    folder: Path
    files: dict[str, Path]
    manifest: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with the name of its split, read as a stream."""
        for name, path in self.files.items():
            for row in rows_of(path):
                yield name, row

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of its labels, where the manifest has one."""
        schema: dict[str, Any] | None = self.manifest.get("output_schema")
        return schema

    @property
    def version(self) -> str:
        """A digest of the files that hold the data, as they are now."""
        return version_of(_digests(self.folder, list(self.files.values())))


def open_data(path: Path) -> DataSet:
    """A run's folder, a data folder, or one JSONL file of rows. Raises UserError for anything else."""
    if path.is_file():
        if path.suffix != ".jsonl":
            raise UserError(f"{path} is no data set. Name a run, a data folder, or a file of rows (.jsonl).")
        return DataSet(path.parent, {path.stem: path}, {})
    if not path.is_dir():
        raise UserError(f"No such file or folder: {path}")
    for folder in (path / "data", path):
        files = _row_files(folder) if folder.is_dir() else {}
        if files and (set(files) & set(NAMES) or (folder / MANIFEST).is_file()):
            manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
            return DataSet(folder, files, manifest)
    raise UserError(f"{path} holds no data set: there is no train.jsonl, validation.jsonl or test.jsonl in it.")


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file that we wrote; raises UserError with the line of the first that is none."""
    names = set(Row.__slots__)
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                values = json.loads(line)
                if missing := [name for name in ("id", "text", "label", "source") if name not in values]:
                    raise ValueError(f"it lacks {', '.join(missing)}")
                if other := [name for name in ("id", "text", "source") if not isinstance(values[name], str)]:
                    raise ValueError(f"{', '.join(other)} must be text")
                row = Row(**{key: value for key, value in values.items() if key in names})
                if not isinstance(row.meta, dict):
                    raise ValueError("meta must be an object")
            except (ValueError, TypeError, AttributeError) as error:
                wanted = "each line is an object with id, text, label and source"
                raise UserError(f"{path}, line {number}, is no row: {wanted} ({error}).") from error
            yield row


def write_manifest(
    folder: Path,
    *,
    name: str,
    parents: Mapping[str, str],
    recipe: Recipe | None = None,
    schema: dict[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the manifest of all files in the folder, last of all, and return it.

    `parents` are what the data was made from: a name, and the sha256 or the version it had. `more` goes in as it is.
    """
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and _counts(path)]
    digests = _digests(folder, paths)
    manifest: dict[str, Any] = {
        "name": name,
        "version": version_of({path.name: digests[path.name] for path in _row_files(folder).values()}),
        "stillroom": stillroom.__version__,
        "parents": dict(parents),
        "files": {
            path.name: {"sha256": digests[path.name], "bytes": path.stat().st_size, **_lines(path)} for path in paths
        },
        "output_schema": recipe.output_schema if recipe else schema,
        **(more or {}),
    }
    if recipe:
        from stillroom.track.step import recipe_sha256

        manifest |= {"recipe": recipe.name, "recipe_sha256": recipe_sha256(recipe), "seed": recipe.data.seed}
        manifest["instruction"] = recipe.instruction
    write_json(folder / MANIFEST, manifest)
    return manifest


def changed_files(data: DataSet) -> list[str]:
    """What is not as its manifest says, a sentence a file; empty where all is, or where there is no manifest."""
    found = []
    for name, said in data.manifest.get("files", {}).items():
        path = data.folder / name
        if not path.is_file():
            found.append(f"{path} is gone.")
        elif sha256(path) != said["sha256"]:
            found.append(f"{path} was changed after its manifest was written.")
    return found


def version_of(digests: Mapping[str, str]) -> str:
    """Twelve hex digits that stand for the files with these digests."""
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass
class Difference:
    """What tells two data sets apart. Rows are known by their ids; moved rows changed their split alone."""

    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    new_text: list[str] = field(default_factory=list)
    new_label: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    same: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def difference(a: DataSet, b: DataSet) -> Difference:
    """Compare two data sets, B against A. Of each row a digest is held in memory, never the text."""
    found = Difference()
    schema = b.schema or a.schema
    old, old_classes = _marks(a, schema)
    new, new_classes = _marks(b, schema)
    names = dict.fromkeys([*a.files, *b.files])
    sizes = [Counter(split for split, _, _ in marks.values()) for marks in (old, new)]
    found.rows = {name: (sizes[0][name], sizes[1][name]) for name in names}
    found.classes = {name: (old_classes[name], new_classes[name]) for name in sorted({*old_classes, *new_classes})}
    found.added = [id for id in new if id not in old]
    found.removed = [id for id in old if id not in new]
    for id in (id for id in old if id in new):
        (split, text, label), (other_split, other_text, other_label) = old[id], new[id]
        if text != other_text:
            found.new_text.append(id)
        if label != other_label:
            found.new_label.append(id)
        if split != other_split:
            found.moved.append(id)
        found.same += old[id] == new[id]
    return found


def render_difference(found: Difference, names: Sequence[str]) -> str:
    """The comparison as text for a terminal; `names` are what the two are called."""
    lines = [f"A  {names[0]}", f"B  {names[1]}", ""]
    table: list[tuple[str, ...]] = [("", "A", "B", "change")]
    table += [(name, *map(str, pair), f"{pair[1] - pair[0]:+d}") for name, pair in found.rows.items()]
    if len(found.classes) > 1:
        table += [(f"  {name}", *map(str, pair), f"{pair[1] - pair[0]:+d}") for name, pair in found.classes.items()]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    lines.append("")
    kinds = {"added": "added", "removed": "removed", "new_text": "with another text", "new_label": "with another label"}
    kinds["moved"] = "in another split"
    for key, words in kinds.items():
        ids = getattr(found, key)
        if ids:
            shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
            lines.append(f"{len(ids):,} {words}: {shown}")
    lines.append(f"{found.same:,} rows are the same.")
    return "\n".join(lines)


def _marks(data: DataSet, schema: dict[str, Any] | None) -> tuple[dict[str, tuple[str, bytes, bytes]], Counter[str]]:
    marks: dict[str, tuple[str, bytes, bytes]] = {}
    classes: Counter[str] = Counter()
    for split, row in data.rows():
        label = json.dumps(row.label, ensure_ascii=False, sort_keys=True)
        marks[row.id] = (split, _short(row.text), _short(label))
        classes[class_of(row, schema)] += 1
    return marks, classes


def _short(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:12]


def _row_files(folder: Path) -> dict[str, Path]:
    """The files that hold the rows: the splits, or where there are none every other file of rows."""
    splits = {name: folder / f"{name}.jsonl" for name in NAMES if (folder / f"{name}.jsonl").is_file()}
    return splits or {path.stem: path for path in sorted(folder.glob("*.jsonl")) if path.name not in BESIDE}


def _digests(folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


def _counts(path: Path) -> bool:
    return path.name not in UNCOUNTED and not path.name.startswith(".")


def _lines(path: Path) -> dict[str, int]:
    if path.suffix != ".jsonl":
        return {}
    with path.open("rb") as stream:
        return {"rows": sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b""))}
