"""Which number types the weights of a model pass through on their way into a GGUF file.

llama.cpp decides that tensor by tensor: mixtures, other types for rows that do not divide into blocks, another one for
the output layer. So the untouched model is quantised once and the types are read from its file; nothing restates them.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from stillroom.export.export import cached_base_gguf
from stillroom.export.gguf_file import read_gguf
from stillroom.export.quantize import quantize
from stillroom.files import read_json, write_json
from stillroom.recipe.model import GgufFormat


@dataclass(frozen=True, slots=True)
class TensorTypes:
    """GGUF's name of the architecture; for each tensor its shape (rows first), and the types it passes through.

    The types are in order: that in the 16-bit file, then that in the quantised one.
    """

    architecture: str
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, tuple[str, ...]]


def tensor_types(base: Path, format: GgufFormat) -> TensorTypes:
    """The types that the weights of the model in `base` get in a file of `format` made without importance matrix.

    They are kept in the cache folder, by model and format. Raises UserError where the model cannot be converted.
    """
    source = cached_base_gguf(base)
    cached = source.with_name(f"{source.stem}-{format}.json")
    if not cached.exists():
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            quantize(source, file := Path(folder) / f"{format}.gguf", format)
            before, after = read_gguf(source), read_gguf(file)
        write_json(
            cached,
            {
                "architecture": before.metadata["general.architecture"],
                "tensors": {
                    name: {"shape": tensor.shape[::-1], "types": [tensor.type, after.tensors[name].type]}
                    for name, tensor in before.tensors.items()
                },
            },
        )
    found = read_json(cached)
    tensors = found["tensors"].items()
    return TensorTypes(
        found["architecture"],
        {name: tuple(tensor["shape"]) for name, tensor in tensors},
        {name: tuple(tensor["types"]) for name, tensor in tensors},
    )
