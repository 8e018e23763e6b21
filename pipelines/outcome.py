"""What a finished run says in the terminal."""

from pathlib import Path
from shlex import quote
from typing import Any

from stillroom.errors import UserError
from stillroom.files import read_json
from stillroom.track.layout import FOLDERS
from stillroom.track.run import chosen_model

Row = tuple[str, ...]

NEXT = [
    ('stillroom ask --run {place} "…"', "answer a text with the model"),
    ("stillroom report {place} --open", "look at the report"),
    ("stillroom runs", "list all runs"),
]
"""Commands to try after a run, and what they do."""


def outcome(summary: dict[str, Any], folder: Path) -> str:
    """The verdict with its reasons, the numbers, the chosen file, and what to do next."""
    place = quote(shown(folder))
    lines = [*_table(summary), "", *_verdict(summary, folder), ""]
    try:
        lines.append(f"Model   {shown(chosen_model(folder))}")
    except UserError as error:
        lines.append(str(error))
    lines += [
        f"Report  {place}/report.html",
        "",
        "Next:",
        *_next(place),
    ]
    return "\n".join(lines)


def shown(path: Path) -> str:
    """The path as a person would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _table(summary: dict[str, Any]) -> list[str]:
    formats = {entry["format"]: entry for entry in summary["formats"]}
    rows: list[Row] = [("", "exact match", "95 % interval", "valid free", "valid held", "size", "a row")]
    for name, evaluation in summary["models"].items():
        group = evaluation["groups"]["all"]
        free, held = group["unconstrained"], group["constrained"]
        interval = (held or free)["exact_match"]
        rows.append(
            (
                f"{name}{' *' if name == summary['chosen'] else ''}",
                _percent(interval["value"]),
                f"{_percent(interval['low'])} to {_percent(interval['high'])}",
                _percent(free["schema_valid"]["value"]) if "schema_valid" in free else "",
                _percent(held["schema_valid"]["value"]) if held else "",
                f"{formats[name]['bytes'] / 2**20:.0f} MiB" if name in formats else "",
                f"{evaluation['seconds_per_row']:.2f} s",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows] + [
        "(* chosen; valid: answers that follow the schema, in free decoding and held to it)"
    ]


def _verdict(summary: dict[str, Any], folder: Path) -> list[str]:
    checks = summary["gate"]["checks"]
    if not summary["gate"]["passed"]:
        failed = [f"  - {check['message']}" for check in checks if not check["passed"]]
        return [f"{summary['recipe']} was rejected and not registered:", *failed]
    registration = read_json(folder / FOLDERS["register"] / "registration.json")
    aliases = " and ".join(registration["aliases"])
    return [
        f"{summary['recipe']} passed its gates ({len(checks)} checks).",
        f"Registered as version {registration['version']} ({aliases}) in {registration['tracking_uri']}.",
    ]


def _next(place: str) -> list[str]:
    commands = [command.format(place=place) for command, _ in NEXT]
    width = max(map(len, commands))
    return [f"  {command:<{width}}  {meaning}" for command, (_, meaning) in zip(commands, NEXT, strict=True)]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
