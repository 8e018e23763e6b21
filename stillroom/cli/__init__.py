"""The command line. Each command is imported only when it is used, so that `--help` is quick."""

from stillroom.cli.group import main

__all__ = ["main"]
