"""E-mail addresses, also those written for people: name (at) host (dot) org."""

import re

from stillroom.data.pii.span import Text

FAKE_ZONE = ".example"
"""Nobody can register a name in this zone (RFC 2606), so an address in it is a fake already."""
# Latin, Greek and Cyrillic letters: Chinese parts no words, and what stands before an address would become part of it.
_L = "A-Za-z\u00c0-\u052f"
_PLAIN = re.compile(
    rf"(?<![{_L}\d_.+%/-])([{_L}\d](?:[{_L}\d_.+%'-]*[{_L}\d_+-])?(?:[@＠]|%40)(?:[{_L}\d](?:[{_L}\d_-]*[{_L}\d])?[.．])+"
    rf"(?:[{_L}]{{2,24}}|xn--\w+))(?![{_L}\d_@-]|:[\w/~])"
)
_AT = (
    r"(?:\s?[\[({<]\s?(?:at|ät|@|klammeraffe)\s?[\])}>]\s?|\s(?-i:AT|ät)\s"
    r"|\s(?=at\s\S+\s(?:dot|punkt)\s)at\s|[ ]?@[ ]?)"
)
_DOT = r"(?:\s?[\[({<]\s?(?:dot|punkt|\.)\s?[\])}>]\s?|\s(?:dot|punkt)\s|\.)"
_WRITTEN = re.compile(
    rf"(?<![{_L}\d_.+@-])[a-z0-9][\w+-]*(?:{_DOT}[\w+-]+){{0,3}}{_AT}[a-z0-9][\w-]*(?:{_DOT}[\w-]+){{0,3}}?{_DOT}"
    r"(?:com|org|net|edu|gov|info|biz|dev|app|cloud|online|tech|io|co|me|eu|de|at|ch|li|uk|ie|us|ca|mx|br|au|nz|za|cn|hk"
    r"|jp|kr|sg|in|fr|be|nl|lu|it|es|pt|pl|cz|sk|hu|ro|gr|tr|ru|ua|dk|se|no|fi)(?![A-Za-z0-9_@-])",
    re.IGNORECASE,
)
# What a written one must hold, quicker to look for.
_MAY_BE_WRITTEN = re.compile(
    r"[\[({<\s@](?:(?<=[\[({<])\s?(?:at|ät|@|klammeraffe)\s?[\])}>]|(?<=\s)(?-i:AT|ät)\s"
    r"|(?<=\s)at\s\S+\s(?:dot|punkt)\s|(?<=@)[ ]?\w)",
    re.IGNORECASE,
)
# What that must hold in turn, where it holds no sign and neither "AT" nor "ät": "at" in brackets, or a named dot.
_MAY_BE_BRACKETED = re.compile(r"[\[({<]\s?(?:at|ät|klammeraffe)", re.IGNORECASE)
_MAY_BE_NAMED_DOT = re.compile(r"[dDpP](?:(?<=[dD])(?i:ot)|(?<=[pP])(?i:unkt))\s")
MIDDLE = re.compile(_AT.replace(r"[ ]?@[ ]?", r"[ ]?[@＠][ ]?|%40"), re.IGNORECASE)
"""What stands between the name and the host."""
DOT = re.compile(_DOT, re.IGNORECASE)
"""What stands between the parts of either."""
_SIGN, _SPACE = re.compile("[@＠%](?:(?<!%)|40)"), re.compile("[ \\n]")
_SERVICES = {"git", "svn", "hg", "root", "www"}
"""Accounts of programs, as in ssh git@host."""
# An address in these places is an identifier of a message, or a password in a URL.
_NOT_A_PERSON = re.compile(
    r"(?:(?:message-id|in-reply-to|references|content-id)\s*:[^\n]*<|\bcid:|://[^\s/]*:)$", re.IGNORECASE
)


def find_addresses(text: Text) -> None:
    """Take the e-mail addresses of a text."""
    sign = _SIGN.search(text.left)
    while sign:
        # An address has no space in it: only what stands around its sign is looked at.
        begin = max(text.left.rfind(" ", 0, sign.start()), text.left.rfind("\n", 0, sign.start())) + 1
        space = _SPACE.search(text.left, sign.end())
        stop = space.start() if space else len(text.left)
        for match in _PLAIN.finditer(text.left, begin, stop):
            start, end = match.span(1)
            service = match[1].partition("@")[0] in _SERVICES
            fake = match[1].casefold().endswith(FAKE_ZONE)
            line = text.whole[text.whole.rfind("\n", 0, start) + 1 : start]
            if fake or service or (line[-1:] in ("<", ":") and _NOT_A_PERSON.search(line[-200:])):
                text.blank(start, end)
            else:
                text.take(start, end, "email")
        sign = _SIGN.search(text.left, stop)
    left = text.left
    may_be = (
        "@" in left or "AT" in left or "ät" in left or _MAY_BE_BRACKETED.search(left) or _MAY_BE_NAMED_DOT.search(left)
    )
    if may_be and _MAY_BE_WRITTEN.search(left):
        for match in _WRITTEN.finditer(text.left):
            if re.search(r"(?i)[\[({<]|\s(?:at|ät)\s|\s@|@\s", match[0]):
                text.take(*match.span(), "email")
