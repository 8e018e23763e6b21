import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.rows import Row, write_rows
from stillroom.data.spool import RowLines, Spool
from stillroom.errors import UserError

ROWS = [Row(str(number), f"text {number} \ud83d", {"at": datetime(2026, 11, 23)}, "csv") for number in range(20)]


def test_rows_come_back_as_they_went_in(tmp_path: Path) -> None:
    with Spool(tmp_path / "new") as spool:
        for row in ROWS[:10]:
            spool.append(row)
        assert spool[3] == ROWS[3] and spool[-1] == ROWS[9]
        for row in ROWS[10:]:
            spool.append(row)  # after reading, at the end again
        assert list(spool) == ROWS and len(spool) == 20 and list(spool[5:7]) == ROWS[5:7]
        some = spool.pick([7, 2, 19])
        assert list(some) == [ROWS[7], ROWS[2], ROWS[19]] and list(some[1:]) == [ROWS[2], ROWS[19]]
        assert list((tmp_path / "new").iterdir()) == []  # the file has no name, so a kill leaves nothing behind


def test_rows_as_lines_are_the_lines_of_their_file(tmp_path: Path) -> None:
    rows = [Row(str(number), f"text {number} é", {"at": [number, None]}, "csv", {"a": "b"}, 0.5) for number in range(9)]
    with RowLines(tmp_path / "new") as lines:
        lines.append(rows[0])
        encoded = [row.line().encode() + b"\n" for row in rows[1:]]
        lines.extend(b"".join(encoded), map(len, encoded))
        assert list(lines) == rows and lines[-1] == rows[8] and list(lines.pick([3, 8]).at([1])) == [rows[8]]
        assert write_rows(tmp_path / "rows.jsonl", rows) == 9
        assert (tmp_path / "rows.jsonl").read_bytes() == b"".join(lines.line(number) for number in range(9))
        with pytest.raises(ValueError, match="JSON"):
            lines.append(Row("1", "x", float("nan"), "csv"))
        assert len(lines) == 9


def test_rows_travel_between_processes() -> None:
    assert [pickle.loads(pickle.dumps(row)) for row in ROWS] == ROWS


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Spool(tmp_path) as spool, open("/dev/full", "r+b", buffering=0) as full:
        own: Any = spool._file
        spool._file = full  # type: ignore[assignment]
        with pytest.raises(UserError, match="The disk is full"):
            spool.append(ROWS[0])
        spool._file = own


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    """What is still in the buffer fails again when the file is closed, and would take the place of our message."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    spool: Spool[Row] = Spool(tmp_path)
    spool._file.close()
    spool._file = open("/dev/full", "wb")  # type: ignore[assignment]  # noqa: SIM115
    spool.append(ROWS[0])
    spool.close()
    assert spool._file.closed
