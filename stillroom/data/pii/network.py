"""IP addresses, told from version numbers and clock times."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from stillroom.data.pii.span import Text

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"  # not \d: digits of other scripts are in no address
_V4 = re.compile(rf"(?<![A-Za-z0-9_.-])(?<!\d,)(?<![A-Za-z]/){_OCTET}(?:\.{_OCTET}){{3}}(?![A-Za-z0-9_-]|\.\d)")
_V6 = re.compile(r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}(?![A-Za-z0-9_:])")
# What either must hold, quicker to look for: it begins with a sign that few texts have.
_MAY_BE_V4 = re.compile(r"\.\d{1,3}\.\d")
_MAY_BE_V6 = re.compile(r"::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:")
_VERSION = re.compile(
    r"(?:\b(?:versions?|ver|v|release|rel|build|firmware|update|upgrade|patch|section|sec|chapter|kapitel|abschnitt|ziffer|punkt"
    r"|clause|absatz|abs|art(?:icle|ikel)?|para(?:graph)?|norm|din|iso|table|tabelle|fig(?:ure)?|abb|kernel|oid|windows|python|java|openssl|chrome|firefox|driver|treiber)|§|版本|固件|章|节|第)[\s.:#=(-]*(?:no\.?\s*|nr\.?\s*|to\s|auf\s)?$",
    re.IGNORECASE,
)
# What is raised, or lowered, to a number gets a version: "the router to 7.1.2.10".
_RAISED = re.compile(
    r"(?:upgrad|updat|downgrad|roll(?:ed)? back|aktualisier|installier|install|升级|更新)"
    r"[^\n]{0,60}?(?:\b(?:to|auf)|到|至)\s*$",
    re.IGNORECASE,
)
_RESOLVERS = {"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9"}
_NOBODYS = {"127.0.0.1", "0.0.0.0", "255.255.255.255"}


def find_ip_addresses(text: Text) -> None:
    """Take the IP addresses of a text; loopback and reserved ones are nobody's."""
    for match in _V4.finditer(text.left) if _MAY_BE_V4.search(text.left) else ():
        start, end = match.span()
        said = _VERSION.search(text.whole[max(0, start - 24) : start])
        said = said or _RAISED.search(text.whole[max(0, start - 72) : start])
        mask = match[0].startswith("255.255.")
        # Most versions begin with a small number, and few addresses do.
        doubtful = match[0][1] == "." and match[0] not in _RESOLVERS and text.is_called(start, "ip") is not True
        if not said and not mask and not doubtful and match[0] not in _NOBODYS and not is_fake_v4(match[0]):
            text.take(start, end, "ip")
        else:
            text.blank(start, end)
    if not _MAY_BE_V6.search(text.left):
        return
    for match in _V6.finditer(text.left):
        groups = [group for group in match[0].split(":") if group]
        # Three groups and one of letters or four digits: `ab::cd` is a name in C++, 10::30 no address at all.
        if len(groups) < 3 and not match[0].lower().startswith(("fe80::", "2001:", "fd", "2a")):
            continue
        try:
            address = IPv6Address(match[0])
        except AddressValueError:
            continue
        if not address.is_loopback and not is_fake_v6(address):
            text.take(*match.span(), "ip")


def is_fake_v4(value: str) -> bool:
    """Whether it lies in 240.0.0.0/4, which is reserved and never routed."""
    return int(IPv4Address(value)) >> 28 == 15


def is_fake_v6(value: IPv6Address) -> bool:
    """Whether it lies in 100::/64, where packets are discarded (RFC 6666)."""
    return int(value) >> 64 == 0x100 << 48
