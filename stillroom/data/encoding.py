"""Text in UTF-8 of which a few bytes are damaged."""

import re

_DAMAGE = "\ufffd"
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def almost_utf8(data: bytes) -> tuple[str, int] | None:
    """The text without its damaged places, and how many there are; None where it is not UTF-8 at all.

    A text that is cut within a letter is still UTF-8: guessed, it would be in another alphabet from end to end. In no
    other encoding do the bytes of letters go together as UTF-8 asks, but by chance.
    """
    text = data.decode("utf-8", "replace")
    places = text.count(_DAMAGE)
    letters = len(_BEYOND_ASCII.findall(text)) - places
    return (text.replace(_DAMAGE, ""), places) if letters > 2 * places else None
