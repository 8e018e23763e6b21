"""API keys, and where they come from."""

from pathlib import Path

import pytest

from serving.server import keys as keys_module
from serving.server.keys import API_KEYS, Keys, read_keys
from stillroom.errors import UserError


def test_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("# team one\nalpha\n\n  beta  \n")
    monkeypatch.setenv(API_KEYS, "gamma, delta\n")
    keys = read_keys(file, API_KEYS)
    assert all(keys.accept(f"Bearer {key}") for key in ("alpha", "beta", "gamma", "delta"))
    assert not any(keys.accept(given) for given in (None, "", "Bearer ", "Bearer # team one", "Bearer alph", "alpha"))


def test_files_as_windows_writes_them(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xef\xbb\xbfalpha\r\n\r\nbeta\r\n")
    keys = read_keys(tmp_path / "keys", API_KEYS)
    assert keys.accept("Bearer alpha") and keys.accept("bearer beta") and not keys.accept("Bearer \r")


def test_a_key_beyond_ascii_is_compared_by_its_bytes() -> None:
    assert Keys(["schlüssel"]).accept("Bearer " + "schlüssel".encode().decode("latin-1"))


def test_an_empty_secret_opens_no_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not read_keys(None, API_KEYS).needed
    (tmp_path / "keys").write_text("# none\n")
    with pytest.raises(UserError, match="holds no key"):
        read_keys(tmp_path / "keys", API_KEYS)
    with pytest.raises(UserError, match="cannot be read"):
        read_keys(tmp_path / "none", API_KEYS)
    monkeypatch.setenv(API_KEYS, " ")
    with pytest.raises(UserError, match="is set but holds no key"):
        read_keys(None, API_KEYS)


def test_no_keys_accept_nobody() -> None:
    assert not Keys([]).accept("Bearer x")


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Kubernetes turns a secret: a link to another file. A file that is gone or empty locks nobody in or out."""
    monkeypatch.setattr(keys_module, "LOOK_SECONDS", -1)
    file = tmp_path / "keys"
    for name, key in (("one", "alpha"), ("two", "beta")):
        (tmp_path / name).write_text(key)
    file.symlink_to("one")
    monkeypatch.setenv(API_KEYS, "fixed")
    keys = read_keys(file, API_KEYS)
    assert keys.accept("Bearer alpha") and not keys.accept("Bearer beta")
    file.unlink()
    file.symlink_to("two")
    assert keys.accept("Bearer beta") and not keys.accept("Bearer alpha") and keys.accept("Bearer fixed")
    (tmp_path / "two").write_text("\n")
    assert keys.accept("Bearer beta")
    file.unlink()
    assert keys.accept("Bearer beta") and keys.needed
