"""Composing mails without events: everyday mail, mail whose dates announce nothing, and junk."""

from datetime import date, timedelta
from random import Random

from stillroom.data.synthetic.compose import Draft, at_some_hour, draw_day
from stillroom.data.synthetic.dates import write_date
from stillroom.data.synthetic.model import DateText, Language, Party
from stillroom.data.synthetic.occasions import plain_styles
from stillroom.data.synthetic.template import capital, fill

_FROM_A_COMPANY = ("newsletter", "receipt", "invoice", "shipping")
# Besides the plain styles, these may follow `by` and `bis` and are common there.
_DUE_STYLES = ("weekday", "tomorrow", "next_weekday", "this_weekday")


def compose_other(random: Random, language: Language) -> Draft:
    """Compose a mail of the category `other`."""
    return _compose(random, language, "other")


def compose_spam(random: Random, language: Language) -> Draft:
    """Compose a mail of the category `spam`."""
    return _compose(random, language, "spam")


def _compose(random: Random, language: Language, category: str) -> Draft:
    kinds = language.spam if category == "spam" else language.others
    kind = random.choice(sorted(kinds))
    subjects, bodies = kinds[kind]
    words, person, other, reader = (
        language.vocabulary,
        language.person(random),
        language.person(random),
        language.person(random),
    )
    day = draw_day(random)
    past, due = _past(random, language, day), _due(random, language, day)
    company, hobby = random.choice(words["company"]), random.choice(words["hobby"])
    sender = person
    if category == "spam":
        sender = _stranger(random, random.choice(words["spammer"]))
    elif kind in _FROM_A_COMPANY:
        sender = _stranger(random, company)
    cents = "," if language.code == "de" else "."
    slots = {
        "reader": language.first_name(reader.text),
        "name": person.text,
        "first": language.first_name(person.text),
        "last": person.text.split()[-1],
        "name2": other.text,
        "first2": language.first_name(other.text),
        "First2": language.first_name(other.text),
        "company": company,
        "town": language.town(random),
        "hobby": hobby,
        "Hobby": capital(hobby),
        "thing": random.choice(words["thing"]),
        "prize": random.choice(words["prize"]),
        "pill": random.choice(words["pill"]),
        "luxury": random.choice(words["luxury"]),
        "ticket": str(random.randint(10000, 999999)),
        "number": str(random.randint(11, 97)),
        "digit": str(random.randint(2, 9)),
        "link": f"http://{random.choice(('win', 'click', 'best', 'go', 'deal'))}{random.randint(10, 999)}.example",
        "amount": str(random.randint(50, 900))
        if category == "spam"
        else f"{random.randint(4, 400)}{cents}{random.randint(0, 99):02}",
        "past": past.text,
        "on_past": past.on,
        "due": due.text,
        "on_due": due.on,
    }
    body = fill(random, random.choice(bodies), slots)
    body = body.replace("..", ".") if language.code != "zh" else body
    meta = {"language": language.code, "style": "none", "date_style": "none", "time_style": "none", "kind": kind}
    if category == "spam":
        meta["kind"] = "spam"
    return Draft(
        sender.header,
        at_some_hour(random, day),
        fill(random, random.choice(subjects), slots),
        body,
        {"category": category, "events": []},
        meta,
    )


def _stranger(random: Random, name: str) -> Party:
    return Party(
        name, f"{random.choice(('info', 'service', 'mail'))}@mail{random.randint(1, 999)}.example", name, name, True
    )


def _past(random: Random, language: Language, sent: date) -> DateText:
    return write_date(random.choice(plain_styles(language)), sent - timedelta(random.randint(1, 40)), sent)


def _due(random: Random, language: Language, sent: date) -> DateText:
    styles = plain_styles(language) + [style for style in language.date_styles if style.name in _DUE_STYLES]
    while True:
        style, day = random.choice(styles), sent + timedelta(random.randint(1, 30))
        if style.fits(day, sent):
            return write_date(style, day, sent)
