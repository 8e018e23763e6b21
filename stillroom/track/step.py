"""One step of a run: a pure function of its inputs and its part of the recipe, kept under a key of both.

A step is built in a folder beside its place, gets its record `step.json` last, and is then renamed into place.
Whatever stands at its place is therefore whole. A step that was interrupted finds what it had written in its
folder again (training goes on from its checkpoints); a step whose key is there already is not built a second time.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import stillroom
from stillroom.errors import UserError
from stillroom.files import full_disk_is_the_users, sha256, write_json
from stillroom.progress import FILE_VARIABLE
from stillroom.recipe.model import Recipe

RECORD = "step.json"
UNFINISHED = ("checkpoints", "work")
"""Folders inside a step's own where work in progress lies; they are removed when the step is whole."""

LIBRARIES = (
    "datasets",
    "gguf",
    "llama-cpp-python",
    "llguidance",
    "numpy",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)
"""A change of one of these may change what a step computes, so their versions are part of every key."""


def run_step(
    name: str,
    out: Path,
    recipe: Recipe,
    sections: tuple[str, ...],
    inputs: Mapping[str, Path | str],
    build: Callable[[Path], object],
) -> dict[str, Any]:
    """Make sure that the folder `out` holds this step's outputs; returns its record.

    `sections` are the fields of the recipe that the step reads. An input is a folder that another step made (it
    counts by its key), a file or any other folder (by content), or a text that counts by itself. `build` is called
    with the folder to write into, only where no whole outputs of this key exist.

    Raises UserError when the disk is full; what `build` raises goes through.
    """
    keys = {label: fingerprint(value) for label, value in inputs.items()}
    key = step_key(name, recipe, sections, keys)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(out):
        _undo_half_swap(out)
        record = whole_record(out, key)
        if record is not None:
            announce(name, "kept", record["seconds"])
            return record
        announce(name, "start")
        partial = _partial_folder(out, key)
        record = whole_record(partial, key)
        if record is None:
            record = _build(name, partial, key, recipe, sections, keys, build)
        _swap(partial, out)
        announce(name, "done", record["seconds"])
        return record


def step_key(name: str, recipe: Recipe, sections: tuple[str, ...], inputs: Mapping[str, str]) -> str:
    """The sha256 of all that decides what the step computes."""
    document = recipe.model_dump(mode="json")
    decides = {
        "step": name,
        "stillroom": stillroom.__version__,
        "recipe": {section: document[section] for section in sections},
        "inputs": dict(inputs),
        "versions": library_versions(),
    }
    return _digest(decides)


def recipe_sha256(recipe: Recipe) -> str:
    """The sha256 of the whole recipe as canonical JSON."""
    return _digest(recipe.model_dump(mode="json"))


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that decide results; one that is missing is left out."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return versions


def fingerprint(value: Path | str) -> str:
    """What an input counts by: a step's key, else the content of a file or folder, else the text itself."""
    if isinstance(value, str):
        return value
    record = value / RECORD
    if record.is_file():
        return str(json.loads(record.read_text(encoding="utf-8"))["key"])
    if value.is_file():
        return sha256(value)
    if value.is_dir():
        return _digest({repr(os.fsencode(file.relative_to(value))): _content(file) for file in _files(value)})
    raise UserError(f"No such file or folder: {value}")


def whole_record(folder: Path, key: str | None = None) -> dict[str, Any] | None:
    """The record of a step's folder where all its outputs lie in their full size (and, if given, under `key`)."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if key not in (None, record["key"]):
            return None
        if any((folder / file).stat().st_size != size for file, size in record["bytes"].items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record


def announce(name: str, event: str, seconds: float | None = None) -> None:
    """Tell whoever watches the run that a step starts, was kept, is done or failed."""
    path = os.environ.get(FILE_VARIABLE)
    line = {"step": name, "event": event, "seconds": seconds, "time": time.time()}
    if path:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    else:
        print(f"{name}: {event}" + (f" ({seconds:.0f} s)" if seconds is not None else ""), flush=True)


def _build(
    name: str,
    partial: Path,
    key: str,
    recipe: Recipe,
    sections: tuple[str, ...],
    inputs: dict[str, str],
    build: Callable[[Path], object],
) -> dict[str, Any]:
    (partial / RECORD).unlink(missing_ok=True)
    started, clock = datetime.now(UTC), time.monotonic()
    with _full_disk(partial):
        _remove_half_files(partial)
        build(partial)
        for folder in UNFINISHED:
            shutil.rmtree(partial / folder, ignore_errors=True)
        files = list(_files(partial))
        for file in files:
            _flush(file)  # a disk that is full may say so only now
    record = {
        "step": name,
        "key": key,
        "recipe_sha256": recipe_sha256(recipe),
        "sections": list(sections),
        "inputs": inputs,
        "outputs": {str(file.relative_to(partial)): sha256(file) for file in files},
        "bytes": {str(file.relative_to(partial)): file.stat().st_size for file in files},
        "seconds": round(time.monotonic() - clock, 3),
        "started": started.isoformat(timespec="seconds"),
        "versions": {"stillroom": stillroom.__version__, **library_versions()},
        "seed": next((s.seed for s in (getattr(recipe, name) for name in sections) if hasattr(s, "seed")), None),
    }
    write_json(partial / RECORD, record)
    return record


@contextmanager
def _one_at_a_time(out: Path) -> Iterator[None]:
    """Wait for another process at the same step, such as one whose runner was just killed and that is about to end."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(out.with_name(f".{out.name}.lock"), timeout=60):
            yield
    except Timeout as error:
        raise UserError(f"Another process is working on {out}. Wait for it to end, then run this again.") from error


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Also catch the full disk of libraries that raise errors of their own, with the system's words in them."""
    with full_disk_is_the_users(folder):
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            words = ("no space left on device", "disk quota exceeded")
            if not isinstance(error, OSError) and any(word in str(error).lower() for word in words):
                raise OSError(28, "No space left on device") from error
            raise


def _partial_folder(out: Path, key: str) -> Path:
    partial = out.with_name(f".{out.name}.partial-{key[:12]}")
    for other in out.parent.glob(f".{out.name}.partial-*"):
        if other != partial:
            shutil.rmtree(other)
    partial.mkdir(exist_ok=True)
    return partial


def _remove_half_files(folder: Path) -> None:
    """Remove what a killed process was writing: its name says so, and its number is nobody's now."""
    for path in list(folder.rglob(".*.partial-*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _swap(partial: Path, out: Path) -> None:
    old = _old(out)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    _flush(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _undo_half_swap(out: Path) -> None:
    """A process killed between the two renames left the old outputs beside their place: put them back."""
    old = _old(out)
    if old.exists() and not out.exists():
        old.rename(out)


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECORD)


def _content(file: Path) -> str:
    """The sha256 of a file; one that is closed to us is the step's to report."""
    try:
        return sha256(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
