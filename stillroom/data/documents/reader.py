"""The source `documents`: the files of a folder, in chunks."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from stillroom.data.documents import ocr
from stillroom.data.documents.chunks import Chunk, chunks
from stillroom.data.documents.document import UnreadableDocumentError
from stillroom.data.documents.read import READERS, read_document
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row
from stillroom.data.sampling import draw_rows, earlier_ids, faults_of
from stillroom.recipe.model import DocumentsSource


class DocumentsReader:
    """Reads the documents of one DocumentsSource; a row is a chunk, and a file without text is rejected whole."""

    def __init__(self, source: DocumentsSource, base: Path, name: str, seed: int) -> None:
        self.source, self.base, self.name, self.seed = source, base, name, seed
        self.path = base / source.path
        self.notes: list[str] = []

    def faults(self) -> list[str]:
        """A path that is missing, or a folder without any file of a kind that can be read."""
        return [*self._path_faults(), *faults_of(self.base, self.source.skip_ids_in)]

    def size(self) -> int:
        """The number of files: how many chunks they make is known only when they are read."""
        return min(len(self.files), self.source.sample or len(self.files))

    def rows(self) -> Iterator[Row | Rejected]:
        """The chunks of the sample as rows."""
        skip = earlier_ids(self.base, self.source.skip_ids_in)
        rows = (
            item.as_row(self.name, self.source.label) if isinstance(item, Chunk) else item for item in self.chunks()
        )
        yield from draw_rows(rows, self.source.sample, self.seed, skip)
        if self._other:
            kinds = ", ".join(f"{count} × {kind}" for kind, count in self._other.most_common(5))
            files = (
                "1 file of another kind was"
                if self._other.total() == 1
                else f"{self._other.total()} files of other kinds were"
            )
            self.notes.append(f"{self.name}: {files} passed over: {kinds}.")

    def chunks(self) -> Iterator[Chunk | Rejected]:
        """Every chunk of every file, in the order of the files' names."""
        reader = ocr.Ocr() if self.source.ocr and ocr.available() else None
        for file, path in self.files.items():
            try:
                document = read_document(path, file, reader)
            except UnreadableDocumentError as error:
                yield Rejected(Row(f"{self.name}/{file}", "", None, self.name), error.reason, f"{file}: {error.detail}")
                continue
            self.notes += document.notes
            yield from chunks(document, self.source.chunk_characters, self.source.chunk_overlap, f"{self.name}/")

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files that can be read, by their path below the folder; hidden ones and Office's lock files are not."""
        return {name: path for name, path in self._found.items() if path.suffix.lower() in READERS}

    @cached_property
    def _found(self) -> dict[str, Path]:
        """Every file that is not hidden, in the order of their names. Links to folders are not followed: they may lead
        in a circle. What is no file (a pipe, a socket, a link to nowhere) is left."""
        if self.path.is_file():
            return {self.path.name: self.path}
        found = {}
        for folder, folders, names in os.walk(self.path, onerror=self._closed):
            folders[:] = [name for name in folders if not name.startswith((".", "~$"))]
            for path in (Path(folder, name) for name in names if not name.startswith((".", "~$"))):
                if os.path.isfile(path):  # Path.is_file raises where the folder may be listed but not entered
                    found[_shown(path.relative_to(self.path))] = path
        return dict(sorted(found.items()))

    def _closed(self, error: OSError) -> None:
        said = error.strerror or type(error).__name__
        self.notes.append(f"{self.name}: the folder {error.filename} cannot be opened ({said}); it was passed over.")

    @cached_property
    def _other(self) -> Counter[str]:
        suffixes = (path.suffix.lower() for path in self._found.values())
        return Counter(suffix or "without an ending" for suffix in suffixes if suffix not in READERS)

    def _path_faults(self) -> list[str]:
        known = ", ".join(READERS)
        if not self.path.exists():
            return [f"No such file or folder: {self.path}"]
        if self.path.is_file() and self.path.suffix.lower() not in READERS:
            return [f"{self.path} is of no kind that can be read: {known}."]
        if not self.files:
            return [f"{self.path} holds no document: no file in it ends in {known}."]
        return []


def _shown(path: Path) -> str:
    """A path as text; what is not UTF-8 in it is written as Python shows bytes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
