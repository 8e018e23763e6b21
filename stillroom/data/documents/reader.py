"""The source `documents`: the files of a folder, in chunks."""

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
            self.notes.append(f"{self.name}: {self._other.total()} files of other kinds were passed over: {kinds}.")

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
        if self.path.is_file():
            return {self.path.name: self.path}
        found = {}
        for path in sorted(self.path.rglob("*")):
            relative = path.relative_to(self.path)
            hidden = any(part.startswith((".", "~$")) for part in relative.parts)
            if not hidden and path.is_file() and path.suffix.lower() in READERS:
                found[relative.as_posix()] = path
        return found

    @cached_property
    def _other(self) -> Counter[str]:
        if self.path.is_file():
            return Counter()
        files = (path for path in self.path.rglob("*") if path.is_file() and path.suffix.lower() not in READERS)
        return Counter(
            path.suffix.lower() or "without an ending" for path in files if not path.name.startswith((".", "~$"))
        )

    def _path_faults(self) -> list[str]:
        known = ", ".join(READERS)
        if not self.path.exists():
            return [f"No such file or folder: {self.path}"]
        if self.path.is_file() and self.path.suffix.lower() not in READERS:
            return [f"{self.path} is of no kind that can be read: {known}."]
        if not self.files:
            return [f"{self.path} holds no document: no file in it ends in {known}."]
        return []
