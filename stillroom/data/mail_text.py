"""How a mail is laid out as the text that a model reads: three header lines, an empty line, the body."""

from datetime import datetime
from email.utils import format_datetime


def format_mail(sender: str, date: datetime, subject: str, body: str) -> str:
    """Lay out a mail as text.

    `date` is written as RFC 2822 does (`Mon, 23 Nov 2026 10:12:00 +0000`); give it a time zone, or it is written as
    UTC of unknown origin (`-0000`). Header values are put on one line each, so that a body can never pass for a header.
    """
    one_line = (" ".join(value.split()) for value in (sender, subject))
    sender, subject = one_line
    return f"From: {sender}\nDate: {format_datetime(date)}\nSubject: {subject}\n\n{body.strip()}"
