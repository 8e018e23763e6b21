"""Quantise a GGUF file by llama.cpp itself."""

import ctypes
import re
from pathlib import Path
from typing import Any

from stillroom.errors import UserError
from stillroom.export.gguf_file import read_gguf
from stillroom.export.imatrix import Importance
from stillroom.export.llama import captured_log
from stillroom.machine import cpu_threads
from stillroom.models.cache import whole_path
from stillroom.progress import Progress
from stillroom.recipe.model import GgufFormat

# llama.cpp's names of the formats in its enumeration llama_ftype.
_ENUMERATORS: dict[GgufFormat, str] = {
    "F32": "LLAMA_FTYPE_ALL_F32",
    **{
        format: f"LLAMA_FTYPE_MOSTLY_{format}"
        for format in ("F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q4_1", "IQ4_NL")
    },
}
# "[  12/ 272] blk.1.attn_q.weight …" opens each tensor's line.
_TENSOR_LINE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")


def quantize(source: Path, out: Path, format: GgufFormat, importance: Importance | None = None) -> None:
    """Write `source` (a 16- or 32-bit GGUF file) in `format`, whole or not at all.

    Raises UserError for a damaged source, an importance matrix that does not fit, or what llama.cpp reports.
    """
    import llama_cpp

    header = read_gguf(source)
    progress = Progress(f"Quantise to {format}", len(header.tensors))

    def follow(line: str) -> None:
        if match := _TENSOR_LINE.match(line):
            progress.update(int(match[1]))

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, _ENUMERATORS[format])
    parameters.nthread = cpu_threads()
    entries = _entries(importance) if importance else None
    if entries is not None:
        parameters.imatrix = entries
    with whole_path(out) as partial, captured_log(follow) as errors:
        failed = llama_cpp.llama_model_quantize(str(source).encode(), str(partial).encode(), ctypes.byref(parameters))
        if failed:
            reason = "; ".join(errors) or f"llama.cpp gave the code {failed} and no reason"
            raise UserError(f"{source} could not be quantised to {format}: {reason}")
        # llama.cpp does not notice a write that fails, on a full disk for one; a file cut short shows here.
        read_gguf(partial)


def _entries(importance: Importance) -> Any:
    """The importance matrix as the array llama.cpp reads up to an entry without a name.

    The entries point into the arrays of `importance`, which the caller keeps while the array is in use.
    """
    import llama_cpp

    # One entry more than there are: zeroed, it ends the list.
    entries = (llama_cpp.llama_model_imatrix_data * (len(importance.columns) + 1))()
    for entry, (name, values) in zip(entries, importance.columns.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = values.size
    return entries
