"""The whole data step: the splits, and beside them what says what they are."""

from pathlib import Path
from typing import Any

from stillroom.data.prepare import prepare
from stillroom.data.versions import write_manifest
from stillroom.recipe.model import Recipe
from stillroom.track.step import fingerprint
from stillroom.track.task import source_files


def prepare_data_set(recipe: Recipe, base: Path, out: Path) -> dict[str, Any]:
    """Prepare the recipe's data and write its manifest; returns the data report. Raises what `prepare` raises."""
    report = prepare(recipe, base, out)
    parents = {Path(path).name: fingerprint(path) for path in source_files(recipe, base).values()}
    for source in report["sources"]:
        # What no file gives (pages, a data base, a generator) is named all the same.
        if not any(source["source"].partition("#")[0].endswith(f":{name}") for name in parents):
            parents[source["source"]] = f"{source['read']} rows"
    write_manifest(out, name=recipe.name, parents=parents, recipe=recipe)
    return report
