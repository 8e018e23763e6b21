import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.prepare import prepare
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.sql import SqlReader
from stillroom.recipe.model import SqlSource

VARIABLE = "TICKETS_DATABASE"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        connection.execute("CREATE TABLE tickets (number INTEGER, body, kind TEXT, day DATE)")
        words = (f"ticket {n} about {'abcdefghij'[n % 10] * 5} and {n * 7919}" for n in range(60))
        rows = [(n, text, '{"kind": "a"}', "2026-01-02") for n, text in enumerate(words)]
        connection.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?)", [*rows, (60, 5, "x", None)])
    connection.close()
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path / 'rows.db'}")
    return tmp_path


def reader(base: Path, query: str = "SELECT * FROM tickets", **fields: Any) -> SqlReader:
    source = SqlSource(kind="sql", url_env=VARIABLE, query=query, **{"text": "body", "label": "kind"} | fields)
    return SqlReader(source, base, f"sql:{VARIABLE}", 0)


def test_rows_of_a_query(base: Path) -> None:
    opened = reader(base, id="number")
    assert opened.faults() == []
    items = list(opened.rows())
    assert [item.id for item in items[:2] if isinstance(item, Row)] == ["0", "1"]
    assert isinstance(items[-1], Rejected) and items[-1].detail == "int in column body"


def test_ids_do_not_depend_on_the_order(base: Path) -> None:
    ids = [
        {
            item.id
            for item in reader(base, f"SELECT * FROM tickets WHERE number < 60 ORDER BY number {order}").rows()
            if isinstance(item, Row)
        }
        for order in ("ASC", "DESC")
    ]
    assert ids[0] == ids[1] and len(ids[0]) == 60
    twice = "SELECT 'same' AS body, 'x' AS kind UNION ALL SELECT 'same', 'x'"
    assert len({item.id for item in reader(base, twice).rows() if isinstance(item, Row)}) == 2


def test_a_colon_in_a_query_names_no_value(base: Path) -> None:
    query = "SELECT ' :zz ' || body AS body, kind AS \"kind:b\" FROM tickets WHERE body NOT LIKE '%::b :c 10:30%'"
    first = next(reader(base, query, label="kind:b").rows())
    assert isinstance(first, Row) and first.text.startswith(" :zz ticket 0") and first.label


def test_a_query_can_change_nothing(base: Path) -> None:
    for query in ("DELETE FROM tickets", "DROP TABLE tickets", "-- SELECT\nDELETE FROM tickets RETURNING *"):
        assert "gives no rows; write a SELECT. Nothing was run." in reader(base, query).faults()[0]
    hidden = "WITH a AS (SELECT 1) DELETE FROM tickets RETURNING body, kind"
    assert "readonly" in reader(base, hidden).faults()[0]
    assert len(list(reader(base, "/* all */ ( SELECT * FROM tickets").faults())) == 1
    assert len(list(reader(base).rows())) == 61


def test_a_file_that_is_not_there_is_not_made(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"sqlite:///{base / 'none.db'}")
    assert reader(base).faults() == [f"{VARIABLE}: no such file: {base / 'none.db'}"]
    assert not (base / "none.db").exists()


def test_it_goes_through_the_data_step(base: Path, make_recipe: Any) -> None:
    source = {"kind": "sql", "url_env": VARIABLE, "query": "SELECT * FROM tickets", "text": "body", "label": "kind"}
    report = prepare(make_recipe(source | {"sample": 40}), base, base / "out")
    assert report["sources"][0]["source"] == f"sql:{VARIABLE}" and report["sources"][0]["kept"] >= 39


def test_each_fault_has_its_message(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader(base, text="x", label="y").faults() == [
        "The query has no columns x, y. It has: number, body, kind, day."
    ]
    assert "no such table: none" in reader(base, "SELECT * FROM none").faults()[0]
    monkeypatch.setenv(VARIABLE, "nonsense")
    assert "does not hold an SQLAlchemy URL" in reader(base).faults()[0]
    monkeypatch.delenv(VARIABLE)
    assert f"The environment variable {VARIABLE} is not set." in reader(base).faults()[0]


@pytest.mark.parametrize(
    "address",
    [
        "nodb://me:hunter2@host/x",
        "postgresql+nodriver://me:hunter2@127.0.0.1:9/x",
        "nodb://me:hunter2%40@host/x?api_key=hunter2secret",
    ],
)
def test_a_password_is_never_shown(base: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(VARIABLE, address)
    said = reader(base).faults()[0]
    assert said.startswith(VARIABLE) and "hunter2" not in said
