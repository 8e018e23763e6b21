"""The command that undoes a mask of personal data."""

from pathlib import Path
from typing import TextIO

import click


@click.command()
@click.argument("vault", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
def unmask(vault: Path, file: TextIO) -> None:
    """Print FILE (by default what comes in) with the originals in place of the fakes that VAULT knows."""
    from stillroom.data.pii.vault import Vault

    with Vault(vault) as opened:
        for line in file:
            click.echo(opened.reverse(line), nl=False)
