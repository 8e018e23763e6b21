"""The GGUF file of a model that is only evaluated."""

from pathlib import Path

from stillroom.export.export import base_gguf
from stillroom.export.gguf import convert
from stillroom.export.merge import LARGEST_F16, merge_adapter


def write_gguf(base: Path, adapter: Path | None, out: Path) -> None:
    """Write `out`/model.gguf in 16 bit: the base model with the adapter merged in, or as it is without one."""
    if adapter is None:
        base_gguf(base, out / "model.gguf")
    else:
        merged = out / "work" / "merged"  # the step removes this folder when it is whole
        largest = merge_adapter(base, adapter, merged)
        convert(merged, out / "model.gguf", "F16" if largest <= LARGEST_F16 else "BF16")
