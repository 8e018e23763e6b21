"""All finders in the order in which they must look: the surest first, the most digits last."""

import re
from collections.abc import Collection

from stillroom.data.pii.bank import find_cards, find_ibans
from stillroom.data.pii.identity import find_id_numbers
from stillroom.data.pii.mail_address import find_addresses
from stillroom.data.pii.names import find_names
from stillroom.data.pii.network import find_ip_addresses
from stillroom.data.pii.phone import find_phone_numbers
from stillroom.data.pii.span import BLANK, Span, Text

_ANYTHING = re.compile(r"[@＠:\d]|[\[({<\s](?:at|ät|klammeraffe)[\])}>\s]", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_DATE_LINE = re.compile(
    r"Date: (?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)? [+-]\d{4}$", re.MULTILINE
)
KINDS = ("email", "phone", "iban", "card", "id_number", "ip", "name")


def find(text: str, kinds: Collection[str] = KINDS, name_model: str | None = None) -> list[Span]:
    """The personal data of these kinds, in the order of the text; no two overlap."""
    if "name" not in kinds and not _ANYTHING.search(text):
        return []
    looked_at = Text(text.replace(BLANK, " "))
    # The date line of a mail holds nothing personal, and digits enough to be looked at by every finder.
    if date := _DATE_LINE.match(looked_at.left, looked_at.left.find("\nDate: ") + 1):
        looked_at.blank(*date.span())
    # Every finder looks, whatever is wanted: a card number that stays must not become a phone number.
    find_addresses(looked_at)
    find_ip_addresses(looked_at)
    for start, end in looked_at.lines_with_digits():
        digits = len(_DIGIT.findall(looked_at.left, start, end))
        if digits >= 7:
            find_ibans(looked_at, start, end)
        find_id_numbers(looked_at, start, end, digits)
        if digits >= 13:
            find_cards(looked_at, start, end)
        if digits >= 5:
            find_phone_numbers(looked_at, start, end)
    if "name" in kinds:
        find_names(looked_at, name_model)
    return sorted(span for span in looked_at.spans if span.kind in kinds)
