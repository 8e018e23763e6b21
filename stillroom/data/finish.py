"""The whole data step: the splits, and beside them what says what they are."""

from collections import Counter
from pathlib import Path
from typing import Any

from stillroom.data.card import write_card
from stillroom.data.clean.executor import Executor, local
from stillroom.data.prepare import prepare
from stillroom.data.statistics import write_statistics
from stillroom.data.versions import write_manifest
from stillroom.files import read_json, write_json
from stillroom.recipe.model import Recipe
from stillroom.track.step import fingerprint
from stillroom.track.task import source_files


def prepare_data_set(recipe: Recipe, base: Path, out: Path, executor: Executor = local) -> dict[str, Any]:
    """Prepare the recipe's data and write its manifest; returns the data report. Raises what `prepare` raises."""
    report = prepare(recipe, base, out, executor)
    parents = _parents(list(source_files(recipe, base).values()))
    for source in report["sources"]:
        # What no file gives (pages, a data base, a generator) is named all the same.
        if not any(source["source"].partition("#")[0].endswith(f":{Path(name).name}") for name in parents):
            parents[source["source"]] = f"{source['read']} rows"
    teachers = [*_teachers(recipe, base), *report.get("teachers", [])]
    if teachers:
        write_json(out / "teacher.json", teachers)
    write_statistics(out, recipe)
    manifest = write_manifest(out, name=recipe.name, parents=parents, recipe=recipe)
    write_card(out, report, manifest)
    return report


def _parents(paths: list[Path]) -> dict[str, str]:
    """The digest of each file and folder by its name; where two share a name, the folder's stands before it."""
    names = Counter(path.name for path in set(paths))
    return {"/".join(path.parts[-2:]) if names[path.name] > 1 else path.name: fingerprint(path) for path in paths}


def _teachers(recipe: Recipe, base: Path) -> list[dict[str, Any]]:
    """What a teacher's work left beside the files that it wrote: how far its votes agreed, and what it cost."""
    paths = [base / source.path for source in recipe.data.sources if source.kind == "jsonl"]
    beside = {path.name: path.with_name(f"{path.stem}.report.json") for path in paths}
    return [{"file": name, **read_json(path)} for name, path in beside.items() if path.is_file()]
