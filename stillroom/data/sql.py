"""The source `sql`: rows of a query, by any data base that SQLAlchemy speaks to."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.errors import UserError
from stillroom.recipe.model import SqlSource

AT_A_TIME = 1000
"""Rows in memory at a time, where the driver can stream."""


class SqlReader:
    """Reads one SqlSource in a transaction that is always rolled back, so that a query can change nothing."""

    def __init__(self, source: SqlSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """A variable that is not set, a data base that does not answer, a query that fails, columns that it lacks."""
        found = faults_of(self.base, self.source.skip_ids_in)
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
        skip = earlier_ids(self.base, self.source.skip_ids_in)
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
        secrets = [secret for secret in (address, url.password) if secret]
        try:
            engine = sqlalchemy.create_engine(url)
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            said = _without(secrets, error)
            raise UserError(f"{variable}: no driver for {url.drivername} is installed ({said}).") from error
        try:
            with engine.connect() as connection:
                streamed = connection.execution_options(yield_per=AT_A_TIME)
                result = streamed.execute(sqlalchemy.text(self.source.query))
                if not result.returns_rows:
                    raise UserError(f"The query of {self.name} gives no rows; write a SELECT. Nothing was changed.")
                yield result
                connection.rollback()
        except sqlalchemy.exc.SQLAlchemyError as error:
            said = _without(secrets, getattr(error, "orig", None) or error)
            shown = url.render_as_string(hide_password=True)
            raise UserError(f"{variable} ({shown}): {said}") from error
        finally:
            engine.dispose()


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
