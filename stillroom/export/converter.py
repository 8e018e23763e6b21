"""llama.cpp's own converter, taken from the source archive of the llama-cpp-python that is installed.

Converter, quantiser and runtime are then one commit, and no third party stands between them.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from stillroom.errors import UserError
from stillroom.files import sha256
from stillroom.models.cache import cache_folder, whole_path

VERSION = "0.3.36"
ARCHIVE = f"llama_cpp_python-{VERSION}.tar.gz"
ARCHIVE_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
ARCHIVE_VARIABLE = "STILLROOM_LLAMA_CPP_SDIST"
SCRIPT = "convert_hf_to_gguf.py"

# Everything the script imports; the other 75 MB of the archive are C++ sources.
_ROOT = f"llama_cpp_python-{VERSION}/vendor/llama.cpp/"
_WANTED = (SCRIPT, "conversion/", "gguf-py/gguf/", "LICENSE")


def converter_script() -> Path:
    """Path of convert_hf_to_gguf.py with its modules beside it; fetched and unpacked at the first call.

    Raises UserError where the archive cannot be had, is not the one we know, or does not fit what is installed.
    """
    installed = metadata.version("llama-cpp-python")
    if installed != VERSION:
        raise UserError(
            f"llama-cpp-python {installed} is installed, but the converter is that of {VERSION}: "
            f"pip install llama-cpp-python=={VERSION}"
        )
    folder = cache_folder() / f"converter-{VERSION}"
    if not folder.is_dir():
        unpack(archive(), folder)
    return folder / SCRIPT


def archive() -> Path:
    """The source archive: the file STILLROOM_LLAMA_CPP_SDIST names, the one in the cache, else fetched by pip."""
    if named := os.environ.get(ARCHIVE_VARIABLE):
        path = Path(named)
        if not path.is_file():
            raise UserError(f"{ARCHIVE_VARIABLE} names {path}, which is no file.")
        return path
    path = cache_folder() / ARCHIVE
    if not path.exists():
        _fetch(path)
    return path


def unpack(path: Path, folder: Path) -> None:
    """Check the archive's sha256 and unpack the converter's files from it into `folder`, whole or not at all."""
    digest = sha256(path)
    if digest != ARCHIVE_SHA256:
        raise UserError(
            f"{path} is not the source archive of llama-cpp-python {VERSION}: its sha256 is {digest}, "
            f"expected {ARCHIVE_SHA256}. Delete it and run again; it is then fetched anew."
        )
    with whole_path(folder) as partial, tarfile.open(path) as tar:
        tar.extractall(partial, members=_wanted(tar), filter="data")


def _wanted(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        name = member.name.removeprefix(_ROOT)
        if name != member.name and name.startswith(_WANTED):
            yield member.replace(name=name, deep=False)


def _fetch(path: Path) -> None:
    """Download the archive by pip, which knows the user's index, proxy and certificates.

    pip asks the build backend for the package's metadata after the download; that compiles nothing (4 s in all).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wanted = f"llama-cpp-python=={VERSION}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", folder, wanted]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        fetched = Path(folder) / ARCHIVE
        if done.returncode or not fetched.exists():
            reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise UserError(
                f"The converter's source archive could not be fetched by pip: {reason}\n"
                f"Fetch it where there is a network (pip download --no-deps --no-binary :all: {wanted}) "
                f"and set {ARCHIVE_VARIABLE} to its path."
            )
        fetched.replace(path)
