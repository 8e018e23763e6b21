"""What is found in a text, and the words around it that say what it is."""

import re
from dataclasses import dataclass

NEAR = 48
"""Characters before a number in which a word may say what it is."""
BLANK = "\x00"

# What a number is called by the words before it; "" are the names of what is no personal data.
_CALLED = {
    "phone": (
        r"\btel|phone|telefon|\bfon\b|mobil|handy|\bcell|\bcall|\bfax|\bruf|anruf|\brufen|whats ?app|\bsms\b"
        r"|\btext (?:me|us)|\bdial|hotline|\bring\b|\breach (?:me|us)|durchwahl|erreich|\bmob\b|\bph\b|\bdw\b"
        r"|\bsignal\b|zurückruf|voicemail|extension|电话|手机|致电|联系|传真|拨打|座机|热线|来电|微信"
    ),
    "card": r"card|visa|master|amex|american express|maestro|discover|diners|karte|kreditkart|kartennummer|卡",
    "ssn": r"\bssn\b|social security|\bitin\b",
    "tax": r"steuer|\bid-?nr|identifikationsnummer|\btin\b|tax",
    "document": (
        r"passport|reisepass|pass-?(?:nr|nummer)|personalausweis|ausweis-?(?:nr|nummer)|identity card|\bid card"
        r"|national id|\bid number|driver'?s? licen[cs]e|driving licen[cs]e|führerschein|护照|身份证|驾驶证|通行证"
    ),
    "ip": (
        r"\bip\b|address|\bhosts?\b|server|\bping|\bfrom\b|log(?:ged)? ?in|\bdns\b|gateway|router|blocked"
        r"|\bclient|\bnode\b|trace|connect|adresse|rechner|地址|服务器|主机|登录|来自"
    ),
    "": (
        r"order|\bqq\b|qq号|invoice|ticket|\bref\b|reference|tracking|parcel|shipment|\bcase\b|serial|\bsku\b"
        r"|isbn|issn|imei|\bean\b|\bgtin\b|part (?:no|number)|\bitem\b|batch|\bbuild\b|version|commit|\berror\b"
        r"|\bcode\b|\bpin\b|\bamount\b|\btotal\b|\bmodel\b|timestamp|epoch|transaction|booking|reservation"
        r"|meeting id|webinar id|conference id|\bdoi\b|\bpo\b|patent|customer (?:no|number)|bestell|rechnung"
        r"|kunden-?(?:nr|nummer)|artikel|sendung|auftrag|vorgang|seriennummer|buchung|aktenzeichen|\bblz\b"
        r"|betrag|gesamt|lieferschein|vertrag|charge|\blot\b|zählerstand|ticketnummer|fehler|订单|发票|单号|快递|编号|序列号"
        r"|运单|会员|版本|金额|合同|交易|流水|会议号|会议id"
    ),
}
_WORDS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _CALLED.items()}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of personal data in a text: characters `start` to `end`, and its kind."""

    start: int
    end: int
    kind: str


class Text:
    """A text of which parts are taken away as they are recognised, so that nothing is found twice."""

    def __init__(self, text: str) -> None:
        self.whole = text
        self.left = text
        self.spans: list[Span] = []

    def take(self, start: int, end: int, kind: str) -> None:
        """Remember a find; nothing else will be found there."""
        self.spans.append(Span(start, end, kind))
        self.blank(start, end)

    def blank(self, start: int, end: int) -> None:
        """Take a part away that is no personal data."""
        self.left = self.left[:start] + BLANK * (end - start) + self.left[end:]

    def blank_all(self, pattern: re.Pattern[str], start: int, end: int) -> None:
        """Take everything away that the pattern matches between two places."""
        blanked = pattern.sub(lambda match: BLANK * len(match[0]), self.left[start:end])
        self.left = self.left[:start] + blanked + self.left[end:]

    def is_called(self, start: int, name: str) -> bool | None:
        """Whether the words before `start` call what follows by this name ("phone", "card", …).

        None where they call it nothing, False where a later word calls it something else, such as an order number.
        """
        before = self.whole[max(0, start - NEAR) : start].rpartition("\n\n")[2]
        ends = {
            called: max((match.end() for match in words.finditer(before)), default=-1)
            for called, words in _WORDS.items()
        }
        own = ends.pop(name)
        others = max(ends.values())
        return None if own < 0 and others < 0 else own >= others
