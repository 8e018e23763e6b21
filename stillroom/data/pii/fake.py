"""Fakes for personal data: drawn with a key, the same for the same value, and nobody's.

A fake keeps the shape of what it stands for (signs, lengths, country codes), and fails the very check by which the
original was found: an IBAN with a wrong checksum, a telephone number that no plan has room for, an address in a zone
that nobody can register. So it can be nobody's, and a masked text has nothing left to mask.
"""

import hashlib
import hmac
import re
from string import ascii_lowercase, ascii_uppercase, digits

from stillroom.data.pii.detect import find
from stillroom.data.pii.made_up import FIRST_NAMES, HAN_STEMS, HAN_SURNAMES, STEMS, SUFFIXES
from stillroom.data.pii.mail_address import DOT, FAKE_ZONE, MIDDLE
from stillroom.data.pii.names import is_han
from stillroom.data.pii.national import checks_of, passes
from stillroom.data.pii.phone import canonical, international

_CALLS = {
    "phone": ("Tel: ",),
    "iban": ("",),
    "card": ("card ", "Tel: "),
    "id_number": ("", "passport ", "SSN ", "tax IdNr ", "Tel: "),
}
"""Words before a fake, under none of which it may be found. Other kinds are made of what is never found."""
_DRAWS = 50
_CROWDED = 4
"""Attempts after which the fakes of one length may be used up, and the next ones are longer: telephone numbers of six
digits have a thousand fakes, and so have surnames."""
_SAME_END = 5
"""Digits at the end of a fake telephone number that do not depend on how the number is written."""
_HOSTS = ("post", "mail", "web", "office", "home", "letter", "studio", "works")


def normal(kind: str, value: str) -> str:
    """What two ways of writing one value share."""
    match kind:
        case "phone":
            return canonical(value)
        case "email":
            return DOT.sub(".", MIDDLE.sub("@", value.casefold()))
        case "name":
            return " ".join(value.split())
        case _:
            return re.sub(r"[\s\u00a0./-]", "", value).upper() if kind != "ip" else value.casefold()


def fake(kind: str, value: str, key: bytes, attempt: int = 0) -> str:
    """The fake for a value; every attempt gives another one, and there is no end of them."""
    checks = checks_of(value) if kind == "id_number" else ""
    named = f"{kind}\n{normal(kind, value)}"
    for number in range(attempt * _DRAWS, (attempt + 1) * _DRAWS):
        end = _Draw(key, f"{named}\nend {attempt}")
        made = _MAKE[kind](value, _Draw(key, f"{named}\n{number}"), end)
        made += "".join(end.of(_signs(kind, made)) for _ in range(2 * (attempt // _CROWDED)))
        if passes(made, checks):
            continue
        # An empty line parts them: no word says anything about a number beyond one.
        if kind not in _CALLS or not find("\n\n".join(call + made for call in _CALLS[kind])):
            break
    return made  # after so many draws any is as good


class _Draw:
    """Random choices that depend on a key and a name alone."""

    def __init__(self, key: bytes, name: str) -> None:
        # 64 bytes: more choices than any value has characters worth telling apart.
        self._left = int.from_bytes(hmac.digest(key, name.encode("utf-8", "surrogatepass"), hashlib.sha512), "big")

    def of(self, choices: str | tuple[str, ...]) -> str:
        self._left, place = divmod(self._left, len(choices))
        return choices[place]

    def below(self, limit: int) -> int:
        self._left, number = divmod(self._left, limit)
        return number


def _signs(kind: str, made: str) -> str | tuple[str, ...]:
    """What a fake is made longer with; addresses and hosts are more than anybody has values."""
    if kind in ("email", "ip"):
        return ("",)
    if kind != "name":
        return digits
    return HAN_STEMS if is_han(made) else ascii_uppercase if made.isupper() else ascii_lowercase


def _email(value: str, draw: _Draw, _: _Draw) -> str:
    names = (draw.of(FIRST_NAMES), draw.of(STEMS) + draw.of(SUFFIXES))
    suffix = "".join(draw.of(digits + "abcdefghjkmnpqrstvwxyz") for _ in range(4))
    if value != value.lower() and value != value.upper():
        names = (names[0].title(), names[1].title())
    middle = MIDDLE.search(value)
    made = f"{names[0]}.{names[1]}.{suffix}{middle[0] if middle else '@'}{draw.of(_HOSTS)}{FAKE_ZONE}"
    return made.upper() if value == value.upper() else made


def _phone(value: str, draw: _Draw, end: _Draw) -> str:
    """However a number is written, the ends of its fakes are alike."""
    total = len(re.findall(r"\d", value))
    plain = value.replace("＋", "+")
    kept = 0
    if plain.lstrip("(").startswith("+") or plain.startswith("00"):
        country, _ = international(plain)
        kept = len(country) + (2 if plain.startswith("00") else 0) if country else 0
    # No country code and no area code begins with zeros; two zeros alone would begin a number of another country.
    zeros = "00" if kept else "000"
    left = max(0, total - kept - len(zeros))
    ending = "".join(end.of(digits) for _ in range(min(_SAME_END, left)))
    drawn = "".join(draw.of(digits) for _ in range(left - len(ending))) + ending
    return _filled(value, re.sub(r"\D", "", value)[:kept] + zeros + drawn)


def _shaped(value: str, draw: _Draw) -> str:
    """Digits for digits, letters for letters."""
    return "".join(_like(letter, draw) for letter in value)


def _iban(value: str, draw: _Draw, _: _Draw) -> str:
    return value[:2] + _shaped(value[2:], draw)


def _card(value: str, draw: _Draw, _: _Draw) -> str:
    return draw.of("3456") + _shaped(value[1:], draw)


def _id_number(value: str, draw: _Draw, _: _Draw) -> str:
    """The same digits and letters, however they are grouped: a label may write without signs what the text groups."""
    bare = re.sub(r"[\W_]", "", value).upper()
    if re.fullmatch(r"\d{17}X", bare):
        made = "000" + "".join(draw.of(digits) for _ in bare[3:])  # the X of a Chinese number is a digit too
    elif bare.isdigit() and len(bare) > 8:  # in groups it could pass for a telephone number
        made = "000" + _shaped(bare[3:], draw)
    else:  # no document and no British number begins with zeros
        made = "00" + _shaped(bare[2:], draw)
    laid = _filled(value, made)
    return "".join(letter.lower() if old.islower() else letter for letter, old in zip(laid, value, strict=True))


def _ip(value: str, draw: _Draw, _: _Draw) -> str:
    if ":" in value:
        return "100::" + ":".join(f"{draw.below(0xFFFF) + 1:x}" for _ in range(4))
    return ".".join(str(part) for part in (240 + draw.below(15), *(draw.below(256) for _ in range(3))))


def _name(value: str, draw: _Draw, _: _Draw) -> str:
    if is_han(value):
        return draw.of(HAN_SURNAMES) + draw.of(HAN_STEMS) + draw.of(HAN_STEMS)
    surname = (draw.of(STEMS) + draw.of(SUFFIXES)).title()
    made = f"{draw.of(FIRST_NAMES).title()} {surname}" if len(value.split()) > 1 else surname
    return made.upper() if value == value.upper() else made


def _like(letter: str, draw: _Draw) -> str:
    if letter.isdigit():
        return draw.of(digits)
    if letter.isascii() and letter.isalpha():
        return draw.of(ascii_uppercase if letter.isupper() else ascii_lowercase)
    return letter


def _filled(shape: str, drawn: str) -> str:
    """The shape with what was drawn in place of its digits and letters."""
    left = iter(drawn)
    return "".join(next(left) if letter.isalnum() else letter for letter in shape)


_MAKE = {
    "email": _email,
    "phone": _phone,
    "iban": _iban,
    "card": _card,
    "id_number": _id_number,
    "ip": _ip,
    "name": _name,
}
