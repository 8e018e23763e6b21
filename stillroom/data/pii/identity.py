"""Numbers that a state gives a person, by their checksums, their shape, or the name that they are called by.

Here are those of the US, Britain, Germany and China; `national` has the others.
"""

import re

from stillroom.data.pii.national import find_national_numbers
from stillroom.data.pii.span import Text

_MAY_BE_SHAPED = re.compile(r"\d\d[ -]?\d{3}")
"""What stands in each number of these shapes, a British one apart; quicker to look for."""
_SSN = re.compile(r"(?<![A-Za-z0-9_-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![A-Za-z0-9_-])")
_BARE_SSN = re.compile(r"(?<![A-Za-z0-9_-])(?!000|666|9\d\d)\d{3} ?(?!00)\d{2} ?(?!0000)\d{4}(?![A-Za-z0-9_-])")
_CHINESE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])")
_NINO = re.compile(
    r"(?<![A-Za-z0-9])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?"
    r"\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])"
)
_MAY_BE_NINO = re.compile(r"[A-Z][A-Z] ?\d\d")
_GERMAN_TAX = re.compile(r"(?<![A-Za-z0-9_-])[1-9]\d(?: ?\d{3}){3}(?![A-Za-z0-9_-])")
_GERMAN_PENSION = re.compile(r"(?<![A-Za-z0-9])\d{2} ?[0-3]\d[01]\d{3} ?[A-Z] ?\d{3}(?![A-Za-z0-9])")
_DOCUMENT = re.compile(
    r"(?<![A-Za-z0-9-])(?!00)(?:(?=(?:[A-Z]*\d){4})(?:[A-Z0-9]{7,12}|(?=\d*[A-Z])[A-Z0-9]{13,18})"
    r"|(?=(?:[A-Z]*\d){2})[A-Z0-9]{9,10}|(?=(?:[A-Z-]*\d){6})(?=[A-Z0-9-]*[A-Z])[A-Z0-9]{1,6}(?:-[A-Z0-9]{2,6}){1,4})(?![A-Za-z0-9-])"
)
_MAY_BE_DOCUMENT = re.compile(r"[A-Z0-9](?:[A-Z0-9]{6}|[A-Z0-9]{0,5}-[A-Z0-9]{2})")
DIGITS_OF_LETTERS = {chr(ord("A") + place): f"{place + 1:02d}" for place in range(26)}


def find_id_numbers(text: Text, start: int, end: int, digits: int) -> None:
    """Take the ID numbers of a line: those of a known shape or name, and documents that are called such.

    digits: how many the line holds; what needs more is not looked for.
    """
    if digits >= 6:
        _find_by_shape(text, start, end, digits)
    find_national_numbers(text, start, end)
    for match in _DOCUMENT.finditer(text.left, start, end) if _MAY_BE_DOCUMENT.search(text.left, start, end) else ():
        if text.is_called(match.start(), "document"):
            text.take(*match.span(), "id_number")


def _find_by_shape(text: Text, start: int, end: int, digits: int) -> None:
    for match in _NINO.finditer(text.left, start, end) if _MAY_BE_NINO.search(text.left, start, end) else ():
        if text.is_called(match.start(), "document"):  # without its name it may be a room or a part as well
            text.take(*match.span(), "id_number")
    if digits < 9 or not _MAY_BE_SHAPED.search(text.left, start, end):
        return
    for match in _CHINESE.finditer(text.left, start, end) if digits >= 17 else ():
        if chinese_is_valid(match[0]):
            text.take(*match.span(), "id_number")
    for match in _SSN.finditer(text.left, start, end):
        # "My social, for the tax office": a word for another of a person's numbers says nothing against it.
        if text.is_called(match.start(), "ssn", "tax", "document") is not False:
            text.take(*match.span(), "id_number")
    for match in _GERMAN_PENSION.finditer(text.left, start, end) if digits >= 11 else ():
        if pension_is_valid(match[0]):
            text.take(*match.span(), "id_number")
        else:  # nothing else looks like this, so no part of it is a telephone number
            text.blank(*match.span())
    for match in _GERMAN_TAX.finditer(text.left, start, end) if digits >= 11 else ():
        if text.is_called(match.start(), "tax") and german_tax_is_valid(match[0]):
            text.take(*match.span(), "id_number")
    for match in _BARE_SSN.finditer(text.left, start, end):
        if text.is_called(match.start(), "ssn"):
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
