"""What the sender of a mail wrote anew: without the mails it answers and without its signature.

The library mail-parser-reply knows how mailers in many languages begin a quoted mail and a signature. Four things are
done around it. Lines quoted with ">" go first, because it leaves them in. The footers of mailing lists go too, because
it loses sight of their rule. Long lines and rules are hidden from it: its patterns take quadratic time on the ones and
end a newsletter at the others. And what it calls a signature is believed only when it is short: it takes everything
after a line that begins with "Thanks,".
"""

import re
from typing import Any

LONGEST_LINE = 250
"""Characters; no attribution line or signature mark is longer."""
SIGNATURE_LINES = 12
SIGNATURE_CHARACTERS = 700
LANGUAGES = ["en", "de", "zh"]

QUOTED = re.compile(r"^\s*(&?>|\|\s|[A-Z]{1,3}>|[A-Z][a-z]{1,15}>)")
ATTRIBUTION = re.compile(
    r"(wrote|writes|said|says|schrieb|schreibt|geschrieben|wrotes?|写道|寫道|posted|quoting|quoth|zitat)\b.{0,80}$"
    r"|(写道|寫道)|^(On|Am|In|At|Quoting|Zitat)\b.*:$",
    re.IGNORECASE,
)
ATTRIBUTION_START = re.compile(r"^\W*(On|Am|In|At|From|Von|在|\d{4}年)\b", re.IGNORECASE)
LIST_FOOTER = re.compile(r"^_{30,}\n((?:.*\n){0,6}.*)\Z", re.MULTILINE)
ADDRESS = re.compile(r"@|https?:|www\.|mailing list|unsubscribe", re.IGNORECASE)
PGP = re.compile(
    r"^-----BEGIN PGP SIGNED MESSAGE-----\n(Hash: .*\n)?"
    r"|^-----BEGIN PGP SIGNATURE-----$[\s\S]*?(^-----END PGP SIGNATURE-----$|\Z)",
    re.MULTILINE,
)
FORWARDED = re.compile(
    r"^[-_ >]*(begin forwarded|forwarded|start of forwarded|weitergeleitete|anfang der weitergeleiteten"
    r"|转发的?邮件|轉寄)\b",
    re.IGNORECASE | re.MULTILINE,
)
HIDDEN = "\ue000{}\ue001"
HIDING = {0xE000: None, 0xE001: None}


def own_words(body: str, forwarded: bool = False) -> str:
    """Drop quoted mails and the signature, strip each line and squeeze empty ones.

    When nothing would be left (a mail that is one quotation), first the signature and then the quotation is kept.
    A mail that passes another one on, by its subject (`forwarded`) or by a mark in the body, is kept whole: what it
    passes on is what it says.
    """
    body = _tidy(PGP.sub("", _tidy(body)))
    if forwarded or FORWARDED.search(body):
        return body
    unquoted = _without_quoted_lines(body)
    for candidate in (_without_replies(_without_list_footers(unquoted)), unquoted, body):
        if re.search(r"\w", candidate):
            return _tidy(candidate)
    return body


def _tidy(text: str) -> str:
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_quoted_lines(text: str) -> str:
    kept: list[str] = []
    for line in text.split("\n"):
        if not QUOTED.match(line):
            kept.append(line)
        elif not kept or kept[-1] != "":
            _drop_attribution(kept)
            kept.append("")
        elif len(kept) > 1:
            # Most mailers leave an empty line between "… wrote:" and the first quoted line.
            kept.pop()
            _drop_attribution(kept)
            kept.append("")
    return "\n".join(kept)


def _drop_attribution(lines: list[str]) -> None:
    """Drop "On …, … wrote:" from the end; mailers break it over up to three lines."""
    if not lines or not ATTRIBUTION.search(lines[-1]):
        return
    for count in (1, 2, 3):
        if len(lines) >= count and ATTRIBUTION_START.match(lines[-count]):
            del lines[-count:]
            return
    lines.pop()


def _without_list_footers(text: str) -> str:
    """Drop what list servers put below a rule of underscores; there may be several below each other."""
    while (footer := LIST_FOOTER.search(text)) and ADDRESS.search(footer[1]):
        text = text[: footer.start()].rstrip()
    return text


def _without_replies(text: str) -> str:
    hidden: list[str] = []

    def hide(match: re.Match[str]) -> str:
        hidden.append(match.group())
        return HIDDEN.format(len(hidden) - 1)

    shown = re.sub(rf"^(?:.{{{LONGEST_LINE},}}|[-_]{{30,}})$", hide, text.translate(HIDING), flags=re.MULTILINE)
    for reply in _parse(shown):
        content = reply.content.replace(reply.headers or "", "", 1).strip()
        signature = reply.signatures
        if signature and content.endswith(signature) and _is_short(signature):
            content = content[: -len(signature)].strip()
        if content:
            return re.sub("\ue000(\\d+)\ue001", lambda match: hidden[int(match[1])], content)
    return text


def _parse(text: str) -> list[Any]:
    from mailparser_reply import EmailMessage

    # By default it takes the first hyphen of a list, an agenda say, for the beginning of a signature.
    return list(EmailMessage(text=text, languages=[*LANGUAGES], keep_hyphen_lists=True).read().replies)


def _is_short(signature: str) -> bool:
    lines = [line for line in signature.splitlines() if line.strip()]
    return len(lines) <= SIGNATURE_LINES and len(signature) <= SIGNATURE_CHARACTERS
