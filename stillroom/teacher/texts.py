"""Texts that a command is given: a table, a mail folder, or a plain file with one text a line."""

from pathlib import Path

from stillroom.data.cleaning import cut
from stillroom.data.reading import EMPTY, Reader, Rejected
from stillroom.data.rows import Row
from stillroom.data.sources import open_sources, refuse_faults
from stillroom.errors import UserError
from stillroom.recipe.model import MailSource, Recipe, TabularSource

_TABLES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_MAIL = {".mbox": "mbox", ".eml": "eml"}
TWICE = "the id is used twice"


def read_texts(
    path: Path, recipe: Recipe, text: str = "text", id: str | None = None, label: str | None = None
) -> tuple[list[Row], list[Rejected]]:
    """The rows of a file, cut as the recipe cuts them, and those that cannot be used.

    CSV, JSONL and Parquet by the columns `text`, `label` and `id` (or "id", where there is one); mbox, eml and folders
    of mail; any other file one text a line. Raises UserError where the file or a column is missing, or where there is
    no text at all.
    """
    rows: dict[str, Row] = {}
    rejected = []
    limit = recipe.data.cleaning.max_characters
    for item in _items(path, text, id, label, recipe.data.seed):
        if isinstance(item, Rejected):
            rejected.append(item)
        elif not item.text.strip():
            rejected.append(Rejected(item, EMPTY))
        elif item.id in rows:
            rejected.append(Rejected(item, TWICE))
        else:
            rows[item.id] = Row(item.id, cut(item.text.strip(), limit), item.label, item.source, item.meta)
    if not rows:
        reasons = f" ({rejected[0].reason}: {rejected[0].row.id})" if rejected else ""
        raise UserError(f"{path} holds no text{reasons}.")
    return list(rows.values()), rejected


def _items(path: Path, text: str, id: str | None, label: str | None, seed: int) -> list[Row | Rejected]:
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        columns = {"kind": _TABLES[suffix], "path": str(path.absolute()), "text": text, "label": label}
        named = open_sources([TabularSource.model_validate({**columns, "id": id or "id"})], Path(), seed)
        if id is None and any(reader.faults() for reader in named):  # without a column of that name, by number
            named = open_sources([TabularSource.model_validate(columns)], Path(), seed)
        return _read(named)
    if path.is_dir() or suffix in _MAIL:
        kind = _MAIL.get(suffix) or ("maildir" if (path / "cur").is_dir() else "eml")
        return _read(open_sources([MailSource.model_validate({"kind": kind, "path": str(path.absolute())})], Path(), 0))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"No such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [Row(f"{path.name}/{number}", line, None, path.name) for number, line in enumerate(lines, 1) if line.strip()]


def _read(readers: list[Reader]) -> list[Row | Rejected]:
    refuse_faults(readers)
    return [item for reader in readers for item in reader.rows()]
