"""Compile the pipelines: `python -m pipelines.compile` writes the YAML that a cluster takes."""

import sys
from pathlib import Path

COMPILED = Path(__file__).with_name("specialist.yaml")


def compile_specialist(to: Path = COMPILED) -> None:
    """Write the compiled specialist pipeline; the same source gives the same bytes."""
    from kfp import compiler

    from pipelines.specialist import specialist

    compiler.Compiler().compile(specialist, str(to))


if __name__ == "__main__":
    compile_specialist()
    print(COMPILED, file=sys.stderr)
