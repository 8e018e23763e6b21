"""Telephone numbers: by Google's numbering plans (phonenumbers), their shape, and the words before them."""

import re
from functools import lru_cache
from typing import Any

from stillroom.data.pii.span import Text

REGIONS = ("US", "DE", "GB", "CN", "AT", "CH")
"""Whose national numbers are known; a number with its country code is known wherever it is from."""
MORE_REGIONS = ("FR", "ES", "IT", "NL", "BE", "PL", "PT", "SE", "DK", "IE", "AU", "IN", "BR")
"""Whose national numbers are known where they are called telephone numbers."""
_CANDIDATE = re.compile(
    r"(?<![A-Za-z0-9_.,+-])(?<!\d[ ])(?<!/(?![+＋]))(?:[+＋]|00(?=[1-9]))?[ ]?(?:\(\+?\d{1,5}\)[ ]?)?"
    r"\d(?:[ ./()\u2011\u2013-]{0,3}\d){4,16}(?![A-Za-z0-9_@#]|[.,:-]\d|-[A-Za-z]|[ ]\d)"
)
_MAY_BE = re.compile(r"\d(?:[ ./()\u2011\u2013-]{0,3}\d){4}")
_US_SHAPE = re.compile(r"(?:1[ .-])?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[ .-])\d{3}[ .-]\d{4}")
_SHAPES = {"FR": re.compile(r"0[1-9](?:[ .]\d\d){4}"), "ES": re.compile(r"[67]\d\d(?: \d\d){3}")}
_CHINESE_MOBILE = re.compile(r"1[3-9]\d([ -]?)\d{4}\1\d{4}")
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9])"
# Dates, clock times, amounts, UUIDs, codes with letters and web addresses hold digits too.
_OTHER_NUMBERS = re.compile(
    # By what they begin with, so that few are tried at each place: a letter where a word begins, a digit, or a sign.
    r"(?:https?://\S+|www\.\S+)"
    r"|(?<![A-Za-z0-9])(?=[A-Za-z])(?:"
    rf"{_UUID}"
    r"|(?=[A-Za-z]++[-_/#]?\d)"
    r"(?!(?i:tel|fon|fax|mob|ph|phone|t|m|f|handy|mobil|telefon|cell|wa|whatsapp)[-_/]?\d)[A-Za-z]++[-_/#]?\d[\w/-]*"
    r"|\b(?:USD|EUR|GBP|CHF|CNY|RMB)\s?\d[\d.,']*(?:[ ]\d{3})*"
    r")|(?=\d)(?:"
    rf"(?:(?<![A-Za-z0-9]){_UUID})"
    r"|(?:(?<![\d+])\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)(?:[ T]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)"
    r"|(?:(?<![\d+])(?<!\d[./])\d{1,2}[-/.][ ]?\d{1,2}[-/.][ ]?(?:\d{4}|\d{2})(?!\d|[./]\d))"
    r"|(?:(?<!\d)\d{1,2}:\d{2}(?::\d{2})?(?!\d))"
    r"|(?:(?<![\d+])[0-2]\d[0-5]\d\s?[-–]\s?[0-2]\d[0-5]\d(?![\d-]))"
    r"|(?:(?<![\d+])(?:19|20)\d{2}\s?[-–]\s?(?:19|20)\d{2}(?!\d))"
    r"|(?:(?<![\d+])\d[\d.,' ]{0,40}\d?\s?(?:[€$£¥%]|(?:USD|EUR|GBP|CHF|CNY|RMB|Euro|Dollar|元|万|块)(?![A-Za-z])))"
    r"|(?:(?<![\d.+])\d{1,3}(?:[.,'’]\d{3}){2,}(?:[.,]\d{1,2})?(?![\d-]))"
    r"|(?:(?<![\d.,+])\d+[.,]\d{1,3}(?![\d.,/-]))"
    r")|[$€£¥]\s?\d[\d.,']*(?:[ ]\d{3})*"
)

# A link that begins a call or a chat: what follows is a number with its country code, whether it has a plus or not.
_MAY_BE_LINKED = re.compile(r"[/=:]\+?\d{7}")
_LINKED = re.compile(r"(?:\bwa\.me/|whatsapp\.com/send\?phone=|\b(?:tel|sms|callto):)(\+?[1-9]\d{6,14})(?!\d)")


def find_phone_numbers(text: Text, start: int, end: int) -> None:
    """Take the telephone numbers of a line. What else holds digits is taken away first, so this comes last."""
    for link in _LINKED.finditer(text.left, start, end) if _MAY_BE_LINKED.search(text.left, start, end) else ():
        text.take(*link.span(1), "phone")
    if _MAY_BE.search(text.left, start, end):
        text.blank_all(_OTHER_NUMBERS, start, end)
        for candidate in _CANDIDATE.finditer(text.left, start, end):
            _take_phone(text, candidate)


def _take_phone(text: Text, match: re.Match[str]) -> None:
    found = match[0].rstrip(" ./()-")
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    found = found.strip()
    if found.count("(") > found.count(")"):
        found = found.rpartition("(")[0].rstrip(" ./-")
    if is_phone(found, text.is_called(start, "phone")):
        text.take(start, start + len(found), "phone")


def is_phone(number: str, called: bool | None) -> bool:
    """Whether digits with their signs are a telephone number.

    called: whether the words before call it one; None where they say nothing, False where they call it otherwise.
    """
    digits = re.sub(r"\D", "", number)
    written = number.replace("＋", "+")
    if written.lstrip("(").startswith("+") or (number.startswith("00") and called is not False):
        country, national = international(written)
        if country:
            return not national.startswith("00") and (valid(written, None) or (called is True and len(national) >= 6))
        return False
    if called is False or digits.startswith("00") or not 5 < len(digits) < 16:
        return False
    if _CHINESE_MOBILE.fullmatch(number) or _US_SHAPE.fullmatch(number):
        return True
    for region, shape in _SHAPES.items():
        if shape.fullmatch(number):
            return valid(number, region)
    grouped = digits != number
    if called:
        known = any(valid(number, region) for region in (*REGIONS, *MORE_REGIONS))
        return known or (grouped and len(digits) >= 7) or (digits.startswith("0") and len(digits) >= 8)
    # Nothing calls it a number: a trunk zero, or brackets around an area code, must.
    # Lottery numbers or a score; the digits of a card.
    in_equal_parts = re.fullmatch(r"\d\d(?:\D\d\d)+|\d{4}(?:[ -]\d{4}){2,}", number) is not None
    shaped = grouped and not in_equal_parts and (digits.startswith("0") or re.match(r"\(\d{3,5}\)", number) is not None)
    return shaped and any(valid(number, region) for region in REGIONS)


def international(number: str) -> tuple[str, str]:
    """The country code and the rest of the digits of a number that begins with + or 00; ("", "") where none is."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    digits = re.sub(r"\D", "", number)
    if not number.lstrip("(").startswith("+"):
        digits = digits[2:]
    for length in (1, 2, 3):
        if digits[:length].isdigit() and int(digits[:length]) in COUNTRY_CODE_TO_REGION_CODE and digits[0] != "0":
            return digits[:length], digits[length:].removeprefix("0") if digits[length:][:2] != "00" else digits[
                length:
            ]
    return "", ""


def valid(number: str, region: str | None) -> bool:
    """Whether a numbering plan has room for it."""
    return _in_plan(number, region) is not None


def canonical(number: str) -> str:
    """The number within its country where a plan knows it, else its digits: however written, it is one number.

    Without the country code: of 06 12 34 56 78 nobody can say whether it is the German or the French one.
    """
    plain = number.replace("＋", "+")
    for region in (None, *REGIONS, *MORE_REGIONS):
        if parsed := _in_plan(plain, region):
            return str(parsed.national_number)
    return re.sub(r"\D", "", number).lstrip("0")


@lru_cache(4096)
def _in_plan(number: str, region: str | None) -> Any:
    """The number as a plan has it; None where no plan has room for it."""
    import phonenumbers

    plain = re.sub(r"[^\d+]", "", number.replace("(0)", ""))
    plain = re.sub(r"^00", "+", plain)
    if region is None and not plain.startswith("+"):
        return None
    try:
        parsed = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return None
    return parsed if phonenumbers.is_valid_number(parsed) else None
