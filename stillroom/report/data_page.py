"""The report on data alone: one HTML page about a data folder, without a run."""

from pathlib import Path

from stillroom.data.statistics import STATISTICS, in_tokens, statistics
from stillroom.data.versions import REPORT, DataSet, changed_files, open_data
from stillroom.files import read_json, write_text
from stillroom.recipe.model import Recipe
from stillroom.report import words
from stillroom.report.data_compare import comparison
from stillroom.report.data_sections import data, figures
from stillroom.report.page import environment, script_of
from stillroom.report.run import Json

PAGE = "data.html"


def write_data_report(path: Path, recipe: Recipe | None, out: Path | None, against: Path | None = None) -> Path:
    """Write the page of a run, data folder or file of rows; returns its place, by default `data.html` in the folder.

    `against` is another data set to set beside it. Statistics that are there already are taken as they are.
    """
    opened = open_data(path)
    page = out or (path.with_suffix(".html") if path.is_file() else opened.folder / PAGE)
    write_text(page, render(path, opened, recipe, against))
    return page


def render(path: Path, opened: DataSet, recipe: Recipe | None, against: Path | None = None) -> str:
    """The page as text."""
    manifest, folder = opened.manifest, _folder(path, opened)
    found, report = _statistics(path, opened, recipe), _report(opened, folder)
    pages = environment()
    script, script_hash = script_of(pages)
    page = pages.get_template("data_page.html").render(
        script=script,
        script_hash=script_hash,
        name=_name(path, opened),
        noun="row",
        version=opened.version,
        manifest=manifest,
        parents=manifest.get("parents", {}),
        faults=changed_files(opened),
        data=data(report),
        figures=figures(found, folder),
        **(_beside(opened, report, found, recipe, against) if against else {"compared": None}),
    )
    return words.printable(page)


def _beside(opened: DataSet, report: Json, found: Json, recipe: Recipe | None, against: Path) -> Json:
    """What the page needs of the other data set."""
    other = open_data(against)
    if opened.schema:
        other.manifest.setdefault("output_schema", opened.schema)  # a bare file knows no classes of its own
    reports = (report, _report(other, _folder(against, other)))
    compared = comparison(opened, other, reports, (found, _statistics(against, other, recipe)))
    return {"compared": compared, "other": {"name": f"{_name(against, other)} ({against})", "version": other.version}}


def _folder(path: Path, opened: DataSet) -> Path | None:
    """Where a data set lies whose other files are its own; a bare file shares its folder with others."""
    return None if path.is_file() else opened.folder


def _name(path: Path, opened: DataSet) -> str:
    known = path.name if path.is_file() else opened.folder.name
    return str(opened.manifest.get("name") or known)


def _statistics(path: Path, opened: DataSet, recipe: Recipe | None) -> Json:
    kept = opened.folder / STATISTICS
    if path.is_file() or not kept.is_file():
        return statistics(opened, recipe)
    return in_tokens(read_json(kept), opened, recipe)


def _report(opened: DataSet, folder: Path | None) -> Json:
    """The data report; for rows that no recipe prepared, what can be counted in them."""
    if folder and (folder / REPORT).is_file():
        report: Json = read_json(folder / REPORT)
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
