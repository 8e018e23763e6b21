"""What the steps of cleaning mean by a word."""

import re
import unicodedata

_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def split_words(text: str) -> list[str]:
    """The words of a text, without case; every Chinese, Japanese or Korean character is one."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORDS.findall(text.casefold())
