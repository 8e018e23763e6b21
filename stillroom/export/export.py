"""From a trained adapter to the GGUF files of a recipe."""

import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from stillroom.data.rows import Row
from stillroom.errors import UserError
from stillroom.export.converter import VERSION
from stillroom.export.gguf import UnquantisedFormat, check_gguf, convert, read_metadata
from stillroom.export.imatrix import Importance, importance
from stillroom.export.merge import LARGEST_F16, merge_adapter
from stillroom.export.quantize import quantize
from stillroom.export.verify import NEAR_TIE, verify
from stillroom.files import sha256, write_json
from stillroom.models.cache import cache_folder, whole_path
from stillroom.progress import Progress
from stillroom.recipe.model import GgufFormat, Recipe

Render = Callable[[Row], tuple[str, str]]

# Rows whose token ids are compared, and how many of their prompts both models answer.
VERIFY_ROWS, VERIFY_PROMPTS = 64, 4

# Formats whose rounding weighs columns; llama.cpp ignores the importance matrix for the others.
WEIGHTED: frozenset[GgufFormat] = frozenset({"Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q4_1", "IQ4_NL"})


def export(
    recipe: Recipe, base: Path, adapter: Path | None, rows: list[Row], render: Render, out: Path
) -> dict[str, Any]:
    """Merge the adapter, write a verified 16-bit GGUF file and every format of the recipe, and `export.json`.

    `rows` are training rows; those with a label give the importance matrix and the texts of the comparison.
    `render` makes (prompt, completion) of a row. Returns what export.json holds: {"formats": [{"format", "file",
    "bytes", "sha256", "imatrix"}], "quantization_aware", "verify", "imatrix", "seconds"}. The format that training went
    through is rounded as it was there, without importance matrix. Raises UserError where the result is not the trained
    model.
    """
    pairs = [render(row) for row in rows if row.label is not None]
    if not pairs:
        raise UserError("The export needs labelled training rows: it compares and measures the model on them.")
    out.mkdir(parents=True, exist_ok=True)
    merged, aware = out / "merged", recipe.train.quantization_aware
    seconds: dict[str, float] = {}
    with _removed_after(merged):
        with _timed(seconds, "merge"):
            largest = merge_adapter(base, adapter, merged)
        formats = _with_16_bit(recipe.export.formats, largest)
        progress = Progress("Export", len(formats) + 3)
        progress.advance(note="merged")
        reference: GgufFormat = "F16" if "F16" in formats else "BF16"
        source = out / f"{recipe.name}-{reference}.gguf"
        with _timed(seconds, reference):
            convert(merged, source, _unquantised(reference), recipe.name)
        progress.advance(note=reference)
        drawn = random.Random(0).sample(pairs, min(VERIFY_ROWS, len(pairs)))
        texts, prompts = [prompt + answer for prompt, answer in drawn], [prompt for prompt, _ in drawn[:VERIFY_PROMPTS]]
        with _timed(seconds, "verify"):
            check_gguf(source)
            verified = verify(source, merged, texts, prompts, NEAR_TIE[reference])
        progress.advance(note="verified")
        measured, weighted = None, [format for format in formats if format in WEIGHTED and format != aware]
        if weighted:
            with _timed(seconds, "imatrix"):
                architecture = read_metadata(source)["general.architecture"]
                measured = importance(merged, [prompt + answer for prompt, answer in pairs], architecture)
        progress.advance(note="importance matrix")
        for format in formats:
            if format != reference:
                with _timed(seconds, format):
                    _write_format(format, source, merged, out, recipe.name, measured if format in weighted else None)
                progress.advance(note=format)
    result = {
        "formats": [
            {**_described(format, out / f"{recipe.name}-{format}.gguf"), "imatrix": format in weighted}
            for format in formats
        ],
        "quantization_aware": aware,
        "verify": verified,
        "imatrix": measured and {"tensors": len(measured.columns), "texts": measured.texts, "tokens": measured.tokens},
        "seconds": {part: round(value, 2) for part, value in seconds.items()},
    }
    write_json(out / "export.json", result)
    return result


def base_gguf(base: Path, out: Path) -> Path:
    """Write the untouched model's 16-bit GGUF file to `out` and return it."""
    cached = cached_base_gguf(base)
    with whole_path(out) as partial:
        # A link costs no room; another disk needs a copy.
        try:
            os.link(cached, partial)
        except OSError:
            shutil.copyfile(cached, partial)
    return out


def cached_base_gguf(base: Path) -> Path:
    """The untouched model's 16-bit GGUF file in the cache folder, under the sha256 of the model's files.

    Every run compares with it. It is F16, unless a weight is too large for that.
    """
    cached = cache_folder() / "gguf" / f"{_folder_sha256(base)}-{VERSION}.gguf"
    if not cached.exists():
        convert(base, cached, "F16" if _largest_weight(base) <= LARGEST_F16 else "BF16", base.name)
    return cached


def _write_format(
    format: GgufFormat, source: Path, merged: Path, out: Path, name: str, measured: Importance | None
) -> None:
    file = out / f"{name}-{format}.gguf"
    if format in get_args(UnquantisedFormat):
        # From the fp32 weights, not from those already rounded to 16 bit.
        convert(merged, file, _unquantised(format), name)
    else:
        quantize(source, file, format, measured)


def _with_16_bit(formats: Sequence[GgufFormat], largest: float) -> list[GgufFormat]:
    """The recipe's formats without repetition, with a 16-bit one in front where it names none.

    F16, because it lies nearest to fp32 (KL divergence 4e-6 against BF16's 6e-5, measured), unless a weight
    is too large for it.
    """
    unique = list(dict.fromkeys(formats))
    if {"F16", "BF16"}.intersection(unique):
        return unique
    return ["F16" if largest <= LARGEST_F16 else "BF16", *unique]


def _unquantised(format: GgufFormat) -> UnquantisedFormat:
    found: UnquantisedFormat = next(known for known in get_args(UnquantisedFormat) if known == format)
    return found


def _described(format: GgufFormat, file: Path) -> dict[str, Any]:
    return {"format": format, "file": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)}


def _folder_sha256(folder: Path) -> str:
    """One digest over the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{file.name}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def _largest_weight(folder: Path) -> float:
    """The largest absolute weight of a Hugging Face folder."""
    from safetensors import safe_open

    largest = 0.0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            largest = max([largest, *(float(weights.get_tensor(name).abs().max()) for name in weights.keys())])  # noqa: SIM118
    return largest


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[part] = time.monotonic() - started


@contextmanager
def _removed_after(folder: Path) -> Iterator[None]:
    """Half a gigabyte of merged weights serves the export alone."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
