"""Names of people: those in the header lines of a mail, and those that a spaCy model of the user's finds."""

import re
from functools import lru_cache
from typing import Any

from stillroom.data.pii.made_up import HAN_STEMS, HAN_SURNAMES, STEMS, SUFFIXES
from stillroom.data.pii.span import Text
from stillroom.errors import UserError

_HEADER = re.compile(r"^(?:From|To|Cc|Von|An|发件人|收件人|抄送)[ ]?[:：][ ]*(.+)$", re.MULTILINE | re.IGNORECASE)
_DISPLAY = re.compile(r"(?:^|[,;])\s*\"?([^\W\d_][^\"<>,;@\d\n]{1,60}?)\"?\s*(?:<[^>]*>|(?=[,;]|$))")
_NO_PERSON = re.compile(
    r"team|support|service|office|info|news|list|admin|noreply|no.?reply|gmbh|\binc\b|\bltd\b|unknown|verein|amt\b|部|公司|中心|组",
    re.IGNORECASE,
)
_MAIL_BEGINS = re.compile(r"\A(?:From|Von|发件人)[ ]?[:：]", re.IGNORECASE)

_FAKE_HAN = re.compile(f"[{HAN_SURNAMES}][{HAN_STEMS}]{{2}}")


def is_fake_name(name: str) -> bool:
    """Whether the last word is one of the made-up surnames."""
    last = name.split()[-1].casefold() if name.split() else ""
    made_up = any(last.startswith(stem) and last[len(stem) :] in SUFFIXES for stem in STEMS)
    return made_up or _FAKE_HAN.fullmatch(name) is not None


def find_names(text: Text, model: str | None) -> None:
    """Take the names of people of a text, wherever they stand in it."""
    names = set(_header_names(text.whole))
    if model is not None:
        names |= {entity.text for entity in load(model)(text.whole).ents if entity.label_ in ("PERSON", "PER")}
    for name in sorted((name for name in names if not is_fake_name(name)), key=lambda name: (-len(name), name)):
        border = r"(?<!\w){}(?!\w)" if name.isascii() or not is_han(name) else "{}"
        for match in re.finditer(border.format(re.escape(name)), text.left):
            text.take(*match.span(), "name")


@lru_cache(2)
def load(model: str) -> Any:
    """The spaCy model with this name or path. Raises UserError that says what to install."""
    try:
        import spacy
    except ImportError as error:
        raise UserError(
            f"data.cleaning.pii.name_model: {model} needs spaCy: pip install spacy, and that model."
        ) from error
    try:
        return spacy.load(model, exclude=["lemmatizer", "tagger", "parser", "attribute_ruler"])
    except OSError as error:
        raise UserError(
            f"No spaCy model {model}: install it (python -m spacy download {model}), or name its folder."
        ) from error


def _header_names(text: str) -> list[str]:
    if not _MAIL_BEGINS.match(text):
        return []
    header = text.partition("\n\n")[0]
    names = (match[1].strip() for line in _HEADER.finditer(header) for match in _DISPLAY.finditer(line[1]))
    return [name for name in names if len(name) > 1 and not _NO_PERSON.search(name)]


def is_han(name: str) -> bool:
    """Whether it is written in Chinese characters."""
    return re.search(r"[\u3400-\u9fff]", name) is not None
