"""Where the workers of one training keep their files: a folder, or a URI that pyarrow or fsspec knows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillroom.errors import UserError

PART_CHARACTERS = 16 * 2**20


@dataclass(frozen=True)
class Storage:
    """One training's own folder, `root`/`name`; it can be pickled, and every machine of a cluster reaches it.

    root: a local folder, or a URI such as s3://bucket/path.
    """

    root: str
    name: str

    def filesystem(self) -> tuple[Any, str]:
        """The pyarrow file system and the root's path in it. Raises UserError for a URI that nobody knows."""
        from pyarrow import fs, lib

        try:
            found: tuple[Any, str] = fs.FileSystem.from_uri(self.root)
            return found
        except (lib.ArrowInvalid, lib.ArrowNotImplementedError) as first:
            try:
                from fsspec.core import url_to_fs

                system, path = url_to_fs(self.root)
            except (ImportError, ValueError) as error:
                raise UserError(
                    f"train.storage: {self.root} is neither a folder nor a URI that pyarrow or fsspec knows ({first}; "
                    f"{error}). Write a folder that all machines share, or a URI such as s3://bucket/path."
                ) from error
            return fs.PyFileSystem(fs.FSSpecHandler(system)), path

    def store(self, local: Path, name: str) -> None:
        """Copy a local file or folder to `name`; raises UserError where the storage cannot be written."""
        from pyarrow import fs

        (system, _), target = self.filesystem(), self.path(name)
        try:
            system.create_dir(target if local.is_dir() else target.rpartition("/")[0], recursive=True)
            fs.copy_files(str(local), target, fs.LocalFileSystem(), system)
        except OSError as error:
            raise UserError(
                f"train.storage: {self.root} cannot be written ({error}). Check the address, the credentials and the "
                "room that is left."
            ) from error

    def store_lines(self, local: Path, name: str) -> None:
        """Copy the lines of a text file to the folder `name`, as Parquet files with the columns `place` and `text`.

        They are in parts that several readers can take. (Ray's reader of text takes a whole file into memory, and cuts
        lines at characters that JSON leaves inside its strings.)
        """
        import pyarrow as pa
        from pyarrow import parquet

        self.remove(name)
        system, _ = self.filesystem()
        system.create_dir(self.path(name), recursive=True)
        place = 0
        with local.open(encoding="utf-8", newline="\n") as lines:
            for part, block in enumerate(iter(lambda: lines.readlines(PART_CHARACTERS), [])):
                file = f"{self.path(name)}/{part:06}.parquet"
                table = pa.table({"place": range(place, place + len(block)), "text": block})
                parquet.write_table(table, file, filesystem=system)
                place += len(block)

    def path(self, name: str) -> str:
        """Where `name` lies in the file system."""
        return f"{self.filesystem()[1]}/{self.name}/{name}"

    def fetch(self, name: str, local: Path) -> None:
        """Copy the folder `name` to a local one."""
        from pyarrow import fs

        local.mkdir(parents=True, exist_ok=True)
        fs.copy_files(self.path(name), str(local), self.filesystem()[0], fs.LocalFileSystem())

    def remove(self, name: str = "") -> None:
        """Remove the folder `name`, or the training's own with all that is in it, if there is one."""
        from pyarrow import fs

        (system, _), folder = self.filesystem(), self.path(name).rstrip("/")
        if system.get_file_info(folder).type == fs.FileType.Directory:
            system.delete_dir(folder)
