"""The servers that are compared: how each is had, and how it is started for so many clients.

stillroom         `stillroom serve`, as a user starts it
llama-server      llama.cpp's own, built from the source archive of the llama-cpp-python that the engine runs on
llama-cpp-python  that package's batching server, `examples/server/server.py` of the same archive
ollama            only where it is installed
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serve_load import closed
from stillroom.errors import UserError
from stillroom.export.converter import ARCHIVE_SHA256, VERSION, archive
from stillroom.files import sha256
from stillroom.machine import cpu_threads
from stillroom.models.cache import cache_folder, whole_path

OURS, LLAMA, PYTHON, OLLAMA = "stillroom", "llama-server", "llama-cpp-python", "ollama"
OLLAMA_MODEL = "bench"
START_SECONDS = 120
VARIANTS: dict[str, tuple[tuple[str, ...], ...]] = {
    OURS: (),
    LLAMA: (
        ("--kv-unified",),
        ("--spec-type", "ngram-simple"),
        ("--spec-type", "ngram-map-k"),
        ("--spec-default",),
        ("--cache-reuse", "32"),
        ("-fa", "off"),
        ("-cram", "0"),
    ),
    PYTHON: (),
    OLLAMA: (),
}
"""Options that a trial adds one by one and keeps where they help; further slots are the benchmark's to try."""


@dataclass
class Server:
    """A running server."""

    port: int
    process: psutil.Process
    started: float
    """Seconds from the start of its process to its first token."""

    def peak_mib(self) -> float:
        """The largest resident size so far, in MiB, of its process and those that it started."""
        return sum(_peak(one) for one in [self.process, *self.process.children(recursive=True)]) / 1024


def contenders() -> list[str]:
    """Those that can be had on this machine."""
    return [OURS, LLAMA, PYTHON, *([OLLAMA] if shutil.which("ollama") else [])]


@contextmanager
def serving(contender: str, model: Path, slots: int, context: int, options: Sequence[str]) -> Iterator[Server]:
    """Run a server for `slots` answers at once of `context` tokens each; it is there when it said its first token."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command, environment = _command(contender, model, slots, context, options, port, Path(folder))
        said = Path(folder) / "said"
        start = time.perf_counter()
        with said.open("wb") as stream:
            process = psutil.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        try:
            if contender == OLLAMA:
                _create(model, port, Path(folder), environment)
            _await_token(contender, process, port, said, command)
            yield Server(port, process, time.perf_counter() - start)
        finally:
            for one in [*process.children(recursive=True), process]:
                one.terminate()
            try:
                process.wait(20)
            except psutil.TimeoutExpired:
                process.kill()


def _command(
    contender: str, model: Path, slots: int, context: int, options: Sequence[str], port: int, folder: Path
) -> tuple[list[str], dict[str, str]]:
    threads = str(cpu_threads())
    if contender == OURS:
        command = [str(Path(sys.executable).with_name("stillroom")), "serve", str(model), "--port", str(port)]
        return [*command, "--slots", str(slots), "--context", str(context), *options], {}
    if contender == LLAMA:
        command = [str(llama_server()), "-m", str(model), "--port", str(port), "-t", threads, "-tb", threads]
        return [*command, "-np", str(slots), "-c", str(slots * context), "--no-webui", *options], {}
    if contender == PYTHON:
        config = {
            "server": {"host": "127.0.0.1", "port": port},
            "model": {
                "path": str(model), "alias": "model", "n_ctx": slots * context, "n_seq_max": slots, "n_batch": 2048,
                "n_ubatch": 512, "threads": int(threads), "threads_batch": int(threads), "store_logits": False,
                "kv_unified": True,
            },
        }  # fmt: skip
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        return [sys.executable, str(_sources() / "examples/server/server.py"), "-C", str(file)], {}
    settings = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(folder), "OLLAMA_NUM_PARALLEL": str(slots)}
    return ["ollama", "serve"], {**settings, "OLLAMA_CONTEXT_LENGTH": str(context)}


def addressed(contender: str, body: dict[str, Any], grammar: str | None = None) -> dict[str, Any]:
    """A request as it is sent to a contender: Ollama must be told which model is meant, and llama-server gets the
    grammar instead of the schema."""
    if contender == OLLAMA:
        return {**body, "model": OLLAMA_MODEL}
    if grammar is None:
        return body
    return {**{name: value for name, value in body.items() if name != "response_format"}, "grammar": grammar}


def compact_grammar(port: int, schema: dict[str, Any]) -> str:
    """llama-server's own grammar for a schema, without white space between the parts of JSON, as ours has none.

    A model that was not tuned likes to indent, and would be asked for another and longer answer.
    """
    body = json.dumps({"prompt": "", "n_predict": 1, "json_schema": schema}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
        grammar: str = json.load(answer)["generation_settings"]["grammar"]
    compact, rules = re.subn(r"^space ::= .*$", 'space ::= ""', grammar, flags=re.MULTILINE)
    if rules != 1:
        raise SystemExit(f"llama-server's grammar has no rule for white space:\n{grammar}")
    return compact


def _create(model: Path, port: int, folder: Path, environment: dict[str, str]) -> None:
    """Give Ollama the model's file, as soon as it listens."""
    recipe = folder / "Modelfile"
    recipe.write_text(f"FROM {model.absolute()}\n")
    _listening(port, time.perf_counter() + START_SECONDS)
    command = ["ollama", "create", OLLAMA_MODEL, "-f", str(recipe)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)


def _listening(port: int, deadline: float) -> bool:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            if time.perf_counter() > deadline:
                return False
            time.sleep(0.01)


def _await_token(contender: str, process: psutil.Popen, port: int, said: Path, command: Sequence[str]) -> None:
    hello = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1, "temperature": 0}
    deadline = time.perf_counter() + START_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        if (
            _listening(port, time.perf_counter())
            and not closed(port, [addressed(contender, hello)], 1).replies[0].error
        ):
            return
        time.sleep(0.01)
    raise SystemExit(f"{' '.join(command)} gave no token:\n{said.read_text(errors='replace')[-2000:]}")


def llama_server() -> Path:
    """The program, built at first use for this very processor, as pip builds the package (some minutes)."""
    built = cache_folder() / "bench-serve" / f"llama-server-{VERSION}"
    if not built.exists():
        if not shutil.which("cmake"):
            raise SystemExit("llama-server is built with cmake, which is not installed here.")
        print("Building llama-server, which takes some minutes.", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            left_out = ("LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_APP", "LLAMA_USE_PREBUILT_UI")
            off = [f"-D{name}=OFF" for name in (*left_out, "LLAMA_OPENSSL", "BUILD_SHARED_LIBS")]
            source = _sources() / "vendor/llama.cpp"
            subprocess.run(["cmake", "-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *off], check=True)
            parallel = ["--parallel", str(cpu_threads())]
            subprocess.run(["cmake", "--build", folder, "--target", "llama-server", *parallel], check=True)
            with whole_path(built) as partial:
                shutil.copy2(Path(folder) / "bin/llama-server", partial)
    return built


def _sources() -> Path:
    """The unpacked source archive of llama-cpp-python, checked by its sha256."""
    folder = cache_folder() / "bench-serve" / f"llama_cpp_python-{VERSION}"
    if not folder.is_dir():
        path = archive()
        if (digest := sha256(path)) != ARCHIVE_SHA256:
            raise UserError(f"{path} has the sha256 {digest}, expected {ARCHIVE_SHA256}. Delete it and run again.")
        with whole_path(folder) as partial, tarfile.open(path) as tar:
            tar.extractall(partial.with_name(f"{partial.name}-tar"), filter="data")
            (partial.with_name(f"{partial.name}-tar") / folder.name).replace(partial)
            partial.with_name(f"{partial.name}-tar").rmdir()
    return folder


def _peak(process: psutil.Process) -> float:
    """Largest resident size in KiB; 0 for a process that is gone."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
