"""GGUF files: made by llama.cpp's converter, read, and checked before anything opens them."""

import hashlib
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from stillroom.errors import UserError
from stillroom.export.converter import converter_script
from stillroom.export.gguf_file import GgufFile, identity, read_gguf
from stillroom.models.cache import whole_path

UnquantisedFormat = Literal["F16", "BF16", "F32"]

# A model of this project's size loads in a second; only a file that makes llama.cpp hang takes this long.
PROBE_SECONDS = 300
PROBE_REFUSED = 3
_hashing = threading.Lock()


def convert(hf: Path, out: Path, format: UnquantisedFormat, name: str | None = None) -> None:
    """Convert a Hugging Face folder to a GGUF file; `name` becomes its general.name.

    Raises UserError with the converter's reason, and where a weight is too large for F16.
    """
    with whole_path(out) as partial:
        command = [sys.executable, "-m", "stillroom.export.run_converter", str(converter_script())]
        command += [str(hf), "--outfile", str(partial), "--outtype", format.lower()]
        command += ["--model-name", name] if name else []
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode:
            raise UserError(f"{hf} could not be converted to GGUF {format}: {_reason(done)}")
        _check_converted(partial, format)


def read_metadata(gguf: Path) -> dict[str, Any]:
    """Every metadata entry of a GGUF file; raises UserError for a file that is not one."""
    return read_gguf(gguf).metadata


def gguf_sha256(gguf: Path) -> str:
    """Hex digest of a GGUF file; one that has not changed is read once, and by one thread while others wait for it."""
    with _hashing:
        return _sha256(gguf, identity(gguf))


@lru_cache(maxsize=4)
def _sha256(gguf: Path, _: object) -> str:
    if not gguf.stat().st_size:  # nothing that could be mapped
        return hashlib.sha256().hexdigest()
    with gguf.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # One call, without Python's lock: chunk by chunk, a thread that imports meanwhile makes it take seconds.
        return hashlib.sha256(data).hexdigest()


def tensor_names(architecture: str, config: Any) -> Callable[[str], str | None]:
    """A function from a Hugging Face module's name to its name in GGUF; it gives None for one that GGUF does not know.

    `architecture` is GGUF's general.architecture, `config` the Hugging Face model's.
    """
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    found = next((arch for arch, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if found is None:
        return lambda name: None
    names: Callable[[str], str | None] = get_tensor_name_map(found, config.num_hidden_layers).get_name
    return names


def check_gguf(path: Path, load: bool = True) -> GgufFile:
    """Check that a GGUF file is whole and, with `load`, that llama.cpp computes a token with it; returns its header.

    Raises UserError with the reason. The load happens in a child process: some files make llama.cpp abort.
    """
    header = read_gguf(path)
    if load:
        reason = _probe(path)
        if reason:
            raise UserError(f"{path} is whole, but llama.cpp cannot use it: {reason}. Run the export again.")
    return header


def check_adapter(path: Path, model: Path) -> None:
    """Check that a LoRA adapter is whole and that llama.cpp computes a token with it and its model.

    Raises UserError with the reason. It is tried in a child process, as a model is.
    """
    read_gguf(path)
    reason = _probe(model, path)
    if reason:
        raise UserError(f"{path} is no LoRA adapter for this model: {reason}.")


def _probe(*files: Path) -> str | None:
    command = [sys.executable, "-m", "stillroom.export.probe", *map(str, files)]
    quiet = {**os.environ, "GGML_NO_BACKTRACE": "1"}  # else the last line is a debugger's, not llama.cpp's reason
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS, env=quiet
        )
    except subprocess.TimeoutExpired:
        return f"it did not load within {PROBE_SECONDS} s"
    if done.returncode == 0:
        return None
    last = (done.stderr.strip() or "no message").splitlines()[-1]
    return last if done.returncode == PROBE_REFUSED else f"it stopped with code {done.returncode} ({last})"


def _check_converted(path: Path, format: UnquantisedFormat) -> None:
    """The file must be whole, carry the chat template, and hold no infinity that fp32 did not have."""
    import numpy

    header = read_gguf(path)
    if "tokenizer.chat_template" not in header.metadata:
        raise UserError("The converted file carries no chat template: the model folder has none.")
    if format != "F16":
        return
    content = numpy.memmap(path, dtype=numpy.uint8, mode="r")
    for tensor in header.tensors.values():
        if tensor.type != "F16":
            continue
        values = content[tensor.start : tensor.start + tensor.bytes].view(numpy.uint16)
        # All exponent bits set: infinity or NaN.
        if bool(((values & 0x7C00) == 0x7C00).any()):
            raise UserError(
                f"A weight of {tensor.name} is too large for F16. Name BF16 in export.formats instead of F16."
            )


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """One sentence from the converter's log, with its end below for whoever needs more."""
    log = done.stderr.strip()
    lines = [line for line in log.splitlines() if line.strip()]
    if "BPE pre-tokenizer was not recognized" in log:
        return "llama.cpp does not know how its tokenizer splits text. Take a base model that llama.cpp supports."
    if "No space left on device" in log:
        return "the disk is full. Free some room and run the same command again."
    if any("is not supported" in line for line in lines):
        return next(line for line in lines if "is not supported" in line).removeprefix("ERROR:hf-to-gguf:")
    if done.returncode < 0:
        return f"the converter was killed by signal {-done.returncode}, perhaps for want of memory."
    return "\n".join([lines[-1] if lines else "no message", "The converter's last lines:", *lines[-8:]])
