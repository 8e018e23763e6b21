import contextlib
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stillroom.data.mail import BODY_LIMIT, UnreadableMailError, decode, html_to_text, parse_mail

# Letters, marks, numbers and punctuation of all scripts that a mail header or body may hold; no control characters.
words = st.lists(
    st.text(st.characters(categories=["L", "N"], max_codepoint=0xFFFF), min_size=1, max_size=12),
    min_size=1,
    max_size=12,
).map(" ".join)


@given(st.binary(max_size=400))
@example(b"Content-Type: text/plain; charset=\xff\xfe\n\n\xff")
@example(b"Subject: =?utf-8?b?====?=\n\nx")
@example(b"From: =?\xff?q?a?= <")
@example(b'Content-Type: multipart/mixed; boundary="a"\n\n--a\n--a--')
@example(b"Content-Type: text/html\n\n<?xml version='1.0' encoding='utf-8'?><html>")
@example(b"Date: Mon, 99 Foo 2002 99:99:99 +9999999\n\nx")
@example(b"Content-Transfer-Encoding: base64\n\n=" * 3)
def test_any_bytes_give_a_mail_or_a_reason(data: bytes) -> None:
    try:
        mail = parse_mail(data)
    except UnreadableMailError as error:
        assert str(error)
    else:
        assert mail.text.startswith("From: ")
        mail.text.encode()  # No half letter is left that could not be written to a file.


@given(
    st.lists(st.sampled_from(["Content-Type", "Content-Transfer-Encoding", "Date", "From", "Subject", "MIME-Version"])),
    st.lists(
        st.sampled_from(
            [
                "text/html",
                "multipart/mixed; boundary=x",
                "; charset=",
                "utf-7",
                "=?",
                "?=",
                "?b?",
                "base64",
                "\r\n ",
                '"',
                "<>",
                "\xff",
            ]
        )
    ),
    st.sampled_from(["--x\n\nbody\n--x--", "<html><body><table><td>", "+AAA-", "> quoted", "\x00\x01"]),
)
def test_broken_headers_never_raise(names: list[str], values: list[str], body: str) -> None:
    value = "".join(values)
    headers = "".join(f"{name}: {value}\n" for name in names)
    with contextlib.suppress(UnreadableMailError):
        parse_mail(f"{headers}\n{body}".encode("latin-1"))


@given(sender=words, subject=words, body=words, encoding=st.sampled_from(["quoted-printable", "base64", "8bit"]))
def test_a_built_mail_is_read_back(sender: str, subject: str, body: str, encoding: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = f'"{sender}" <someone@example.org>'
    message["Subject"] = subject
    message["Date"] = "Mon, 23 Nov 2026 10:12:00 +0100"
    message.set_content(f"{body}\n", charset="utf-8", cte=encoding)
    mail = parse_mail(message.as_bytes())
    # Python folds headers at 78 characters and may add a space inside a long word; the letters must survive.
    assert "".join(sender.split()) in "".join(mail.sender.split())
    assert "".join(mail.subject.split()) == "".join(subject.split())
    assert mail.body == body
    assert "\nDate: Mon, 23 Nov 2026 10:12:00 +0100\n" in mail.text


def build(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


def test_plain_text_is_preferred_to_html() -> None:
    message = build(From="a@example.org", Subject="Both")
    message.set_content("The plain one.")
    message.add_alternative("<p>The <b>rich</b> one.</p>", subtype="html")
    assert parse_mail(message.as_bytes()).body == "The plain one."


def test_html_is_taken_where_the_plain_part_is_empty() -> None:
    message = build(From="a@example.org")
    message.set_content("  \n")
    message.add_alternative(
        "<html><style>p {}</style><p>Caf&eacute; &amp; bar</p><script>x()</script></html>", subtype="html"
    )
    assert parse_mail(message.as_bytes()).body == "Café & bar"


def test_html_that_calls_itself_plain_is_stripped() -> None:
    assert parse_mail(b"Content-Type: text/plain\n\n<html><body><b>Hi</b> there</body></html>").body == "Hi there"


def test_attachments_are_not_the_body() -> None:
    message = build(From="a@example.org")
    message.set_content("Please see the file.")
    message.add_attachment("secret numbers", filename="a.txt")
    assert parse_mail(message.as_bytes()).body == "Please see the file."


def test_a_lone_attachment_leaves_the_body_empty() -> None:
    data = b"Subject: x\nContent-Type: text/plain\nContent-Disposition: attachment\n\nfile"
    assert parse_mail(data).body == ""


@pytest.mark.parametrize(
    ("declared", "actual", "text"),
    [
        ("us-ascii", "utf-8", "Schöne Grüße aus Köln"),
        ("utf-8", "cp1252", "Schöne Grüße aus Köln"),
        ("gb2312", "gb18030", "会议改到星期三下午三点，地点在二楼会议室"),
        ("no-such-charset", "utf-8", "会议改到星期三"),
        ("iso-8859-1", "cp1252", "“quoted” – dash"),
        ("iso-2022-jp", "iso-2022-jp", "会議は水曜日"),
    ],
)
def test_wrong_and_loose_charsets(declared: str, actual: str, text: str) -> None:
    data = f"Content-Type: text/plain; charset={declared}\n\n".encode() + text.encode(actual)
    assert parse_mail(data).body == text


@pytest.mark.parametrize("declared", ["utf-8", "us-ascii", "iso-8859-1"])
def test_a_text_with_a_damaged_letter_is_still_utf8(declared: str) -> None:
    text = "Grüße aus Köln, встреча завтра"
    data = f"Content-Type: text/plain; charset={declared}\n\n".encode() + text.encode() + b"\xd0"
    assert parse_mail(data).body == text


def test_a_long_text_may_be_cut_within_a_letter() -> None:
    data = b"Content-Type: text/plain; charset=utf-8\n\n." + ("ж" * BODY_LIMIT).encode()
    assert set(parse_mail(data).body) == {".", "ж"}


def test_undeclared_chinese_is_guessed() -> None:
    text = "各位同事：本周五下午两点在三楼会议室召开项目例会，请准时参加。谢谢大家的配合。"
    assert decode(text.encode("gb18030"), None) == text


def test_a_short_text_with_single_letters_is_western() -> None:
    assert parse_mail(b"From: a@x.org\n\nK\xf6ln").body == "Köln"
    assert parse_mail(
        "From: a@x.org\n\n会议明天上午十点在二楼会议室举行，请准时参加。".encode("gb18030")
    ).body.startswith("会议明天")


def test_a_mail_that_promises_parts_and_has_none() -> None:
    assert parse_mail(b"From: a@x.org\nContent-Type: multipart/mixed\n\nOnly words.\n").body == "Only words."
    calendar = b"From: a@x.org\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nSUMMARY:Summer party\nEND:VCALENDAR\n"
    assert "SUMMARY:Summer party" in parse_mail(calendar).body


def test_mime_words_and_raw_letters_in_headers() -> None:
    data = "Subject: =?iso-8859-1?q?Gr=FC=DFe?= =?utf-8?b?5Lya6K6u?= now\nFrom: Jürgen <j@example.org>\n\nx".encode()
    mail = parse_mail(data)
    assert mail.subject == "Grüße会议 now"
    assert mail.sender == "Jürgen <j@example.org>"


def test_what_is_missing_is_said() -> None:
    mail = parse_mail(b"\nonly a body")
    assert mail.text == "From: (unknown)\nDate: (unknown)\nSubject: \n\nonly a body"


def test_a_date_that_cannot_be_read_stays_as_it_is() -> None:
    mail = parse_mail(b"From: a@b.c\nDate: next Tuesday\nSubject: s\n\nbody")
    assert mail.date is None
    assert "\nDate: next Tuesday\n" in mail.text


def test_a_header_cannot_smuggle_in_lines() -> None:
    data = b"Subject: =?utf-8?q?one=0ADate:_two?=\n\nbody"
    assert "\nSubject: one Date: two\n" in parse_mail(data).text


def nested(part: str, depth: int) -> bytes:
    return ("".join(f"Content-Type: {part.format(number)}" for number in range(depth)) + "\ntext").encode()


@pytest.mark.parametrize("part", ["message/rfc822\n\n", "multipart/mixed; boundary=x{0}\n\n--x{0}\n"])
def test_parts_nested_without_end_are_unreadable(part: str) -> None:
    assert parse_mail(nested(part, 50)).body == "text"
    for depth in (1500, 20_000):
        with pytest.raises(UnreadableMailError, match="nested too deep"):
            parse_mail(nested(part, depth))


def test_binary_rubbish_is_unreadable() -> None:
    with pytest.raises(UnreadableMailError, match="not printable"):
        parse_mail(b"Subject: x\n\n" + bytes(range(1, 8)) * 40)


@pytest.mark.parametrize("html", ["", "<", "<!-- ", "<div>" * 3000 + "deep", "<?xml version='1.0' encoding='x'?><p>a"])
def test_html_that_no_browser_likes(html: Any) -> None:
    assert isinstance(html_to_text(html), str)
