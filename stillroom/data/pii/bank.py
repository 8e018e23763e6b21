"""IBANs by their checksum, payment cards by Luhn's."""

import re
from functools import lru_cache

from stillroom.data.pii.span import Text

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=(?:[\s\u00a0-]{0,2}[A-Za-z0-9]){11})")
_MAY_BE_IBAN = re.compile(r"\d(?<=[A-Za-z][A-Za-z]\d)\d")
_CARD = re.compile(
    r"(?<![A-Za-z0-9_.,+-])(?<!\d[ ])\d{4}(?:[ -]?\d{4}){3}(?:[ -]\d{1,3})?(?![A-Za-z0-9_-]|[ ]\d)"
    r"|(?<![A-Za-z0-9_.,+-])(?:\d{4}[ -]\d{6}[ -]\d{5}|\d{4}[ -]\d{6}[ -]\d{4}|\d{13,19})(?![A-Za-z0-9_-]|[ ]\d{3})"
)
_MAY_BE_CARD = re.compile(r"\d{4}[ -]?\d{4}")
# Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay, Maestro: the digits their numbers begin with.
_BRANDS = re.compile(
    r"(?:4(?=\d{12}(?:\d{3}){0,2}$)|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|6011|65|64[4-9]|35(?:2[89]|[3-8]\d))"
    r"|3[47](?=\d{13}$)|3(?:0[0-5]|[689])(?=\d{11,12}$)|62|50|5[6-8]|67)\d+"
)


# Words behind a number that only a card has, whatever stands before it.
_OF_CARDS = re.compile(
    r"[\s,;:()]*(?:\w+[\s:]+)?"
    r"(?:cvv|cvc|exp(?:\.|iry|ires|iration)?\b|valid (?:thru|until)|gültig bis|prüfziffer|有效期)",
    re.IGNORECASE,
)


def find_ibans(text: Text, start: int, stop: int) -> None:
    """Take the IBANs of a line; single spaces and hyphens may part them."""
    for match in _IBAN.finditer(text.left, start, stop) if _MAY_BE_IBAN.search(text.left, start, stop) else ():
        length = _lengths().get(match[0][:2].upper())
        end = _end(text.left, match.start(), length) if length else None
        if end is None:
            continue
        if iban_is_valid(text.left[match.start() : end]):
            text.take(match.start(), end, "iban")
        else:  # a mistyped one, or a fake: no digits of it are anything else
            text.blank(match.start(), end)


def find_cards(text: Text, start: int, end: int) -> None:
    """Take the card numbers of a line; what is called an order number is none, though it may pass Luhn's check."""
    for match in _CARD.finditer(text.left, start, end) if _MAY_BE_CARD.search(text.left, start, end) else ():
        digits = re.sub(r"\D", "", match[0])
        if not _BRANDS.fullmatch(digits) or not luhn_is_valid(digits):
            continue
        if _OF_CARDS.match(text.whole, match.end()) or text.is_called(match.start(), "card") is not False:
            text.take(*match.span(), "card")


def luhn_is_valid(digits: str) -> bool:
    """Luhn's check over decimal digits."""
    from stdnum import luhn

    return bool(luhn.is_valid(digits))


def iban_is_valid(value: str) -> bool:
    """The checksum and the country's length and structure; white space and hyphens do not count."""
    from stdnum import iban

    return bool(iban.is_valid(re.sub(r"[\s\u00a0-]", "", value), check_country=False))


def _end(text: str, start: int, length: int) -> int | None:
    """Where `length` letters and digits from `start` on end; None where something else comes first."""
    place, gap = start, 0
    while length and place < len(text):
        if text[place].isascii() and text[place].isalnum():
            length, gap = length - 1, 0
        elif text[place] in " \u00a0-" and not gap:
            gap = 1
        else:
            return None
        place += 1
    more = place < len(text) and text[place].isascii() and text[place].isalnum()
    return None if length or more else place


@lru_cache(1)
def _lengths() -> dict[str, int]:
    """Characters of an IBAN by country, from the registry that stdnum carries."""
    from stdnum import numdb

    lengths = {}
    for _, country, _, info, _ in numdb.get("iban").prefixes:
        lengths[country] = 4 + sum(int(size) for size in re.findall(r"(\d+)!", info["bban"]))
    return lengths
