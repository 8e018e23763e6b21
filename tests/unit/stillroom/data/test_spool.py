from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stillroom.data.rows import Row
from stillroom.data.spool import Spool
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


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Spool(tmp_path) as spool, open("/dev/full", "r+b", buffering=0) as full:
        own: Any = spool._file
        spool._file = full  # type: ignore[assignment]
        with pytest.raises(UserError, match="The disk is full"):
            spool.append(ROWS[0])
        spool._file = own
