import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.tabular import TabularReader
from stillroom.recipe.model import TabularSource

UNEVEN = "a wrong number of cells"


def reader(path: Path, **options: Any) -> TabularReader:
    kind = path.suffix.removeprefix(".")
    source = TabularSource.model_validate({"kind": kind, "path": path.name, **options})
    return TabularReader(source, path.parent, f"{kind}:{path.name}", seed=1)


def pairs(items: Any) -> list[tuple[str, Any]]:
    return [(item.text, item.label) if isinstance(item, Row) else ("rejected", item.reason) for item in items]


def test_csv_with_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('\ufeffnumber,mail,kind\n7,"two\nlines, one ""row""",a\n8,short,b\n')
    source = reader(path, text="mail", label="kind", id="number")
    assert source.faults() == []
    rows = list(source.rows())
    assert pairs(rows) == [('two\nlines, one "row"', "a"), ("short", "b")]
    assert [row.id for row in rows if isinstance(row, Row)] == ["7", "8"]


def test_csv_with_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text;label\neins, zwei;a\n")
    assert pairs(reader(path).rows()) == [("eins, zwei", "a")]


def test_csv_rows_that_are_no_text_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\ngood,a\nM\xfcll \xff,a\nshort\nlast,b\n")
    items = list(reader(path).rows())
    assert pairs(items) == [("good", "a"), ("rejected", "undecodable bytes"), ("rejected", UNEVEN), ("last", "b")]
    bad = items[1]
    assert isinstance(bad, Rejected) and "\\xfcll" in bad.row.text
    assert bad.detail == "not UTF-8; save the file as UTF-8"


def test_csv_cells_without_their_quotation_marks_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"Hello, you",a\nHello, you,a\nlast,b\n')
    items = list(reader(path).rows())
    assert pairs(items) == [("Hello, you", "a"), ("rejected", UNEVEN), ("last", "b")]
    assert isinstance(items[1], Rejected) and items[1].detail == (
        "line 3: 3 cells in a row of a file with 2 columns; is a comma or a quote missing its quotation marks?"
    )


@pytest.mark.parametrize(
    ("lines", "kept", "detail"),
    [
        (['a,"one', "b,two", 'c,"three', "d,four"], [("d", "four")], "lines 2 to 4: ',' expected after '\"'; is a"),
        (["a,one", 'b,"two', "c,three"], [("a", "one")], "lines 3 to 4: unexpected end of data; is a quote missing"),
        (["a,one", 'b,"two\n"', 'c,"three" words'], [("a", "one"), ("b", "two\n"), ("c", "three words")], ""),
        (["a,one", 'b,"two,x\ny",z', "c,four"], [("a", "one"), ("c", "four")], "lines 3 to 4: 3 cells in a row"),
    ],
)
def test_a_quote_that_is_not_closed_takes_no_rows_with_it_in_silence(
    tmp_path: Path, lines: list[str], kept: list[tuple[str, str]], detail: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["label,text", *lines, ""]))
    items = list(reader(path).rows())
    assert [(row.label, row.text) for row in items if isinstance(row, Row)] == kept
    told = [item.detail for item in items if isinstance(item, Rejected)]
    assert len(told) == bool(detail) and all(one.startswith(detail) for one in told)


def test_a_date_that_python_cannot_hold_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    late = pa.array([2**60, 0], pa.int64()).view(pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["one", "two"], "label": late}), path)
    first, second = reader(path).rows()
    assert isinstance(first, Rejected) and first.reason == "not a value that Python can hold"
    assert isinstance(second, Row)


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one", "label": {"kind": "a"}}\n\nnot json\n[1]\n{"text": "\xff"}\n{"text": 5}\n')
    assert pairs(reader(path).rows()) == [
        ("one", {"kind": "a"}),
        ("rejected", "not JSON"),
        ("rejected", "not a JSON object"),
        ("rejected", "undecodable bytes"),
        ("rejected", "the text is not a string"),
    ]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\3\0\0\0\5\0\0\0"), pa.py_buffer(b"one\xff\xfe")]
    )
    pq.write_table(pa.table({"text": broken, "label": [{"kind": "a"}, {"kind": "b"}]}), path)
    source = reader(path)
    assert source.faults() == []
    assert pairs(source.rows()) == [("one", {"kind": "a"}), ("rejected", "undecodable bytes")]


def test_a_sample_does_not_depend_on_the_order(tmp_path: Path) -> None:
    lines = [f"{number},text {number},a" for number in range(50)]
    for name, order in (("one.csv", lines), ("two.csv", lines[::-1])):
        (tmp_path / name).write_text("\n".join(["id,text,label", *order]))
    one, two = (pairs(reader(tmp_path / name, id="id", sample=10).rows()) for name in ("one.csv", "two.csv"))
    assert sorted(one) == sorted(two)
    assert len(one) == 10
    assert set(one) < set(pairs(reader(tmp_path / "one.csv", id="id", sample=20).rows()))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "is empty"),
        ("a.csv", b"mail,kind\nx,a\n", "has no columns text, label. It has: mail, kind."),
        ("a.csv", b"text,label,text\nx,a,y\n", "has more than one column text; rename or remove the others."),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b"nothing\n", "no line of it holds a JSON object"),
        ("a.jsonl", b'{"text": "x"}\n', "has no column label. It has: text."),
        ("a.parquet", b"PAR1 not really", "is not a parquet file"),
    ],
)
def test_faults(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    (tmp_path / name).write_bytes(content)
    [said] = reader(tmp_path / name).faults()
    assert fault in said


def test_missing_file(tmp_path: Path) -> None:
    assert reader(tmp_path / "gone.csv").faults() == [f"No such file: {tmp_path / 'gone.csv'}"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_weights_are_read_and_what_is_none_is_rejected(tmp_path: Path, kind: str) -> None:
    good, bad = ["2.5", "", "0"], ["-1", "much", "nan", "inf"]
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        path.write_text("text,label,n\n" + "".join(f"t,a,{cell}\n" for cell in good + bad))
    elif kind == "jsonl":
        values = [2.5, None, 0, -1, "much", float("nan"), True]
        path.write_text("".join(json.dumps({"text": "t", "label": "a", "n": value}) + "\n" for value in values))
    else:
        pq.write_table(pa.table({"text": ["t"] * 7, "label": ["a"] * 7, "n": good + bad}), path)
    source = reader(path, weight="n")
    assert source.faults() == []
    items = list(source.rows())
    assert [item.weight for item in items if isinstance(item, Row)] == [2.5, 1.0, 0.0]
    reasons = [item.reason for item in items if isinstance(item, Rejected)]
    assert reasons == ["the weight is not a number of 0 or more"] * 4
    assert "no column no. It has: text, label, n." in reader(path, weight="no").faults()[0]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_line_too_long_is_passed_over(tmp_path: Path, kind: str) -> None:
    long = "x" * (17 * 2**20)
    lines = {
        "csv": f"text,label\none,a\n{long},b\ntwo,c\n",
        "jsonl": f'{{"text":"one","label":"a"}}\n{{"text":"{long}"}}\n{{"text":"two","label":"c"}}\n',
    }
    path = tmp_path / f"a.{kind}"
    path.write_text(lines[kind])
    source = TabularSource.model_validate({"kind": kind, "path": str(path)})
    first, bad, last = TabularReader(source, tmp_path, "a", 0).rows()
    assert isinstance(first, Row) and isinstance(last, Row) and (first.text, last.text) == ("one", "two")
    assert isinstance(bad, Rejected) and bad.reason == "a line longer than 16 MiB" and "bytes" in bad.detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_csv_of_nul_bytes_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\none,a\n".encode(encoding))
    assert "it holds NUL bytes, as UTF-16 and binary files do; save it as UTF-8" in reader(path).faults()[0]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_second_sample_skips_what_the_first_holds(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("number,text,label\n" + "".join(f"{n},text {n},a\n" for n in range(40)))
    first = {row.id for row in reader(path, id="number", sample=15).rows() if isinstance(row, Row)}
    earlier = tmp_path / f"pilot.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"number": sorted(map(int, first)), "note": ["x"] * 15}), earlier)
    elif kind == "jsonl":
        earlier.write_text("".join(f'{{"id": "{id}"}}\n' for id in first))
    else:
        between = "\t" if kind == "tsv" else ","
        earlier.write_text(f"note{between}number\n" + "".join(f"x{between}{id}\n" for id in first))
    opened = reader(path, id="number", sample=15, skip_ids_in=[earlier.name])
    assert opened.faults() == []
    second = {row.id for row in opened.rows() if isinstance(row, Row)}
    assert len(first) == len(second) == 15 and not first & second


def test_what_is_no_earlier_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("number,text,label\n1,a,b\n")
    (tmp_path / "x.csv").write_text("text,label\na,b\n")
    (tmp_path / "y.jsonl").write_text("no json\n")
    faults = reader(path, id="number", skip_ids_in=["x.csv", "y.jsonl", "z.jsonl"]).faults()
    wanted = 'every row must have a column "number" or "id"'
    assert faults == [
        f"{tmp_path / 'x.csv'} is not an earlier sample: {wanted} (a row without an id).",
        f"{tmp_path / 'y.jsonl'} is not an earlier sample: {wanted} (not JSON).",
        f"No such file: {tmp_path / 'z.jsonl'}",
    ]
