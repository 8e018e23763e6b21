"""The report on data alone: one HTML page about a data folder, without a run."""

from pathlib import Path
from typing import Any

from stillroom.data.statistics import STATISTICS, statistics
from stillroom.data.versions import REPORT, DataSet, changed_files, open_data
from stillroom.files import read_json, write_text
from stillroom.recipe.model import Recipe
from stillroom.report import words
from stillroom.report.data_sections import data, figures
from stillroom.report.page import environment, script_of

PAGE = "data.html"


def write_data_report(path: Path, recipe: Recipe | None, out: Path | None) -> Path:
    """Write the page of a run, data folder or file of rows; returns its place, by default `data.html` in the folder.

    Statistics that are there already are taken as they are.
    """
    opened = open_data(path)
    kept = opened.folder / STATISTICS
    # A bare file shares its folder with others, whose statistics are not its own.
    found = read_json(kept) if kept.is_file() and not path.is_file() else statistics(opened, recipe)
    page = out or (path.with_suffix(".html") if path.is_file() else opened.folder / PAGE)
    write_text(page, render(opened, found, None if path.is_file() else opened.folder))
    return page


def render(opened: DataSet, found: dict[str, Any], folder: Path | None) -> str:
    """The page as text; `folder` is where the data set lies, None for a bare file of rows."""
    manifest = opened.manifest
    pages = environment()
    script, script_hash = script_of(pages)
    page = pages.get_template("data_page.html").render(
        script=script,
        script_hash=script_hash,
        name=manifest.get("name") or (opened.folder.name if folder else next(iter(opened.files))),
        noun="row",
        version=opened.version,
        manifest=manifest,
        parents=manifest.get("parents", {}),
        faults=changed_files(opened),
        data=data(_report(opened, folder)),
        figures=figures(found, folder),
    )
    return words.printable(page)


def _report(opened: DataSet, folder: Path | None) -> dict[str, Any]:
    """The data report; for rows that no recipe prepared, what can be counted in them."""
    if folder and (folder / REPORT).is_file():
        report: dict[str, Any] = read_json(folder / REPORT)
        return report
    from collections import Counter

    from stillroom.data.split import class_of

    read: Counter[str] = Counter()
    shapes: dict[str, dict[str, Counter[str]]] = {
        name: {"classes": Counter(), "sources": Counter()} for name in opened.files
    }
    for name, row in opened.rows():
        read[row.source] += 1
        shapes[name]["classes"][class_of(row, opened.schema)] += 1
        shapes[name]["sources"][row.source] += 1
    return {
        "sources": [{"source": name, "read": count, "kept": count} for name, count in read.items()],
        "dropped": {},
        "splits": {name: {"rows": shape["classes"].total(), **shape} for name, shape in shapes.items()},
    }
