"""The layout of a mail's text."""

from datetime import UTC, datetime

from stillroom.data.mail_text import format_mail


def test_layout() -> None:
    sent = datetime(2026, 11, 23, 10, 12, tzinfo=UTC)
    text = format_mail("Anna Bell <anna@bell.example>", sent, "Choir", "\nHello,\n\nsee you.\n")
    assert text == (
        "From: Anna Bell <anna@bell.example>\nDate: Mon, 23 Nov 2026 10:12:00 +0000\nSubject: Choir\n"
        "\nHello,\n\nsee you."
    )


def test_a_folded_header_is_one_line() -> None:
    text = format_mail("Anna\n Bell", datetime(2026, 11, 23, tzinfo=UTC), "Choir\r\n\tpractice", "Body")
    assert text.split("\n")[::2] == ["From: Anna Bell", "Subject: Choir practice", "Body"]
