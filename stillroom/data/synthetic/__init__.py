"""A seeded generator of event e-mails whose truth is known by construction.

Mails are composed of parts (`docs/event-mail.md` says what and how often); nothing is a fixed text.
"""

from collections.abc import Iterator, Mapping
from random import Random

from stillroom.data.mail_text import format_mail
from stillroom.data.rows import Row
from stillroom.data.synthetic.chinese import CHINESE
from stillroom.data.synthetic.compose import compose_event_mail
from stillroom.data.synthetic.english import ENGLISH
from stillroom.data.synthetic.german import GERMAN
from stillroom.data.synthetic.model import Language
from stillroom.data.synthetic.nonevents import compose_other, compose_spam
from stillroom.data.synthetic.template import pick
from stillroom.errors import UserError

__all__ = ["generate"]

_LANGUAGES = {"en": ENGLISH, "de": GERMAN, "zh": CHINESE}
_COMPOSERS = ((compose_event_mail, 0.72), (compose_other, 0.18), (compose_spam, 0.1))


def generate(count: int, seed: int, languages: Mapping[str, float]) -> Iterator[Row]:
    """Yield `count` mails with their answers. `languages` gives each of en, de and zh that is wanted its weight.

    Row n depends on the seed, n and the languages alone, so a longer run begins with the rows of a shorter one.
    """
    unknown = sorted(set(languages) - set(_LANGUAGES))
    if unknown or not languages:
        raise UserError(f"The mail generator writes en, de and zh, not {', '.join(unknown) or 'nothing'}.")
    shares = [(language, languages[code]) for code, language in _LANGUAGES.items() if code in languages]
    return (_row(number, seed, shares) for number in range(count))


def _row(number: int, seed: int, shares: list[tuple[Language, float]]) -> Row:
    random = Random(f"{seed}/{number}")  # a string is hashed by sha512: the same on every machine
    language = pick(random, shares)
    draft = pick(random, _COMPOSERS)(random, language)
    text = format_mail(draft.sender, draft.sent, draft.subject, draft.body)
    return Row(f"generated-{seed}-{number}", text, draft.answer, "generated", dict(draft.meta))
