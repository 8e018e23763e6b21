"""The run folder: where it lies, who works in it, what its steps recorded, and what came out."""

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import stillroom
from stillroom.errors import UserError
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe
from stillroom.track.layout import FOLDERS
from stillroom.track.process import alive, identity
from stillroom.track.step import RECORD, recipe_sha256, whole_record

RUNS = Path("runs")
LOCK = ".lock"
RECIPE = "recipe.yaml"
LINEAGE = "lineage.json"
MANIFEST = "manifest.json"
EVALUATION = "evaluation.json"
"""The gate's evaluation, copied to the top when the last step is whole: where it lies, the run is finished."""


@dataclass(frozen=True)
class Run:
    """What one line of `stillroom runs` says.

    `state` is "running", "passed", "rejected" or "unfinished"; `exact_match` is an interval of the chosen format's
    constrained answers on the test split, None before the gate.
    """

    name: str
    folder: Path
    state: str
    when: str
    chosen: str | None
    exact_match: dict[str, float] | None


def run_folder(recipe: Recipe, profile: str | None, given: Path | None) -> Path:
    """`given`, or `runs/<name>[-<profile>]` below the current folder; absolute, because steps run elsewhere."""
    name = f"{recipe.name}-{profile}" if profile else recipe.name
    folder = given if given is not None else RUNS / name
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file. Choose a folder for the run with --run DIR.")
    return folder.absolute()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of the folder; raises UserError that names the process which is in it already.

    The lock is the kernel's and goes with the process, however it ends.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}. Choose another folder with --run DIR.") from error
    lock = folder / LOCK
    try:
        with FileLock(lock, blocking=False):
            lock.write_text(identity(), encoding="utf-8")
            try:
                yield
            finally:
                lock.write_text("", encoding="utf-8")
    except Timeout as error:
        pid = holder(folder)
        who = f"process {pid.partition(':')[0]}" if pid else "another process"
        raise UserError(
            f"{folder} is in use: {who} is running there. Wait for it or stop it, "
            "or choose another folder with --run DIR."
        ) from error


def holder(folder: Path) -> str | None:
    """The identity of the living process that works in the folder, if there is one."""
    try:
        name = (folder / LOCK).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return name if name and alive(name) else None


def forget(folder: Path, step: str) -> None:
    """Let a step and all that came from its outputs be built again, by taking their records away.

    Their keys would stay the same, because a key is made of inputs; what is built anew may still come out differently.
    """
    stale: set[str] = set()
    for name, place in FOLDERS.items():
        record = whole_record(folder / place)
        if record and (name == step or stale.intersection(record["inputs"].values())):
            stale.add(record["key"])
            (folder / place / RECORD).unlink()


def lineage_of(recipe: Recipe, folders: Iterable[Path]) -> dict[str, Any]:
    """The records of the steps put together: inputs, outputs, sha256, versions, seeds, seconds."""
    steps = [record for folder in folders if (record := whole_record(folder))]
    return {
        "recipe": recipe.name,
        "recipe_sha256": recipe_sha256(recipe),
        "stillroom": stillroom.__version__,
        "machine": {"system": platform.platform(), "processor": _processor(), "python": platform.python_version()},
        "seconds": round(sum(step["seconds"] for step in steps), 3),
        "steps": steps,
    }


def write_lineage(folder: Path, recipe: Recipe) -> None:
    """Write `lineage.json` of the steps that are whole, and of the data set: its version and what it was made from."""
    lineage = lineage_of(recipe, (folder / place for place in FOLDERS.values()))
    manifest = folder / FOLDERS["prepare"] / MANIFEST
    if manifest.is_file():
        lineage["data"] = {key: value for key, value in read_json(manifest).items() if key in ("version", "parents")}
    write_json(folder / LINEAGE, lineage)


def summary_of(folder: Path) -> dict[str, Any]:
    """The whole evaluation of a finished run; raises UserError where the run has not come that far."""
    path = folder / EVALUATION
    if not path.is_file():
        raise UserError(f"{folder} has no evaluation yet. {how_to_finish(folder)}")
    summary: dict[str, Any] = read_json(path)
    return summary


def chosen_model(folder: Path) -> Path:
    """The GGUF file of the format that was chosen; raises UserError where there is none."""
    summary = summary_of(folder)
    if not _as_finished(folder, "export"):
        stale = f"The models in {folder} are not those of its evaluation: it is being made anew, or files are gone."
        raise UserError(f"{stale} {how_to_finish(folder)}")
    for entry in summary["formats"]:
        if entry["format"] == summary["chosen"]:
            return folder / FOLDERS["export"] / str(entry["file"])
    raise UserError(f"{folder} has no chosen model: no format stayed within the recipe's largest accepted loss.")


def how_to_finish(folder: Path) -> str:
    """The command that goes on with an unfinished run, whatever folder its recipe's name would lead to."""
    return f"Finish the run first: stillroom run {quote(str(folder / RECIPE))} --run {quote(str(folder))}"


def _as_finished(folder: Path, *steps: str) -> bool:
    """Whether these steps (all by default) still are what the finished run's lineage names."""
    if not (folder / LINEAGE).is_file():
        return False
    then = {record["step"]: record for record in read_json(folder / LINEAGE)["steps"]}
    return all(step in then and whole_record(folder / FOLDERS[step]) == then[step] for step in steps or then)


def exact_match(summary: dict[str, Any]) -> dict[str, float] | None:
    """The chosen format's exact match with its interval: constrained, or for a free-text task as it is."""
    model = summary["models"].get(summary["chosen"])
    if model is None:
        return None
    group = model["groups"]["all"]
    interval: dict[str, float] = (group["constrained"] or group["unconstrained"])["exact_match"]
    return interval


def list_runs(root: Path = RUNS) -> list[Run]:
    """The runs below `root`, the latest first."""
    folders = [path.parent for path in root.glob(f"*/{RECIPE}")]
    return sorted((_describe(folder) for folder in folders), key=lambda run: run.when, reverse=True)


def find_run(given: Path | None, root: Path = RUNS) -> Path:
    """The given run folder, else the latest finished one below `root`; raises UserError where there is none."""
    if given is not None:
        if not (given / RECIPE).is_file():
            raise UserError(f"{given} is not the folder of a run: it has no {RECIPE}. See `stillroom runs`.")
        return given
    runs = list_runs(root)
    if not runs:
        raise UserError(f"There is no run below {root}. Start one: stillroom run recipe.yaml")
    finished = [run for run in runs if (run.folder / EVALUATION).is_file()]
    return (finished or runs)[0].folder


def _describe(folder: Path) -> Run:
    records = [record for place in FOLDERS.values() if (record := whole_record(folder / place))]
    when = max((str(record["started"]) for record in records), default="")
    try:
        summary = read_json(folder / EVALUATION) if (folder / EVALUATION).is_file() else None
    except UserError:  # one spoilt file must not hide the other runs; `report` and `compare` say what is wrong with it
        summary = None
    if holder(folder):
        state = "running"
    elif summary is None or not _as_finished(folder):
        state = "unfinished"
    else:
        state = "passed" if summary["gate"]["passed"] else "rejected"
    chosen = summary["chosen"] if summary else None
    return Run(folder.name, folder, state, when, chosen, exact_match(summary) if summary else None)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
