"""Two data sets side by side on the page about data: what one has that the other lacks, and how they differ."""

from collections.abc import Iterable, Mapping

from stillroom.data.statistics import shared_map
from stillroom.data.versions import DataSet, difference
from stillroom.report import data_charts
from stillroom.report.run import Json
from stillroom.report.sections import drawn
from stillroom.report.words import human, language, number, percent

SHOWN = 20
"""Rows of one kind of figure (classes, sources, reasons) that are listed, the largest first."""


def comparison(a: DataSet, b: DataSet, reports: tuple[Json, Json], found: tuple[Json, Json]) -> Json:
    """What the template needs: groups of figures, each of A and of B, the rows that changed, and a map of both."""
    changed = difference(a, b)
    plane = shared_map(a, b)
    groups: list[tuple[str, list[Line]]] = [
        (
            "Rows",
            [(human(name), number(one), number(two), _change(one, two)) for name, (one, two) in changed.rows.items()],
        ),
        ("Classes", _counts(_shape(reports[0], "classes"), _shape(reports[1], "classes"))),
        ("Sources", _counts(_shape(reports[0], "sources"), _shape(reports[1], "sources"))),
        ("Languages", _shares(*(_languages(one) for one in found))),
        ("Left out", _counts(*({human(name): n for name, n in one["dropped"].items()} for one in reports))),
        ("Length and variety", _figures(*found)),
    ]
    return {
        "groups": [(name, lines) for name, lines in groups if len(lines) > (name in ("Classes", "Sources"))],
        "changes": [
            ("in A alone", len(changed.removed), changed.removed[:3]),
            ("in B alone", len(changed.added), changed.added[:3]),
            ("with another text", len(changed.new_text), changed.new_text[:3]),
            ("with another label", len(changed.new_label), changed.new_label[:3]),
            ("in another split", len(changed.moved), changed.moved[:3]),
        ],
        "same": changed.same,
        "map": plane,
        "map_figure": plane
        and drawn("both", lambda name, width: data_charts.plane(name, width, plane["points"], ["A", "B"])),
    }


Line = tuple[str, str, str, str]


def _shape(report: Json, key: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for split in report["splits"].values():
        for name, count in split[key].items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _counts(a: Mapping[str, int], b: Mapping[str, int]) -> list[Line]:
    names = _largest(a, b)
    return [
        (name, number(a.get(name, 0)), number(b.get(name, 0)), _change(a.get(name, 0), b.get(name, 0)))
        for name in names
    ]


def _languages(found: Json) -> dict[str, float]:
    read = max(1, found.get("read", 0))
    return {code: count / read for code, count in (found.get("languages") or {}).items()}


def _shares(a: Mapping[str, float], b: Mapping[str, float]) -> list[Line]:
    return [(language(name), percent(a.get(name, 0)), percent(b.get(name, 0)), "") for name in _largest(a, b)]


def _largest(a: Mapping[str, float], b: Mapping[str, float]) -> list[str]:
    names: Iterable[str] = dict.fromkeys([*a, *b])
    return sorted(names, key=lambda name: -max(a.get(name, 0), b.get(name, 0)))[:SHOWN]


def _figures(a: Json, b: Json) -> list[Line]:
    """Lengths and variety, where both are measured in the same unit."""
    lines: list[Line] = []
    one, other = a["lengths"], b["lengths"]
    if one["bins"] and other["bins"] and one["unit"] == other["unit"]:
        names = {"median": "middle length", "p95": "95 % are at most", "longest": "longest"}
        lines += [
            (f"{words}, in {one['unit']}", number(one[key]), number(other[key]), _change(one[key], other[key]))
            for key, words in names.items()
        ]
    shares = {"1": "distinct words", "2": "distinct pairs", "3": "distinct runs of three"}
    one, other = a["variety"]["distinct"], b["variety"]["distinct"]
    lines += [(words, percent(one[size]), percent(other[size]), "") for size, words in shares.items()]
    one, other = a["map"], b["map"]
    if one and other and one["by"] == other["by"]:
        lines.append(("mean likeness to the nearest text", percent(one["nearest"]), percent(other["nearest"]), ""))
        varied = [f"{number(found['effective'])} of {number(found['rows'])}" for found in (one, other)]
        lines.append(("as varied as so many texts that share nothing", varied[0], varied[1], ""))
    return lines


def _change(a: float, b: float) -> str:
    return "" if a == b else f"{'+' if b > a else '−'}{number(abs(b - a))}"
