"""Mails with personal data whose truth is known, generated and written by hand, and how much of it is found."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stillroom.data.pii.detect import KINDS, find
from stillroom.data.synthetic import generate

HARD = Path(__file__).with_name("pii_hard.txt")
_MARK = re.compile(r"\[\[(\w+):(.*?)\]\]", re.DOTALL)
Truth = set[tuple[int, int, str]]


@dataclass(frozen=True)
class Found:
    """What was found of what stands there."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        """Share of the finds that are right, to the character."""
        return self.right / self.found

    @property
    def recall(self) -> float:
        """Share of the personal data that was found, to the character."""
        return self.right / self.wanted


def measure(cases: Iterable[tuple[str, Truth]]) -> tuple[Found, dict[str, Found]]:
    """Over all cases, and by kind."""
    counts = {kind: [0, 0, 0] for kind in KINDS if kind != "name"}
    for text, truth in cases:
        spans = {(span.start, span.end, span.kind) for span in find(text, tuple(counts))}
        for place, part in enumerate((spans & truth, spans, truth)):
            for _, _, kind in part:
                counts[kind][place] += 1
    by_kind = {kind: Found(*count) for kind, count in counts.items()}
    return Found(*(sum(count[place] for count in counts.values()) for place in range(3))), by_kind


def hard_cases() -> Iterator[tuple[str, Truth]]:
    """The cases of pii_hard.txt."""
    for line in HARD.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield unmarked(line.replace("\\n", "\n"))


def generated_cases(count: int, seed: int = 0) -> Iterator[tuple[str, Truth]]:
    """Generated mails without their header (its addresses are made up), signed with personal data and with traps."""
    draw = random.Random(seed)
    for row in generate(count, seed, {"en": 0.5, "de": 0.3, "zh": 0.2}):
        body = row.text.partition("\n\n")[2]
        if any(find(body)):  # a telephone number that the generator itself wrote: its truth is not known here
            continue
        _, marked = signature(draw)
        yield unmarked(f"{body}\n\n{marked}")


def signature(draw: random.Random) -> tuple[str, str]:
    """Two to four lines with personal data and numbers that are none: as they stand, and with [[kind:value]] marks."""
    lines = draw.sample(_LINES, draw.randint(2, 4))
    marked = "\n".join(line(draw) for line in lines)
    return _MARK.sub(lambda match: match[2], marked), marked


def unmarked(marked: str) -> tuple[str, Truth]:
    """A marked text without its marks, and where what they mark stands."""
    text, end = "", 0
    truth: Truth = set()
    for match in _MARK.finditer(marked):
        text += marked[end : match.start()]
        truth.add((len(text), len(text) + len(match[2]), match[1]))
        text, end = text + match[2], match.end()
    return text + marked[end:], truth


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def _email(draw: random.Random) -> str:
    name = draw.choice(("anna", "j.doe", "k_schmidt", "wang.wei", "o'neil", "lena+news", "MAX"))
    host = draw.choice(("gmx.de", "mail.co.uk", "163.com", "uni-koeln.de", "acme-tools.com", "nordlicht.org"))
    return f"{draw.choice(('E-mail: ', '邮箱：', 'Mail ', 'Write to '))}[[email:{name}{draw.randint(1, 99)}@{host}]]"


def _phone(draw: random.Random) -> str:
    number = draw.choice(
        (
            lambda: f"+49 30 {draw.randint(200, 899)} {_digits(draw, 4)}",
            lambda: f"+1 ({draw.choice(('415', '212', '650', '303'))}) {draw.randint(222, 899)}-{_digits(draw, 4)}",
            lambda: f"1{draw.choice(('38', '39', '86', '50'))}{_digits(draw, 8)}",
            lambda: f"0{draw.choice(('171', '160', '151'))} {draw.randint(2, 9)}{_digits(draw, 6)}",
            lambda: f"+44 20 7{_digits(draw, 3)} {_digits(draw, 4)}",
        )
    )()
    return f"{draw.choice(('Tel. ', 'Phone: ', '电话：', 'Mobil ', 'Call '))}[[phone:{number}]]"


def _iban(draw: random.Random) -> str:
    country, length = draw.choice((("DE", 18), ("AT", 16), ("CH", 17)))
    bban = _digits(draw, length)
    check = 98 - int(bban + "".join(str(ord(letter) - 55) for letter in country) + "00") % 97
    whole = f"{country}{check:02d}{bban}"
    spaced = " ".join(whole[start : start + 4] for start in range(0, len(whole), 4))
    return f"IBAN [[iban:{draw.choice((whole, spaced))}]]"


def _card(draw: random.Random) -> str:
    digits = draw.choice(("4", "51", "55", "6011")).ljust(15, "x").replace("x", "{}").format(*_digits(draw, 15))
    whole = digits + str(-_luhn(digits + "0") % 10)
    spaced = " ".join(whole[start : start + 4] for start in range(0, 16, 4))
    called = draw.choice(("Visa card ", "Kreditkarte: ", "信用卡 ", "Paid with "))
    return f"{called}[[card:{draw.choice((whole, spaced))}]]"


def _id_number(draw: random.Random) -> str:
    place, day = draw.choice(("110105", "440305", "330106")), f"19{draw.randint(50, 99)}{draw.randint(1, 12):02d}15"
    digits = place + day + _digits(draw, 3)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    chinese = digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11]
    american = f"{draw.randint(101, 665)}-{draw.randint(10, 99)}-{draw.randint(1000, 9999)}"
    return draw.choice((f"身份证 [[id_number:{chinese}]]", f"SSN [[id_number:{american}]]"))


def _ip(draw: random.Random) -> str:
    address = f"{draw.randint(11, 223)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}"
    return f"{draw.choice(('Server ', 'from ', '服务器 ', 'Host: '))}[[ip:{address}]]"


def _trap(draw: random.Random) -> str:
    return draw.choice(
        (
            lambda: f"Order {_digits(draw, 4)} {_digits(draw, 4)} {_digits(draw, 4)} {_digits(draw, 4)}",
            lambda: f"Bestellnummer {_digits(draw, 10)}",
            lambda: f"订单号1{draw.choice('3578')}{_digits(draw, 9)}",
            lambda: f"Version {draw.randint(1, 20)}.{draw.randint(0, 9)}.{draw.randint(0, 9)}.{draw.randint(0, 99)}",
            lambda: f"{draw.randint(10, 28)}.0{draw.randint(1, 9)}.20{draw.randint(10, 29)}, 10:{draw.randint(10, 59)}",
            lambda: f"Total ${draw.randint(1, 999)},{_digits(draw, 3)}.{_digits(draw, 2)}",
            lambda: f"Invoice INV-20{draw.randint(10, 29)}-{_digits(draw, 6)}",
        )
    )()


def _luhn(digits: str) -> int:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(product // 10 + product % 10 for product in doubled)


_LINES = (_email, _phone, _iban, _card, _id_number, _ip, _trap, _trap)
