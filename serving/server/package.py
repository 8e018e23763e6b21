"""What is served: a GGUF file, the recipe beside it, and the sha256 that its run recorded.

A model directory, as a run registers it and KServe mounts it, holds one GGUF file (at the top or in `model/`) and,
beside it or above, `recipe.yaml`, `lineage.json` and `evaluation.json`. A run folder is one, too.
"""

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stillroom.errors import UserError
from stillroom.export.gguf import gguf_sha256
from stillroom.files import read_json
from stillroom.recipe.load import load_recipe
from stillroom.recipe.model import Recipe
from stillroom.track.layout import FOLDERS
from stillroom.track.run import EVALUATION, LINEAGE, RECIPE, chosen_model

_FURTHER = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
PLACES = ("", "model", FOLDERS["export"])
"""Where GGUF files lie in a model directory: at its top, where the registry puts them, and where a run does."""


@dataclass(frozen=True)
class Package:
    """A model to be served.

    name: what clients call it. recipe: its task; None for a plain GGUF file. digests: the sha256 that its file may
    have; empty where nothing was recorded.
    """

    name: str
    gguf: Path
    recipe: Recipe | None
    digests: frozenset[str]

    def digest(self) -> str | None:
        """The sha256 that the file must have, None where nothing was recorded; the engine checks it.

        Raises UserError for a file that is not among several that were recorded.
        """
        if len(self.digests) < 2:
            return next(iter(self.digests), None)
        digest = gguf_sha256(self.gguf)
        if digest not in self.digests:
            raise UserError(
                f"{self.gguf} is none of the files that its lineage names: its sha256 is {digest}. It was changed or "
                "damaged on the way, or belongs to another run: copy it again."
            )
        return digest


def open_package(path: Path, name: str | None = None) -> Package:
    """Find what is to be served in a run folder, a model directory or a GGUF file.

    `name` is the recipe's by default, else the file's. Raises UserError that says what is missing.
    """
    if not path.exists():
        raise UserError(f"No such file or folder: {path}. Give a run folder, a model directory or a GGUF file.")
    gguf = path if path.is_file() else _in_folder(path)
    if path.is_file() and path.suffix != ".gguf":
        raise UserError(f"{path} is not a GGUF file: its name must end in .gguf.")
    # The weights are read without Python's lock, while Python reads the recipe.
    threading.Thread(target=_hash, args=(gguf,), daemon=True).start()
    recipe_file, lineage = _beside(gguf, RECIPE), _beside(gguf, LINEAGE)
    recipe = load_recipe(recipe_file, sources_must_exist=False) if recipe_file else None
    found = name or (recipe.name if recipe else gguf.stem)
    return Package(found, gguf, recipe, _digests(lineage, gguf.name) if lineage else frozenset())


def _hash(gguf: Path) -> None:
    with suppress(OSError):  # whoever asks for the digest is told
        gguf_sha256(gguf)


def _in_folder(folder: Path) -> Path:
    found = [file for place in PLACES for file in sorted((folder / place).glob("*.gguf"))]
    # The eyes of a model, which this server has no use for, and the further parts of one in several.
    files = [file for file in found if not file.name.startswith("mmproj") and not _FURTHER.search(file.name)]
    if len(files) == 1:
        return files[0]
    if (folder / EVALUATION).is_file() and (folder / FOLDERS["export"]).is_dir():
        return chosen_model(folder)
    if not files:
        raise UserError(f"There is no GGUF file in {folder}, neither at its top nor in {' or '.join(PLACES[1:])}/.")
    names = ", ".join(str(file.relative_to(folder)) for file in files)
    raise UserError(
        f"{folder} holds several GGUF files: {names}. Name the one to serve, as in {files[0]} (the predictor's "
        "--model_dir takes a file, too)."
    )


def _beside(gguf: Path, name: str) -> Path | None:
    """A file that belongs to the model: in its folder or, where that is one of a model directory's own, above it."""
    folders = [gguf.parent, *([gguf.parent.parent] if gguf.parent.name in PLACES else [])]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _digests(lineage: Path, file: str) -> frozenset[str]:
    """What the export recorded for this file; for one that was renamed since, any of its GGUF files."""
    try:
        outputs = [step["outputs"] for step in read_json(lineage)["steps"] if step["step"] == "export"]
        known = {name: digest for output in outputs for name, digest in output.items() if name.endswith(".gguf")}
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{lineage} is not the lineage of a run: {error!r}. Copy it from the run again.") from error
    return frozenset([known[file]] if file in known else known.values())
