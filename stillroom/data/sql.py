"""The source `sql`: rows of a query, by any data base that SQLAlchemy speaks to."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.errors import UserError
from stillroom.recipe.model import SqlSource

AT_A_TIME = 1000
"""Rows in memory at a time, where the driver can stream."""
_READS = re.compile(
    r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|values|table|show|explain|from)\b", re.IGNORECASE | re.DOTALL
)
"""How a query begins that asks and does not tell. Some data bases cannot take back a DROP or CREATE."""
_NAMED = re.compile(r"(?<![:\w\\]):(?=\w)")
"""What SQLAlchemy would take for the name of a value to be filled in, even in quotes: no recipe gives such values."""


class SqlReader:
    """Reads one SqlSource in a transaction that is rolled back, and read-only where the data base knows of that: a
    query can change nothing."""

    def __init__(self, source: SqlSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """A variable that is not set, a data base that does not answer, a query that fails, columns that it lacks."""
        found = faults_of(self.base, self.source.skip_ids_in, self.source.id)
        try:
            with self._result() as result:
                columns = list(result.keys())
        except UserError as error:
            return [*found, str(error)]
        wanted = [name for name in (self.source.text, self.source.label, self.source.id) if name is not None]
        missing = [name for name in dict.fromkeys(wanted) if name not in columns]
        if missing:
            plural = "columns" if len(missing) > 1 else "column"
            found.append(f"The query has no {plural} {', '.join(missing)}. It has: {', '.join(columns)}.")
        return found

    def size(self) -> int:
        """The sample, where there is one: counting the rows would run the query once more."""
        return self.source.sample or 0

    def rows(self) -> Iterator[Row | Rejected]:
        """The rows of the sample. Without `sample` they are not held in memory."""
        skip = earlier_ids(self.base, self.source.skip_ids_in, self.source.id)
        yield from draw_rows(self._all(), self.source.sample, self.seed, skip)

    def _all(self) -> Iterator[Row | Rejected]:
        seen: Counter[str] = Counter()
        with self._result() as result:
            for record in result.mappings():
                text = record[self.source.text]
                label = _plain(record[self.source.label]) if self.source.label is not None else None
                key = record[self.source.id] if self.source.id is not None else None
                if key is None:
                    # Without ORDER BY rows come in any order, so a number would name another row next time.
                    said = json.dumps([text, label], ensure_ascii=False, default=str)
                    key = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
                    seen[key] += 1
                    key = key if seen[key] == 1 else f"{key}-{seen[key]}"
                    key = f"{self.name}/{key}"
                row = Row(str(key), text if isinstance(text, str) else "", label, self.name)
                if text is None or isinstance(text, str):
                    yield row
                else:
                    detail = f"{type(text).__name__} in column {self.source.text}"
                    yield Rejected(row, "the text is not a string", detail)

    @contextmanager
    def _result(self) -> Iterator[Any]:
        import sqlalchemy

        variable = self.source.url_env
        address = os.environ.get(variable)
        if not address:
            raise UserError(
                f"The environment variable {variable} is not set. It names the data base, for example "
                f"{variable}=postgresql+psycopg://user:password@host/name"
            )
        try:
            url = sqlalchemy.make_url(address)
        except sqlalchemy.exc.ArgumentError as error:
            raise UserError(f"{variable} does not hold an SQLAlchemy URL such as sqlite:///rows.db") from error
        secrets = _secrets(address, url)
        if not _READS.match(self.source.query):
            raise UserError(f"The query of {self.name} gives no rows; write a SELECT. Nothing was run.")
        if (file := _sqlite_file(url)) is not None and not file.is_file():
            raise UserError(f"{variable}: no such file: {file}")
        try:
            engine = sqlalchemy.create_engine(url)
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            said = _without(secrets, error)
            raise UserError(f"{variable}: no driver for {url.drivername} is installed ({said}).") from error
        try:
            with engine.connect() as connection:
                if url.get_backend_name() == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                elif url.get_backend_name() == "sqlite":
                    connection.exec_driver_sql("PRAGMA query_only = ON")
                streamed = connection.execution_options(yield_per=AT_A_TIME)
                result = streamed.execute(sqlalchemy.text(_NAMED.sub(r"\\\g<0>", self.source.query)))
                if not result.returns_rows:
                    raise UserError(f"The query of {self.name} gives no rows; write a SELECT. Nothing was changed.")
                yield result
                connection.rollback()
        except sqlalchemy.exc.SQLAlchemyError as error:
            said = _without(secrets, getattr(error, "orig", None) or error)
            shown = url.set(query={}).render_as_string(hide_password=True)  # options may hold keys
            raise UserError(f"{variable} ({shown}): {said}") from error
        finally:
            engine.dispose()


def _sqlite_file(url: Any) -> Path | None:
    """The file of an SQLite data base, which SQLite would make where it is missing; None for any other."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def _secrets(address: str, url: Any) -> list[str]:
    """What no message may repeat: the address, its password as it is written and read, and its options."""
    options = [value for values in url.query.values() for value in ([values] if isinstance(values, str) else values)]
    known = [address, *([url.password] if url.password else []), *(value for value in options if len(value) > 5)]
    return [form for one in known for form in dict.fromkeys((one, quote(one, safe=""), quote_plus(one)))]


def _plain(value: Any) -> Any:
    """A value as JSON has it: dates and exact numbers as text."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _without(secrets: list[str], error: BaseException) -> str:
    said = " ".join(str(error).split())
    for secret in secrets:
        said = said.replace(secret, "***")
    return said[:400]
