"""What a figure was measured on."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from stillroom.machine import cpu_threads


def describe() -> str:
    """One line: processor, threads, the libraries that matter and the commit."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags), "no wide vectors")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "trl"))
    return f"{name} ({wide}), {cpu_threads()} threads; {libraries}; commit {commit.strip() or 'unknown'}"
