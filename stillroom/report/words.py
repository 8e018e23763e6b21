"""How numbers, dates and names are written in the report: one way each, so that two figures can be compared by eye."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NOTHING = "\N{EN DASH}"
"""Stands where there is no figure: a group without such rows, a score that is not defined."""

NBSP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_ACRONYMS = {"dpo", "sft", "json", "f1", "csv", "html"}
_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip
_PERSONAL = {
    "email": "e-mail address", "phone": "phone number", "iban": "IBAN", "card": "card number", "id_number": "ID number",
    "ip": "IP address",
}  # fmt: skip
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its 95 % interval, all three finite."""

    value: float
    low: float
    high: float

    @staticmethod
    def read(raw: dict[str, Any] | None) -> "Interval | None":
        """Take an interval of evaluation.json; None where there is none or a part of it is not a finite number."""
        if not raw or not all(is_number(raw.get(key)) for key in ("value", "low", "high")):
            return None
        return Interval(float(raw["value"]), float(raw["low"]), float(raw["high"]))


def is_number(value: Any) -> bool:
    """True for a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def percent(share: Any) -> str:
    """0.912 → 91.2 %. A share that is not whole is never rounded up to 100 %, nor one above nothing down to 0 %."""
    if not is_number(share):
        return NOTHING
    shown = round(share * 100, 1)
    if shown >= 100 and share < 1:
        shown = 99.9
    if shown <= 0 and share > 0:
        shown = 0.1
    return f"{shown:.1f}{NBSP}%"


def percent_range(interval: Interval | None) -> str:
    """The two ends of an interval: 88.3 to 93.9 %, with a dash."""
    return (
        f"{percent(interval.low).removesuffix(f'{NBSP}%')}\N{EN DASH}{percent(interval.high)}" if interval else NOTHING
    )


def signed(points: Any) -> str:
    """A difference in points with its sign, a real minus where it is one: +1.5."""
    if not is_number(points):
        return NOTHING
    shown = round(points, 1)
    return "0.0" if shown == 0 else f"{'+' if shown > 0 else _MINUS}{abs(shown):.1f}"


def signed_range(interval: Interval | None) -> str:
    """The two ends of a difference's interval: +0.4 to +2.1."""
    return f"{signed(interval.low)} to {signed(interval.high)}" if interval else NOTHING


def number(value: Any) -> str:
    """Whole numbers with thousands apart; others with three digits that count."""
    if not is_number(value):
        return NOTHING
    if float(value).is_integer():
        return f"{int(value):,}".replace("-", _MINUS)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}".replace("-", _MINUS)


def size(count: Any) -> str:
    """Bytes in decimal units: 144.8 MB."""
    if not is_number(count):
        return NOTHING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.{0 if count >= 99.95 * scale else 1}f}{NBSP}{unit}"
    return f"{count:.0f}{NBSP}bytes"


def duration(seconds: Any) -> str:
    """Seconds as a person says them: 0.42 s, 12.3 s, 3 min 24 s, 2 h 5 min."""
    if not is_number(seconds):
        return NOTHING
    if seconds < 1:
        return f"{seconds:.2f}{NBSP}s" if seconds >= 0.1 else f"{seconds * 1000:.0f}{NBSP}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}{NBSP}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{NBSP}min {whole % 60}{NBSP}s"
    return f"{whole // 3600}{NBSP}h {whole % 3600 // 60}{NBSP}min"


def date(moment: str) -> str:
    """An ISO date and time as `23 November 2026, 18:10 UTC`; what is no such date is returned as it is."""
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    return f"{read.day} {read:%B %Y, %H:%M} UTC"


def human(name: str) -> str:
    """A name from a file as words: near_duplicate → Near duplicate, dpo_not_worse → DPO not worse."""
    words = name.replace("_", " ").replace("-", " ").split()
    joined = " ".join(word.upper() if word in _ACRONYMS else word for word in words)
    return joined[:1].upper() + joined[1:]


def language(code: str) -> str:
    """The English name of a language by its code; what is none of the usual ones stands as it is."""
    return _LANGUAGES.get(code, code)


def personal(kind: str) -> str:
    """What a kind of personal data is called."""
    return _PERSONAL.get(kind, kind)


def plural(count: int, noun: str) -> str:
    """1 row, 2 rows; the noun's plural is made with s."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def shorten(text: str, limit: int) -> str:
    """The text, cut at `limit` characters with a remark on how many are missing."""
    missing = len(text) - limit
    return text if missing <= 0 else f"{text[:limit].rstrip()} … ({plural(missing, 'more character')})"


def printable(text: str) -> str:
    """Replace what has no place in an HTML page (control characters, lone surrogates) by the replacement character."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
