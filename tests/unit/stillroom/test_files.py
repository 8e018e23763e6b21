"""A file is whole or absent, and a place that cannot be written is told as the user's own."""

from pathlib import Path

import pytest

from stillroom.errors import UserError
from stillroom.files import write_text


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "page.html", tmp_path / "folder", Path("/proc/page.html")):
        with pytest.raises(UserError, match=rf"{path} cannot be written: .+\. Name another place\."):
            write_text(path, "lost")
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"], "nothing half-written is left"
