"""The sheet that goes out: text beside label, drop-downs for what a person may say, colours, a header that stays.

Text is data, never a formula: what begins like one (=, +, -, @, tab) gets an apostrophe before it, which holds too when
somebody saves the sheet as CSV. A hidden sheet notes what was sent out, so that the way back can be checked.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillroom.data.documents.document import printable
from stillroom.data.rows import Row
from stillroom.data.split import class_of
from stillroom.errors import UserError
from stillroom.files import whole_file
from stillroom.recipe.schema import canonical
from stillroom.review.sample import Placed

COLUMNS = ("id", "class", "text", "label", "verdict", "reason", "right label", "comment")
WIDTHS = (18, 14, 80, 40, 12, 24, 40, 30)
VERDICTS = ("right", "wrong", "unsure")
REASONS = (
    "wrong class",
    "wrong value",
    "something is missing",
    "something is not in the text",
    "the text is ambiguous",
    "the text is no text of this task",
    "the text is damaged",
    "other",
)
SHEET, HIDDEN, LISTS, GUIDE = "Review", "_stillroom", "_lists", "Guide"
LONGEST_CELL = 32_000
"""Characters; Excel holds 32,767."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TINTS = {"right": "E2F0D9", "wrong": "F8D7D3", "unsure": "FFF2CC"}
_GUIDE = """What to do
Read the text, look at the label beside it, and choose a verdict from the list in the yellow column:
right: the label says what the text says. wrong: it does not. unsure: you cannot tell.
For a wrong label choose a reason, and write the right label if you can. Without it the row is left out of the data.
An apostrophe before =, +, - or @ was put there so that no program takes the text for a formula. It is not part of it.
Please change nothing in the white columns, and save as .xlsx. Rows may be sorted and filtered.
Several people can work on copies of this file, each under a name of its own: their agreement is measured."""


@dataclass(frozen=True)
class Sent:
    """What the hidden sheet notes: the data set, its version and schema, and a digest of every row that went out."""

    data: str
    version: str
    schema: dict[str, Any] | None
    rows: dict[str, str]


def guarded(text: str) -> str:
    """A cell's text: no formula, no character that a sheet cannot hold, and no longer than a cell may be."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    text = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) > LONGEST_CELL:
        text = f"{text[:LONGEST_CELL]} … ({len(text) - LONGEST_CELL:,} more characters)"
    return f"'{text}" if text.startswith(_FORMULA) else text


def shown_label(row: Row) -> str:
    """The label as a person sees it: text as it is, anything else as JSON, a long one with a line for each value."""
    if isinstance(row.label, str):
        return row.label
    short = json.dumps(row.label, ensure_ascii=False)
    return short if len(short) <= 60 else json.dumps(row.label, ensure_ascii=False, indent=1)


def digest(text: str, label: str) -> str:
    """What a row that went out is known by, from its two cells. Neither white space counts, which programs change for
    tabs and line ends, nor characters that nobody sees."""
    said = "\0".join(" ".join(printable(part).split()) for part in (text, label))
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:16]


def write_sheet(path: Path, rows: Sequence[Placed], data: Path, version: str, schema: dict[str, Any] | None) -> None:
    """Write the workbook, whole or not at all. Raises UserError where a file is: people may have filled it in."""
    if path.exists():
        raise UserError(f"{path} is there already, and may hold verdicts. Name another file, or remove it.")
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = SHEET
    _review(sheet, [row for _, row in rows], schema)
    _lists(book.create_sheet(LISTS), answers_of(schema))
    _hidden(book.create_sheet(HIDDEN), rows, data, version, schema)
    _guide(book.create_sheet(GUIDE))
    made = io.BytesIO()  # where the disk is full, zipfile would print a traceback beside our message
    book.save(made)
    with whole_file(path) as stream:
        stream.write(made.getvalue())


def answers_of(schema: dict[str, Any] | None) -> list[str]:
    """Every answer there is, where the task's answer is one class and nothing else; else none."""
    if schema is None:
        return []
    if "enum" in schema:
        return [str(value) for value in schema["enum"]]
    properties = schema.get("properties", {})
    if len(properties) != 1:
        return []
    name, only = next(iter(properties.items()))
    return [canonical(schema, {name: value}) for value in only.get("enum", [])] if isinstance(only, dict) else []


def _review(sheet: Any, rows: Sequence[Row], schema: dict[str, Any] | None) -> None:
    from openpyxl.formatting.rule import FormulaRule
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.worksheet.datavalidation import DataValidation

    head = PatternFill("solid", fgColor="1F3A56")
    ask = PatternFill("solid", fgColor="FFFBE6")
    line = Border(bottom=Side(style="thin", color="D9D9D9"))
    sheet.append([name.capitalize() if name != "id" else "id" for name in COLUMNS])
    for cell, width in zip(sheet[1], WIDTHS, strict=True):
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), head
        cell.alignment = Alignment(vertical="center")
        sheet.column_dimensions[cell.column_letter].width = width
    sheet.row_dimensions[1].height = 24
    for number, row in enumerate(rows, start=2):
        cells = (row.id, class_of(row, schema), row.text, shown_label(row))
        for column, text in enumerate(cells, start=1):
            cell = sheet.cell(number, column)
            cell.value = guarded(text)
            cell.data_type = "s"
            cell.font = Font(color="808080") if column < 3 else Font()
        for column in range(1, len(COLUMNS) + 1):
            cell = sheet.cell(number, column)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.border = line
            cell.number_format = "@"
            if column > 4:
                cell.fill = ask
        longest = max(_lines(row.text, WIDTHS[2]), _lines(shown_label(row), WIDTHS[3]))
        sheet.row_dimensions[number].height = min(15 * longest + 4, 400)
    last = len(rows) + 1
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = f"A1:H{max(last, 2)}"
    sheet.sheet_view.zoomScale = 110
    for letter, listed, count, title in (("E", "A", len(VERDICTS), "verdict"), ("F", "B", len(REASONS), "reason")):
        rule = DataValidation("list", formula1=f"{LISTS}!${listed}$1:${listed}${count}", allow_blank=True)
        rule.error, rule.errorTitle = f"Choose a {title} from the list.", "Not in the list"
        rule.showErrorMessage = True
        sheet.add_data_validation(rule)
        rule.add(f"{letter}2:{letter}{max(last, 2)}")
    answers = answers_of(schema)
    if answers:
        rule = DataValidation("list", formula1=f"{LISTS}!$C$1:$C${len(answers)}", allow_blank=True)
        rule.error, rule.showErrorMessage = "Choose an answer from the list.", True
        sheet.add_data_validation(rule)
        rule.add(f"G2:G{max(last, 2)}")
    for verdict, tint in _TINTS.items():
        fill = PatternFill("solid", bgColor=tint)
        sheet.conditional_formatting.add(f"A2:H{max(last, 2)}", FormulaRule([f'$E2="{verdict}"'], fill=fill))


def _lines(text: str, width: int) -> int:
    """About how many lines a cell of so many characters takes."""
    return sum(1 + len(line) // width for line in text.splitlines()) or 1


def _lists(sheet: Any, answers: Sequence[str]) -> None:
    for column, values in enumerate((VERDICTS, REASONS, answers), start=1):
        for number, value in enumerate(values, start=1):
            sheet.cell(number, column).value = guarded(value)
    sheet.sheet_state = "hidden"


def _hidden(sheet: Any, rows: Sequence[Placed], data: Path, version: str, schema: dict[str, Any] | None) -> None:
    sheet.append(["data", guarded(str(data.absolute()))])
    sheet.append(["version", version])
    said = json.dumps(schema)
    # A schema may be longer than a cell.
    sheet.append(["schema", *(said[start : start + 30_000] for start in range(0, len(said), 30_000))])
    sheet.append(["rows", "digest"])
    for _, row in rows:
        sheet.append([guarded(row.id), digest(guarded(row.text), guarded(shown_label(row)))])
    for cells in sheet.iter_rows():
        for cell in cells:
            cell.data_type = "s" if cell.value is not None else cell.data_type
    sheet.sheet_state = "hidden"


def _guide(sheet: Any) -> None:
    from openpyxl.styles import Alignment, Font

    for number, line in enumerate(_GUIDE.splitlines(), start=1):
        cell = sheet.cell(number, 1)
        cell.value = line
        cell.font = Font(bold=number == 1, size=14 if number == 1 else 11)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.column_dimensions["A"].width = 110
