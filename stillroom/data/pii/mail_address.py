"""E-mail addresses, also those written for people: name (at) host (dot) org."""

import re

from stillroom.data.pii.span import Text

FAKE_ZONE = ".example"
"""Nobody can register a name in this zone (RFC 2606), so an address in it is a fake already."""
# Latin, Greek and Cyrillic letters: Chinese parts no words, and what stands before an address would become part of it.
_L = "A-Za-z\u00c0-\u052f"
_PLAIN = re.compile(
    rf"(?<![{_L}\d_.+%/:=-])(?:mailto:)?([{_L}\d](?:[{_L}\d_.+%'-]*[{_L}\d_+-])?[@＠](?:[{_L}\d](?:[{_L}\d_-]*[{_L}\d])?[.．])+"
    rf"(?:[{_L}]{{2,24}}|xn--\w+))(?![{_L}\d_@-]|:[\w/~])"
)
_AT = (
    r"(?:\s?[\[({<]\s?(?:at|ät|@|klammeraffe)\s?[\])}>]\s?|\s(?-i:AT|ät)\s"
    r"|\s(?=at\s\S+\s(?:dot|punkt)\s)at\s|[ ]?@[ ]?)"
)
_DOT = r"(?:\s?[\[({<]\s?(?:dot|punkt|\.)\s?[\])}>]\s?|\s(?:dot|punkt)\s|\.)"
_WRITTEN = re.compile(
    rf"(?<![{_L}\d_.+@-])[a-z0-9][\w+-]*(?:{_DOT}[\w+-]+){{0,3}}{_AT}[a-z0-9][\w-]*(?:{_DOT}[\w-]+){{0,3}}?{_DOT}"
    r"(?:com|org|net|edu|gov|info|io|eu|de|at|ch|uk|us|cn|fr|it|nl|es|pl|se|biz|me|dev)(?![A-Za-z0-9_@-])",
    re.IGNORECASE,
)
MIDDLE = re.compile(_AT.replace(r"[ ]?@[ ]?", r"[ ]?[@＠][ ]?"), re.IGNORECASE)
"""What stands between the name and the host."""
DOT = re.compile(_DOT, re.IGNORECASE)
"""What stands between the parts of either."""
# An address in these places is an identifier of a message, or a password in a URL.
_NOT_A_PERSON = re.compile(
    r"(?:(?:message-id|in-reply-to|references|content-id)\s*:[^\n]*<|\bcid:|://[^\s/]*:)$", re.IGNORECASE
)


def find_addresses(text: Text) -> None:
    """Take the e-mail addresses of a text."""
    if "@" in text.left or "＠" in text.left:
        for match in _PLAIN.finditer(text.left):
            start, end = match.span(1)
            if _NOT_A_PERSON.search(text.whole[max(0, start - 200) : start]):
                text.blank(start, end)
            elif not match[1].casefold().endswith(FAKE_ZONE):
                text.take(start, end, "email")
            else:
                text.blank(start, end)
    lowered = text.left.casefold()
    if "at" in lowered or "ät" in lowered or "@" in lowered or "klammeraffe" in lowered:
        for match in _WRITTEN.finditer(text.left):
            if re.search(r"(?i)[\[({<]|\s(?:at|ät)\s|\s@|@\s", match[0]):
                text.take(*match.span(), "email")
