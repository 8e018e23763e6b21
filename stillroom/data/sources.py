"""From the sources of a recipe to readers, each with a name of its own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stillroom.data.chat import ChatReader
from stillroom.data.clean.language import KNOWN
from stillroom.data.documents.reader import DocumentsReader
from stillroom.data.huggingface import HuggingFaceReader
from stillroom.data.mailbox_sources import MailReader
from stillroom.data.reading import Reader, Rejected
from stillroom.data.rows import Row
from stillroom.data.spam_assassin import NAME as SPAM_ASSASSIN
from stillroom.data.spam_assassin import SpamAssassinReader
from stillroom.data.sql import SqlReader
from stillroom.data.tabular import TabularReader
from stillroom.data.web.reader import WebReader
from stillroom.data.web.reader import name_of as web_name
from stillroom.errors import UserError
from stillroom.recipe.model import (
    ChatSource,
    DocumentsSource,
    EventMailSource,
    HuggingFaceSource,
    MailSource,
    Recipe,
    Source,
    SpamAssassinSource,
    SqlSource,
    TabularSource,
    WebSource,
)
from stillroom.recipe.teacher import DistilledSource

REMOTE = ("huggingface", "sql", "web")
"""Kinds of sources that may lie beyond a network."""


class EventMailReader:
    """Gives `sample` generated mails; the data seed makes them."""

    def __init__(self, source: EventMailSource, base: Path, name: str, seed: int) -> None:
        self.source, self.name, self.seed = source, name, seed
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """Never any: it reads nothing."""
        return []

    def size(self) -> int:
        """The number of mails."""
        return self.source.sample

    def rows(self) -> Iterator[Row | Rejected]:
        """The mails and their answers."""
        from stillroom.data.synthetic import generate  # Its tables of words are large.

        yield from generate(
            self.source.sample, self.seed, {str(code): weight for code, weight in self.source.languages.items()}
        )


def open_sources(sources: Sequence[Source], base: Path, seed: int, recipe: Recipe | None = None) -> list[Reader]:
    """One reader a source, in the recipe's order. Relative paths are resolved against `base`.

    `recipe` is needed by sources whose rows depend on the task and its teacher.
    """
    named = zip(sources, source_names(sources), strict=True)
    return [_reader(source, base, name, seed, recipe) for source, name in named]


def source_names(sources: Sequence[Source]) -> list[str]:
    """What the reports and the rows call each source; of two with one name the second ends in #2."""
    taken: Counter[str] = Counter()
    names = []
    for source in sources:
        name = _name(source)
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
    return names


def refuse_unknown_names(recipe: Recipe) -> None:
    """Raise UserError with every name in data.mixing and sft.curriculum that no source of the recipe has, and every
    language of data.cleaning that cannot be told from others: of that one, all rows would be dropped."""
    names = source_names(recipe.data.sources)
    stages = recipe.sft.curriculum if isinstance(recipe.sft.curriculum, list) else []
    given = {"data.mixing": list(recipe.data.mixing), "sft.curriculum": [name for stage in stages for name in stage]}
    faults = [
        f"{key} names {', '.join(unknown)}, and no source is called so. The sources: {', '.join(names)}."
        for key, wanted in given.items()
        if (unknown := [name for name in dict.fromkeys(wanted) if name not in names])
    ]
    if unknown := [code for code in dict.fromkeys(recipe.data.cleaning.languages or ()) if code not in KNOWN]:
        faults.append(
            f"data.cleaning.languages names {', '.join(unknown)}, which cannot be told from others. "
            f"Write some of: {', '.join(KNOWN)}."
        )
    if faults:
        raise UserError("\n".join(faults))


def refuse_local_faults(recipe: Recipe, base: Path) -> None:
    """Raise UserError with every fault of the sources that can be looked at quickly: those that need no network."""
    refuse_unknown_names(recipe)
    local = [source for source in recipe.data.sources if source.kind not in REMOTE]
    refuse_faults(open_sources(local, base, recipe.data.seed, recipe))


def refuse_faults(readers: Iterable[Reader]) -> None:
    """Raise UserError with every fault of the sources at once, each said once."""
    faults = dict.fromkeys(fault for reader in readers for fault in reader.faults())
    if faults:
        raise UserError("\n".join(faults))


def _name(source: Source) -> str:
    """What reports call the source and ids begin with: its kind and the last part of its path."""
    if isinstance(source, EventMailSource):
        return "generated"
    if isinstance(source, SpamAssassinSource):
        return SPAM_ASSASSIN
    if isinstance(source, WebSource):
        return web_name(source)
    if isinstance(source, SqlSource):
        return f"sql:{source.url_env}"
    last = source.path.rstrip("/").rsplit("/", 1)[-1]
    return f"{source.kind}:{last}"


def _reader(source: Source, base: Path, name: str, seed: int, recipe: Recipe | None) -> Reader:
    match source:
        case TabularSource():
            return TabularReader(source, base, name, seed)
        case MailSource():
            return MailReader(source, base, name, seed)
        case DocumentsSource():
            return DocumentsReader(source, base, name, seed)
        case WebSource():
            return WebReader(source, base, name, seed)
        case ChatSource():
            return ChatReader(source, base, name, seed)
        case SqlSource():
            return SqlReader(source, base, name, seed)
        case DistilledSource():
            from stillroom.teacher.source import DistilledReader  # It reads documents by the readers above.

            if recipe is None:
                raise ValueError("a distilled source needs the recipe that names its teacher")
            return DistilledReader(source, base, name, recipe)
        case HuggingFaceSource():
            return HuggingFaceReader(source, base, name, seed)
        case SpamAssassinSource():
            return SpamAssassinReader(source, base, name, seed)
        case EventMailSource():
            return EventMailReader(source, base, name, seed)
