import mailbox
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from stillroom.data.mailbox_sources import MailReader
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row, write_rows
from stillroom.recipe.model import MailSource

SEPARATORS = [
    "a@example.org Mon Nov 23 10:12:00 2026",
    "a@example.org  Thu Aug  2 12:46:39 2002",
    "- Mon Nov 23 10:12:00 2026",
    "MAILER-DAEMON Mon Nov 23 10:12 2026",
    "1597@xxx Mon Nov 23 10:12:00 +0000 2026",
    "a at example.org  Mon Nov 23 10:12:00 CEST 2026",
    "a@example.org Mon Nov 23 10:12:00 2026 +0100",
    "a@example.org Mon, 23 Nov 2026 10:12:00 +0000",
]


def message(number: int) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["Date"], mail["Subject"] = "a@example.org", "Mon, 23 Nov 2026 10:12:00 +0000", f"Mail {number}"
    mail.set_content(f"Text of mail {number}.")
    return mail


def reader(base: Path, kind: str, path: str, **options: Any) -> MailReader:
    return MailReader(
        MailSource.model_validate({"kind": kind, "path": path, **options}), base, f"{kind}:{path}", seed=1
    )


def subjects(items: Any) -> list[str]:
    return [item.text.split("Subject: ")[1].split("\n")[0] for item in items]


def write_mbox(path: Path, count: int) -> None:
    box = mailbox.mbox(path)
    for number in range(count):
        box.add(message(number))
    box.close()


def test_a_line_that_begins_with_from_is_no_quotation(tmp_path: Path) -> None:
    text = "Hello,\n>From Monday on we meet at ten.\n>>From is kept as it was written.\nBye"
    (tmp_path / "inbox").write_text(f"From a@b.org Mon Nov 23 10:12:00 2026\nFrom: a@b.org\nSubject: s\n\n{text}\n")
    [row] = reader(tmp_path, "mbox", "inbox").rows()
    assert isinstance(row, Row) and "\nFrom Monday on we meet at ten.\n" in row.text


def test_mbox(tmp_path: Path) -> None:
    write_mbox(tmp_path / "inbox", 3)
    source = reader(tmp_path, "mbox", "inbox", label="a")
    assert source.faults() == []
    rows = list(source.rows())
    assert subjects(rows) == ["Mail 0", "Mail 1", "Mail 2"]
    first = rows[0]
    assert isinstance(first, Row)
    assert (first.id, first.label, first.source) == ("mbox:inbox/1", "a", "mbox:inbox")


def test_a_line_of_a_text_begins_no_mail(tmp_path: Path) -> None:
    lines = ["From my point of view, 10:30 on 23 November 2026 is fine.", "", "From all of us in May 2026"]
    data = "".join(f"From {separator}\n{message(n)}\n{lines[n % 3]}\n\n" for n, separator in enumerate(SEPARATORS))
    (tmp_path / "inbox").write_text(data)
    rows = list(reader(tmp_path, "mbox", "inbox").rows())
    assert subjects(rows) == [f"Mail {number}" for number in range(len(SEPARATORS))]
    for number, row in enumerate(rows):
        assert isinstance(row, Row) and row.text.endswith(lines[number % 3] or f"Text of mail {number}.")


def test_maildir(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "md")
    for number in range(3):
        box.add(message(number))
    source = reader(tmp_path, "maildir", "md")
    assert source.faults() == []
    assert sorted(subjects(source.rows())) == ["Mail 0", "Mail 1", "Mail 2"]


def test_eml_folder_and_file(tmp_path: Path) -> None:
    (tmp_path / "mails/deep").mkdir(parents=True)
    (tmp_path / "mails/one.eml").write_bytes(message(1).as_bytes())
    (tmp_path / "mails/deep/two.eml").write_bytes(message(2).as_bytes())
    assert subjects(reader(tmp_path, "eml", "mails").rows()) == ["Mail 2", "Mail 1"]
    assert subjects(reader(tmp_path, "eml", "mails/one.eml").rows()) == ["Mail 1"]


def test_eml_in_any_case(tmp_path: Path) -> None:
    for number, name in enumerate(("a.eml", "a.EML", "b.Eml", "c.eml.txt")):
        (tmp_path / name).write_bytes(message(number).as_bytes())
    rows = list(reader(tmp_path, "eml", ".").rows())
    assert sorted(subjects(rows)) == ["Mail 0", "Mail 1", "Mail 2"]
    assert sorted(row.id for row in rows if isinstance(row, Row)) == ["eml:./a", "eml:./a.EML", "eml:./b.Eml"]


def test_eml_names_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "mails/folder.eml").mkdir(parents=True)
    (tmp_path / "mails/folder.eml/one.eml").write_bytes(message(1).as_bytes())
    (tmp_path / "mails/gone.eml").symlink_to("nowhere")
    source = reader(tmp_path, "eml", "mails")
    assert source.faults() == []
    one, gone = source.rows()
    assert isinstance(one, Row) and one.id == "eml:mails/folder.eml/one"
    assert isinstance(gone, Rejected)
    assert gone.as_dict()["reason"] == "the file cannot be read: No such file or directory"


def test_a_sample_skips_what_an_earlier_one_holds(tmp_path: Path) -> None:
    write_mbox(tmp_path / "inbox", 20)
    first = [row for row in reader(tmp_path, "mbox", "inbox", sample=12).rows() if isinstance(row, Row)]
    assert len(first) == 12
    write_rows(tmp_path / "first.jsonl", first)
    second = list(reader(tmp_path, "mbox", "inbox", sample=12, skip_ids_in=["first.jsonl"]).rows())
    assert len(second) == 8
    assert not set(subjects(first)) & set(subjects(second))


def test_a_mail_without_any_words_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"From: a@b.c\n\n \n")
    [item] = reader(tmp_path, "eml", "empty.eml").rows()
    assert isinstance(item, Rejected) and item.reason == "empty text"


def test_faults(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no mail here")
    (tmp_path / "folder").mkdir()
    assert "No such file or folder" in reader(tmp_path, "mbox", "nowhere").faults()[0]
    assert "holds no line that begins" in reader(tmp_path, "mbox", "notes.txt").faults()[0]
    assert "an mbox is one file" in reader(tmp_path, "mbox", "folder").faults()[0]
    assert "no maildir" in reader(tmp_path, "maildir", "folder").faults()[0]
    assert "no .eml file" in reader(tmp_path, "eml", "folder").faults()[0]
    assert "No such file" in reader(tmp_path, "eml", "folder", skip_ids_in=["gone.jsonl"]).faults()[1]
