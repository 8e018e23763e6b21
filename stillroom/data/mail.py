"""One e-mail as bytes → the sender, date, subject and the words its sender wrote.

Only the structure is left to Python's mail parser. Headers and bodies are decoded here, leniently: real mail declares
wrong charsets, puts raw 8-bit letters into headers and breaks its MIME words, and none of that may stop a run. (The
parser's newer policy raises IndexError on `From: =?utf-8?q?=FF?= <@` and LookupError on a charset it does not know.)
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import format_datetime, parsedate_to_datetime

from stillroom.data.encoding import almost_utf8
from stillroom.data.mail_replies import own_words
from stillroom.data.mail_text import format_mail

UNKNOWN = "(unknown)"
HEADER_LIMIT = 2_000
"""Characters of a header that are looked at; a longer one is an attack or an accident."""
BODY_LIMIT = 200_000
"""Bytes of a body that are looked at. A recipe cuts texts far shorter, and parsing a huge HTML page takes seconds."""

# What mailers call a charset → what their bytes are. The left ones are subsets that are used for the whole family.
SUPERSETS = {
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
WESTERN = ("cp1252", "windows-1252", "iso-8859-15")
GUESSES = ["utf_8", "gb18030", "big5", "cp949", "cp932", "cp1252", "cp1250", "cp1251", "koi8_r"]
FORWARDED = re.compile(r"(\[.*?\]\s*)?(fwd?|wg|转发|轉寄|转)\s*[::]", re.IGNORECASE)
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")


class UnreadableMailError(ValueError):
    """The bytes hold no mail that could be shown as text."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a reader sees of a mail. `date` is None when the header cannot be read; `date_header` is what it says."""

    sender: str
    date: datetime | None
    date_header: str
    subject: str
    body: str

    @property
    def text(self) -> str:
        """The From, Date and Subject lines, a blank line and the body, as models see them."""
        text = format_mail(self.sender, self.date or _NO_DATE, self.subject, self.body)
        if self.date is None:
            text = text.replace(f"\nDate: {format_datetime(_NO_DATE)}\n", f"\nDate: {self.date_header}\n", 1)
        return text


def parse_mail(data: bytes) -> Mail:
    """Read one mail. Raises UnreadableMailError, and nothing else, whatever the bytes are."""
    try:
        return _mail(data)
    except RecursionError as error:
        raise UnreadableMailError("its parts are nested too deep") from error


def _mail(data: bytes) -> Mail:
    message = message_from_bytes(data)
    date_header, subject = _header(message, "Date") or UNKNOWN, _header(message, "Subject")
    return Mail(
        sender=_header(message, "From") or UNKNOWN,
        date=_date(date_header),
        date_header=date_header,
        subject=subject,
        body=own_words(_body(message), forwarded=FORWARDED.match(subject) is not None),
    )


def decode(data: bytes, charset: str | None) -> str:
    """Decode with the charset the mail declares, else UTF-8, else the likeliest of the common ones.

    Western charsets are what mailers declare when they do not know; where the bytes are UTF-8, they are UTF-8.
    """
    declared = SUPERSETS.get(charset.lower(), charset) if charset else "utf-8"
    for name in ("utf-8", declared) if declared.lower() in WESTERN else (declared, "utf-8"):
        if name == "cp1252" and charset in ("us-ascii", "ascii"):
            continue  # Eight-bit letters in "ASCII": the declaration says nothing about them.
        try:
            return data.decode(name)
        except (UnicodeError, LookupError, ValueError):
            continue
    if nearly := almost_utf8(data):
        return nearly[0]
    from charset_normalizer import from_bytes

    # Single letters above ASCII between others: one byte each, as the West writes; a short text gives no other clue.
    guesses = GUESSES if re.search(rb"[\x80-\xff]{2}", data) else ["cp1252", "cp1250"]
    best = from_bytes(data, cp_isolation=guesses).best()
    return str(best) if best else data.decode("cp1252" if guesses is not GUESSES else "latin-1", "replace")


def _header(message: Message, name: str) -> str:
    """A header on one line, its MIME words and raw 8-bit letters decoded; "" where there is none."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")[:HEADER_LIMIT]
    # The parser hides bytes above 127 as surrogates; they are taken out again to be decoded with a guess.
    raw = decode(raw.encode("utf-8", "surrogateescape"), None) if UNPRINTABLE.search(raw) else raw
    try:
        parts = decode_header(raw)
    except (HeaderParseError, ValueError):
        parts = [(raw, None)]
    words = [part if isinstance(part, str) else _word(part, charset) for part, charset in parts]
    return " ".join(UNPRINTABLE.sub("", "".join(words)).split())


def _word(part: bytes, charset: str | None) -> str:
    # Unencoded stretches come back as raw-unicode-escape bytes of the text they were.
    return decode(part, charset) if charset else part.decode("raw-unicode-escape", "replace")


def _date(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _body(message: Message) -> str:
    """The first plain text that says anything, else the first HTML as text, else any other text (such as a calendar
    entry, or the whole of a mail that promises parts and has none)."""
    parts = [part for part in message.walk() if part.get_content_disposition() != "attachment"]
    for kind in ("text/plain", "text/html", ""):
        for part in parts:
            if part.get_content_type() == kind or (not kind and _is_other_text(part)):
                text = _part_text(part)
                # Plain text is sometimes HTML all the same, and says so only by its first letters.
                if kind == "text/html" or re.match(r"\s*<(!doctype\s|html\b)", text, re.IGNORECASE):
                    text = html_to_text(text)
                if text.strip():
                    return text
    return ""


def _is_other_text(part: Message) -> bool:
    return not part.is_multipart() and part.get_content_maintype() in ("text", "multipart")


def _part_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload[:BODY_LIMIT] if isinstance(payload, bytes) else b""
    try:
        charset = part.get_content_charset()
    except (UnicodeError, LookupError, ValueError):
        charset = None
    text = decode(data, charset)
    strange = len(UNPRINTABLE.findall(text))
    if strange > max(10, len(text) / 10):
        raise UnreadableMailError(f"{strange} of {len(text)} characters of the text are not printable")
    return UNPRINTABLE.sub("", text)


def html_to_text(html: str) -> str:
    """What a browser would show of a page, links and pictures left out; the bare words where it cannot be laid out."""
    from inscriptis import get_text

    try:
        return str(get_text(html))
    except (ValueError, AttributeError, KeyError, IndexError, RecursionError, AssertionError):
        return re.sub(r"<[^>]*>", " ", html)
