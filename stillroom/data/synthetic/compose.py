"""Composing a mail about events: its writing style, sentences, order, greeting, signature, quotes and noise."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import Any

from stillroom.data.synthetic.dates import draw_dates, write_date
from stillroom.data.synthetic.model import DateText, Language, Occasion, Party, TimeText
from stillroom.data.synthetic.occasions import draw_occasions, plain_styles
from stillroom.data.synthetic.template import capital, fill, pick

# How often each writing style occurs, and the number of events it tells of.
_STYLES = (
    ("formal", 0.2),
    ("casual", 0.18),
    ("terse", 0.12),
    ("announcement", 0.1),
    ("passed_on", 0.06),
    ("bulletin", 0.12),
    ("notification", 0.1),
    ("fields", 0.12),
)
_COUNTS = {
    "bulletin": ((2, 0.6), (3, 0.27), (4, 0.13)),
    "fields": ((1, 0.85), (2, 0.15)),
    "formal": ((1, 0.9), (2, 0.1)),
    "casual": ((1, 0.9), (2, 0.1)),
}
# Who is the organiser: the sender, somebody named, nobody.
_CALLERS = {
    "announcement": (("named", 0.65), ("none", 0.35)),
    "passed_on": (("named", 0.5), ("none", 0.5)),
    "notification": (("named", 0.35), ("none", 0.65)),
    "bulletin": (("sender", 0.35), ("named", 0.25), ("none", 0.4)),
}
_ANY_CALLER = (("sender", 0.5), ("named", 0.25), ("none", 0.25))
_QUOTE = 0.11  # of the mails that a person writes: 8 % of all event mails
_ZONES = tuple(timezone(timedelta(hours=hours)) for hours in (0, 0, 1, 2, 8, -5))
_FIRST_DAY = date(2019, 1, 1)
_DAYS = 3652


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail before it is laid out, with its answer and what is known of it."""

    sender: str
    sent: datetime
    subject: str
    body: str
    answer: dict[str, Any]
    meta: dict[str, str]


def draw_day(random: Random) -> date:
    """The day of a Date header."""
    return _FIRST_DAY + timedelta(random.randrange(_DAYS))


def at_some_hour(random: Random, day: date, before: int = 21) -> datetime:
    """A header's date and time, before the given hour."""
    hour = random.randint(5, max(5, before - 1))
    return datetime(
        day.year, day.month, day.day, hour, random.randrange(60), random.randrange(60), tzinfo=random.choice(_ZONES)
    )


def compose_event_mail(random: Random, language: Language) -> Draft:
    """Compose a mail that announces, moves or cancels one to four events."""
    style = pick(random, _STYLES)
    caller = pick(random, _CALLERS.get(style, _ANY_CALLER))
    count = pick(random, _COUNTS.get(style, ((1, 1.0),)))
    sender = _draw_sender(random, language, style, caller)
    day = draw_day(random)
    hosts: dict[str, Party | str | None] = {"sender": sender, "named": "named", "none": None}
    host = hosts[caller]
    if count > 1 and style in ("formal", "casual") and caller == "named":
        host = None  # who hosts which would be hard to tell in running text
    occasions = draw_occasions(random, language, day, count, host, called=caller == "sender")
    kind = occasions[0].status if count == 1 else "several"
    body = _Body(random, language, day, sender, style, caller == "sender", occasions).write()
    subjects = language.wording.subjects[kind]
    if kind == "planned" and caller == "sender":  # an invitation makes the sender the caller, so others send none
        subjects += language.wording.subjects["invitation"]
    slots = language.grammar(occasions[0].title) | {"title": occasions[0].title.text, "town": language.town(random)}
    subject = fill(
        random, random.choice(subjects), slots | {"on": occasions[0].date.on, "date": occasions[0].date.text}
    )
    if "\n> " in body:
        subject = f"Re: {subject}"
    hours = [one.time.clock.hour if one.time else 12 for one in occasions if one.date.day == day]
    answer = {"category": "event", "events": [occasion.answer() for occasion in occasions]}
    clock = occasions[0].time
    meta = {
        "language": language.code,
        "style": style,
        "date_style": occasions[0].date.style,
        "time_style": clock.style if clock else "none",
        "kind": kind,
    }
    return Draft(sender.header, at_some_hour(random, day, min(hours, default=21)), subject, body, answer, meta)


def _draw_sender(random: Random, language: Language, style: str, caller: str) -> Party:
    """Where the sender is not the caller it is a person or a machine, never a body that might hold the event."""
    names = {
        "notification": language.wording.systems,
        "bulletin": language.wording.relays,
        "announcement": language.wording.relays,
    }
    if caller == "sender":
        return language.body(random) if style == "bulletin" or random.random() < 0.4 else language.person(random)
    if style not in names or (style == "announcement" and random.random() < 0.3):
        return language.person(random)
    name = fill(random, random.choice(names[style]), {"town": language.town(random)})
    return Party(
        name, f"{random.choice(('no-reply', 'news', 'notices'))}@mail{random.randint(1, 99)}.example", name, name, True
    )


class _Body:
    """Writes the body of one mail; holds what all of its parts need."""

    def __init__(
        self,
        random: Random,
        language: Language,
        sent: date,
        sender: Party,
        style: str,
        called: bool,
        occasions: list[Occasion],
    ) -> None:
        self.random, self.language, self.words = random, language, language.wording
        self.sent, self.sender, self.style, self.called, self.occasions = sent, sender, style, called, occasions
        self.used: set[str] = set()  # templates: two events are not told in the same words
        self.register = {"casual": "casual", "terse": "terse"}.get(style, "formal")
        self.slots = {
            "other": language.first_name(language.person(random).text),
            "other_full": language.person(random).text,
            "reader": language.first_name(language.person(random).text),
            "number": str(random.randint(3, 90)),
            "ticket": str(random.randint(10000, 99999)),
        }

    def write(self) -> str:
        lay_out = {"bulletin": self.bulletin, "notification": self.notification, "fields": self.fields}.get(
            self.style, self.prose
        )
        text = "\n\n".join(part for part in lay_out() if part)
        return text.replace("..", ".") if self.language.code != "zh" else text

    def fill(self, template: str, **slots: str) -> str:
        return fill(self.random, template, self.slots | slots, plural=self.sender.is_body)

    def choose(self, templates: tuple[str, ...], **slots: str) -> str:
        return self.fill(self.random.choice(templates), **slots)

    # Layouts: each gives the paragraphs of the body.

    def prose(self) -> list[str]:
        greeting = self.greeting()
        lead = self.choose(self.words.passed_on) if self.style == "passed_on" else ""
        sentences = [self.event_sentences(occasion) for occasion in self.occasions]
        first = greeting if not lead else ""
        text = self.language.joiner.join(
            self.opened(sentence, first if index == 0 else "") for index, sentence in enumerate(sentences)
        )
        noise = self.noise()
        if (
            noise and self.language.code != "de" and self.random.random() < 0.2
        ):  # German case depends on what comes first
            text, noise = f"{noise}{self.language.joiner}{text}", ""
        text = self.language.joiner.join(part for part in (text, noise) if part)
        return [greeting, self.opened(lead, greeting), text, *self.ending()]

    def fields(self) -> list[str]:
        greeting = self.greeting() if self.random.random() < 0.5 else ""
        changed = any(occasion.status != "planned" for occasion in self.occasions)
        key = "neutral" if not self.called else "sender_changed" if changed else "sender"
        labels = self.random.choice(self.words.labels)
        blocks = []
        for occasion in self.occasions:
            lines = [(labels.what, occasion.title.text)]
            if occasion.time and self.random.random() < 0.6:
                lines += [(labels.date, occasion.date.text), (labels.time, occasion.time.text)]
            else:
                lines.append((labels.date, self.date_and_time(occasion.date, occasion.time)))
            if occasion.place:
                lines.append((labels.where, occasion.place.text))
            if occasion.host and not self.called:
                lines.append((labels.host, occasion.host.text))
            if occasion.status != "planned" or self.random.random() < 0.3:
                lines.append(
                    (labels.status, self.choose(self.words.statuses[occasion.status], moved=self.moved(occasion)))
                )
            if occasion.before:
                lines.append((labels.before, self.date_and_time(*occasion.before)))
            blocks.append("\n".join(f"{label}{self.colon}{value}" for label, value in lines))
        return [
            greeting,
            self.opened(self.choose(self.words.fields_intro[key]), greeting),
            *blocks,
            self.noise(0.25),
            *self.ending(),
        ]

    def bulletin(self) -> list[str]:
        mark = self.random.choice(("- ", "* ", "• ", ""))
        items, item_host = [], self.random.choice(self.words.item_hosts)
        templates = {status: self.random.choice(choices) for status, choices in self.words.bulletin_items.items()}
        for occasion in self.occasions:
            slots = self.event_slots(occasion, apart=False)
            named = occasion.host is not None and not self.called
            slots["c_host"] = self.fill(item_host, **slots) if named else ""
            items.append(mark + self.raised(self.fill(templates[occasion.status], **slots)))
        intro = self.choose(self.words.bulletin_intro["sender" if self.called else "neutral"])
        return [intro, "\n".join(items), self.choose(self.words.bulletin_end)]

    def notification(self) -> list[str]:
        (occasion,) = self.occasions
        slots = self.event_slots(occasion, apart=False)
        text = self.choose(self.words.notifications[occasion.status], **slots)
        host = self.choose(self.words.terse_hosts, **slots) if occasion.host else ""
        return [f"{text}\n{host.rstrip('.。')}".strip(), self.choose(self.words.notification_end)]

    # Parts.

    @property
    def colon(self) -> str:
        return "：" if self.language.code == "zh" else ": "

    def greeting(self) -> str:
        if self.style in ("terse", "announcement"):
            return ""
        return self.choose(
            self.words.greetings["formal" if self.register == "formal" and self.style != "passed_on" else "casual"]
        )

    def opened(self, text: str, greeting: str) -> str:
        """German goes on in lower case after the comma of a greeting."""
        return text if greeting.endswith(",") and self.language.code == "de" else self.raised(text)

    def raised(self, text: str) -> str:
        """The text with a capital letter, unless it opens with a title, which stays as it is."""
        return text if any(text.startswith(occasion.title.text) for occasion in self.occasions) else capital(text)

    def moved(self, occasion: Occasion) -> str:
        """`moved`, or also `postponed` where the new time is the later one."""
        if occasion.before is None:
            return ""
        old, old_time = occasion.before
        later = occasion.date.day > old.day
        if occasion.date.day == old.day and occasion.time and old_time:
            later = occasion.time.clock > old_time.clock
        return self.random.choice(self.words.moved + (self.words.postponed if later else ()))

    def event_sentences(self, occasion: Occasion) -> str:
        alone = len(self.occasions) == 1 and occasion.status != "cancelled"
        time_apart = (
            alone
            and occasion.time is not None
            and occasion.time.style != "range"
            and not (occasion.before and occasion.before[1])
            and self.random.random() < 0.15
        )
        templates = self.words.sentences[occasion.status, "sender" if self.called else "neutral", self.register]
        template = self.random.choice([template for template in templates if template not in self.used] or templates)
        self.used.add(template)
        holds_place = any(slot in template for slot in ("{where}", "{c_place}", "{where_first}"))
        place_apart = occasion.place is not None and (not holds_place or (alone and self.random.random() < 0.25))
        slots = self.event_slots(occasion, apart=time_apart, place_apart=place_apart)
        parts = []
        if time_apart:
            parts.append(self.choose(self.words.starts, **slots))
        if place_apart:
            parts.append(
                self.choose(self.words.where[:1] if occasion.status == "cancelled" else self.words.where, **slots)
            )
        self.random.shuffle(parts)
        if occasion.host and not self.called:
            speaks = not occasion.host.is_body and self.random.random() < 0.4 and alone
            hosts = self.words.speakers if speaks else self.words.hosts
            parts.append(self.choose(hosts if alone and self.style != "terse" else self.words.terse_hosts, **slots))
        return self.language.joiner.join([self.fill(template, **slots), *parts])

    def event_slots(self, occasion: Occasion, apart: bool, place_apart: bool = False) -> dict[str, str]:
        """All slots for one event; `apart` and `place_apart` leave time and place to sentences of their own."""
        clock = None if apart else occasion.time
        when = self.when(occasion.date, clock)
        place = None if place_apart else occasion.place
        slots = {
            "title": occasion.title.text,
            "date": occasion.date.text,
            "on": occasion.date.on,
            "when": when,
            "When": capital(when),
            "to_when": f"{occasion.date.to}{self.tail(clock)}",
            "c_time": self.comma_time(clock),
            "where": f"{self.language.joiner}{place.at}" if place else "",
            "where_first": f"{place.at}{self.language.joiner}" if place else "",
            "c_place": f"{self.language.comma}{place.text}" if place else "",
            "moved": self.moved(occasion),
        }
        slots |= self.language.grammar(occasion.title)
        if occasion.time:
            slots |= {"time": occasion.time.text, "at": occasion.time.at}
        if occasion.place:
            slots |= {"place": occasion.place.text, "at_place": occasion.place.at}
        if occasion.host:
            slots |= {"host": occasion.host.text, "Host": capital(occasion.host.subject), "by": occasion.host.by}
        if occasion.before:
            old, old_time = occasion.before
            same_day = old.day == occasion.date.day  # then the old hour is the only difference
            old_date = self.date_and_time(old, old_time) if same_day else old.text
            slots |= {
                "old_date": old_date,
                "Old_date": capital(old_date),
                "old_when": self.when(old, old_time),
                "Old_when": capital(self.when(old, old_time)),
                "old_c_time": "" if same_day else self.comma_time(old_time),
            }
        return slots

    def when(self, day: DateText, clock: TimeText | None) -> str:
        if self.language.code == "en" and clock and day.on.startswith("on ") and self.random.random() < 0.15:
            return f"{clock.at} {day.on}"
        return f"{day.on}{self.tail(clock, day)}"

    def tail(self, clock: TimeText | None, day: DateText | None = None) -> str:
        if clock is None:
            return ""
        spaced = self.language.code != "zh" or (day is not None and day.text[-1].isdigit())
        return f" {clock.at}" if spaced else clock.at

    def comma_time(self, clock: TimeText | None) -> str:
        if clock is None:
            return ""
        return f"{self.language.comma}{clock.text}" if self.random.random() < 0.7 else self.tail(clock)

    def date_and_time(self, day: DateText, clock: TimeText | None) -> str:
        return self.when(day, clock) if self.language.code == "zh" else f"{day.text}{self.comma_time(clock)}"

    def noise(self, chance: float = 0.65) -> str:
        """Sentences that say nothing of the event, or a last day to reply, which is no event."""
        first = min(occasion.date.day for occasion in self.occasions)
        standing = any(occasion.status != "cancelled" for occasion in self.occasions)
        parts = []
        if standing:
            extras = self.random.sample(self.words.extras[self.register], 2)
            parts += [
                self.fill(extra)
                for extra, share in zip(extras, (chance, chance / 2), strict=True)
                if self.random.random() < share
            ]
        if standing and (first - self.sent).days >= 4 and self.random.random() < 0.13:
            style = self.random.choice(plain_styles(self.language))
            deadline = self.sent + timedelta(self.random.randrange(1, (first - self.sent).days))
            if style.fits(deadline, self.sent):
                parts.append(self.choose(self.words.reply_by, deadline=write_date(style, deadline, self.sent).text))
        return self.language.joiner.join(parts)

    def ending(self) -> list[str]:
        """Closing, signature, footer, and rarely an older mail below whose date does not count."""
        parts = []
        if self.style != "announcement":
            name = (
                self.sender.text
                if self.sender.is_body or self.random.random() < 0.4
                else self.language.first_name(self.sender.text)
            )
            lines = [self.choose(self.words.closings[self.register]), name if self.random.random() < 0.9 else ""]
            if not self.sender.is_body and self.random.random() < 0.2:
                lines.append(self.random.choice(self.words.roles))
            parts.append("\n".join(line for line in lines if line))
        if self.random.random() < 0.12:
            parts.append(self.choose(self.words.footers))
        if self.style != "announcement" and self.random.random() < _QUOTE:
            parts.append(self.quote())
        return parts

    def quote(self) -> str:
        styles = plain_styles(self.language)
        mentioned = {occasion.date.day for occasion in self.occasions}
        while True:
            days = draw_dates(self.random, self.random.choice(styles), self.sent, 1, earliest=1)
            if days and days[0].day not in mentioned:
                break
        quoted = write_date(self.random.choice(styles), self.sent - timedelta(self.random.randint(1, 6)), self.sent)
        return self.choose(self.words.quotes, old_date=days[0].text, quoted_date=quoted.text)
