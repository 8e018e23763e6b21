"""The GGUF file of a model that is only evaluated."""

from pathlib import Path

from stillroom.export.export import base_gguf
from stillroom.export.gguf import convert
from stillroom.export.merge import LARGEST_F16, merge_adapter
from stillroom.export.quantize import quantize
from stillroom.recipe.model import GgufFormat


def write_gguf(base: Path, adapter: Path | None, out: Path, format: GgufFormat | None = None) -> None:
    """Write `out`/model.gguf: the base model in 16 bit, or with the adapter merged in.

    A model that was trained through the rounding of `format` is written in it, as the export writes it.
    """
    if adapter is None:
        base_gguf(base, out / "model.gguf")
        return
    work = out / "work"  # the step removes this folder when it is whole
    largest = merge_adapter(base, adapter, work / "merged")
    source = work / "16-bit.gguf" if format else out / "model.gguf"
    convert(work / "merged", source, "F16" if largest <= LARGEST_F16 else "BF16")
    if format:
        quantize(source, out / "model.gguf", format)
