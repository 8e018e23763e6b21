"""The source `distilled`: documents in, and the teacher's questions and answers out as rows of the recipe's task."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stillroom.data.documents.chunks import Chunk, chunk_of
from stillroom.data.documents.reader import DocumentsReader
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.recipe.model import DocumentsSource, Recipe
from stillroom.recipe.teacher import DistilledSource
from stillroom.recipe.teacher_checks import FACTS
from stillroom.teacher.client import Client
from stillroom.teacher.distil import Distilled, distil, notes
from stillroom.teacher.session import open_teacher, probe_teacher

TASK = "distil"
NOT_SAID = "The text does not say."
"""The answer of a free-text task to a question whose answer is not in the text."""


class DistilledReader:
    """Reads one DistilledSource: its documents, and what the teacher makes of them."""

    def __init__(self, source: DistilledSource, base: Path, name: str, recipe: Recipe) -> None:
        self.source, self.name, self._recipe = source, name, recipe
        documents = DocumentsSource(
            kind="documents",
            path=source.path,
            chunk_characters=source.chunk_characters,
            chunk_overlap=source.chunk_overlap,
            ocr=source.ocr,
            sample=source.sample,
            skip_ids_in=source.skip_ids_in,
        )
        self._documents = DocumentsReader(documents, base, name, recipe.data.seed)
        self.notes: list[str] = []
        self.report: dict[str, Any] = {}
        """How the teacher did and what it cost, once `rows` was read."""

    def faults(self) -> list[str]:
        """What is wrong with the documents and with the teacher."""
        return [*self._documents.faults(), *probe_teacher(self._recipe)]

    def size(self) -> int:
        """The number of questions that will be asked for, and of documents that cannot be read."""
        chunks, unreadable = self._read
        return len(chunks) * len(self.source.questions) * self.source.per_kind + len(unreadable)

    def rows(self) -> Iterator[Row | Rejected]:
        """The pairs, and what was left out. Raises UserError where the teacher stopped; what it answered is kept."""
        with open_teacher(self._recipe, TASK) as client:
            found = self.distil(client)
            self.notes.append(f"{self.name}: the teacher's answers took {client.ledger.note()}.")
            self.report = {"file": self.name, **found.report, "cost": client.ledger.table()}
        if found.stopped is not None:
            raise found.stopped
        yield from found.rows
        yield from found.rejected

    def distil(self, client: Client) -> Distilled:
        """Everything that came of the documents, with labels that are answers of the recipe's task."""
        chunks, unreadable = self._read
        found = distil(client, self.source, chunks, self.name)
        found.rows = [replace(row, label=_answer(row, self._recipe.output_schema)) for row in found.rows]
        found.rejected = [*unreadable, *found.rejected]
        self.notes += [*self._documents.notes, *(f"{self.name}: {line}" for line in notes(found.report))]
        return found

    @cached_property
    def _read(self) -> tuple[list[Chunk], list[Rejected]]:
        chunks, unreadable = [], []
        for item in self._documents.rows():
            if isinstance(item, Rejected):
                unreadable.append(item)
            elif (chunk := chunk_of(item)) is not None:
                chunks.append(chunk)
        return chunks, unreadable


def _answer(row: Row, schema: dict[str, Any] | None) -> Any:
    """The pair as an answer of the task: the text itself, or those of its facts that the schema names."""
    if schema is None:
        return row.label["answer"] or NOT_SAID
    facts = {**row.meta, **row.label}
    return {name: facts[name] for name in schema["properties"] if name in FACTS}
