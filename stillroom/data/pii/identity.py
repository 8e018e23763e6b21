"""Numbers that a state gives a person, by their checksums, their shape, or the name that they are called by."""

import re

from stillroom.data.pii.span import Text

_SSN = re.compile(r"(?<![A-Za-z0-9_-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![A-Za-z0-9_-])")
_BARE_SSN = re.compile(r"(?<![A-Za-z0-9_-])(?!000|666|9\d\d)\d{3} ?(?!00)\d{2} ?(?!0000)\d{4}(?![A-Za-z0-9_-])")
_CHINESE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])")
_NINO = re.compile(
    r"(?<![A-Za-z0-9])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?"
    r"\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])"
)
_GERMAN_TAX = re.compile(r"(?<![A-Za-z0-9_-])[1-9]\d(?: ?\d{3}){3}(?![A-Za-z0-9_-])")
_GERMAN_PENSION = re.compile(r"(?<![A-Za-z0-9])\d{2} ?[0-3]\d[01]\d{3} ?[A-Z] ?\d{3}(?![A-Za-z0-9])")
_DOCUMENT = re.compile(r"(?<![A-Za-z0-9-])(?=(?:[A-Z]*\d){4})(?!00)[A-Z0-9]{7,12}(?![A-Za-z0-9-])")
DIGITS_OF_LETTERS = {chr(ord("A") + place): f"{place + 1:02d}" for place in range(26)}


def find_id_numbers(text: Text) -> None:
    """Take the ID numbers of a text: US, British, German and Chinese ones, and documents that are called such."""
    for match in _CHINESE.finditer(text.left):
        if chinese_is_valid(match[0]):
            text.take(*match.span(), "id_number")
    for match in _SSN.finditer(text.left):
        if text.is_called(match.start(), "ssn") is not False:
            text.take(*match.span(), "id_number")
    for match in _NINO.finditer(text.left):
        text.take(*match.span(), "id_number")
    for match in _GERMAN_PENSION.finditer(text.left):
        if pension_is_valid(match[0]):
            text.take(*match.span(), "id_number")
        else:  # nothing else looks like this, so no part of it is a telephone number
            text.blank(*match.span())
    for match in _GERMAN_TAX.finditer(text.left):
        if text.is_called(match.start(), "tax") and german_tax_is_valid(match[0]):
            text.take(*match.span(), "id_number")
    for match in _BARE_SSN.finditer(text.left):
        if text.is_called(match.start(), "ssn"):
            text.take(*match.span(), "id_number")
    for match in _DOCUMENT.finditer(text.left):
        if text.is_called(match.start(), "document"):
            text.take(*match.span(), "id_number")


def chinese_is_valid(value: str) -> bool:
    """The birth date and the checksum of a Chinese resident identity number."""
    from stdnum.cn import ric
    from stdnum.exceptions import ValidationError

    # Not ric.validate: it asks for a district of today, and districts have come and gone.
    try:
        ric.get_birth_date(value)
    except ValidationError:
        return False
    return str(ric.calc_check_digit(value.upper())) == value[-1].upper()


def german_tax_is_valid(value: str) -> bool:
    """The checksum of a German tax identification number."""
    from stdnum.de import idnr

    return bool(idnr.is_valid(value.replace(" ", "")))


def pension_is_valid(value: str) -> bool:
    """The checksum of a German pension insurance number, such as 65 170839 J 003."""
    compact = value.replace(" ", "")
    digits = compact[:8] + DIGITS_OF_LETTERS[compact[8]] + compact[9:11]
    weighted = (int(digit) * weight for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(product // 10 + product % 10 for product in weighted) % 10 == int(compact[11])
