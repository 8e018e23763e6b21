"""A saved prefix is used only where it is exactly what was written, for exactly this."""

import logging
import os
from pathlib import Path

import pytest

from serving.engine.prefix_file import KEPT, load_prefix, prefix_key, save_prefix

KEY = prefix_key("ab", [1, 2], "llama 1")


def test_it_comes_back(tmp_path: Path) -> None:
    save_prefix(tmp_path / "new" / "p", KEY, b"state\nof it")
    assert load_prefix(tmp_path / "new" / "p", KEY) == b"state\nof it"


def test_keys_differ_by_all_that_counts() -> None:
    others = [prefix_key("ac", [1, 2], "llama 1"), prefix_key("ab", [1, 3], "llama 1"), prefix_key("ab", [1, 2], "l 2")]
    assert len({KEY, *others}) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: raw[:-3] + b"y" + raw[-2:],
        lambda raw: raw.replace(b'"key"', b'"kez"'),
        lambda raw: b"",
        lambda raw: b"[]\n" + raw,
        lambda raw: b"\xff" * 50,
    ],
)
def test_a_damaged_file_is_told_and_not_used(tmp_path: Path, spoil: object, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "p"
    save_prefix(path, KEY, b"state")
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        assert load_prefix(path, KEY) is None
    assert "is not used" in caplog.text


def test_a_foreign_one_and_none_at_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_prefix(tmp_path / "p", KEY) is None and not caplog.text
    save_prefix(tmp_path / "p", KEY, b"state")
    assert load_prefix(tmp_path / "p", prefix_key("other", [1], "x")) is None
    assert "another model" in caplog.text


def test_a_disk_that_refuses_costs_a_line_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    save_prefix(tmp_path / "file" / "p", KEY, b"state")
    assert "could not be saved" in caplog.text


def test_the_least_recently_used_go(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.prefix" for number in range(KEPT + 2)]
    for number, path in enumerate(paths[:KEPT]):
        save_prefix(path, str(number), b"state")
        os.utime(path, (number, number))
    assert load_prefix(paths[0], "0") == b"state"
    for number in (KEPT, KEPT + 1):
        save_prefix(paths[number], str(number), b"state")
    assert [path.exists() for path in paths[:4]] == [True, False, False, True] and len(list(tmp_path.iterdir())) == KEPT
