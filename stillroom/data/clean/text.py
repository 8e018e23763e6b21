"""What the steps of cleaning mean by a word."""

import re
import unicodedata
from functools import lru_cache

_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@lru_cache(512)  # the steps ask for the words of one text one after the other, a chunk at a time
def words_of(text: str) -> tuple[str, ...]:
    """The same as `split_words`, remembered for a while."""
    return tuple(split_words(text))


def split_words(text: str) -> list[str]:
    """The words of a text, without case; every Chinese, Japanese or Korean character is one."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORDS.findall(text.casefold())
