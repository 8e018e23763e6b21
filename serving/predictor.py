"""The KServe predictor: `python -m serving.predictor --model_name=NAME --model_dir=/mnt/models --http_port=8080`.

It is `stillroom serve` with KServe's flags. In a pod others must reach it, so it listens on all addresses unless --host
says otherwise.
"""

import sys
from pathlib import Path
from typing import Any

import click

from serving.options import server_options
from stillroom.errors import UserError

TERMINATION_LOG = Path("/dev/termination-log")
"""Kubernetes shows its text where a pod's end is described."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model_name", required=True, help="What clients call the model.")
@click.option(
    "--model_dir", type=click.Path(path_type=Path), default=Path("/mnt/models"), show_default=True,
    help="The folder that KServe mounted.",
)  # fmt: skip
@click.option("--http_port", type=int, default=8080, show_default=True, help="The port to listen on.")
@click.option("--host", default="0.0.0.0", show_default=True, help="The address to listen on.")
@server_options
def predictor(model_name: str, model_dir: Path, http_port: int, host: str, **options: Any) -> None:
    """Serve the model in a folder by KServe's and OpenAI's protocols."""
    from serving.server.start import Settings, run

    run(Settings(model_dir, model_name, host, http_port, **options), lambda *_: None)


def main() -> None:
    """Run it; what the user can put right is one message, also where Kubernetes shows it, and exit status 2."""
    try:
        predictor.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except UserError as error:
        if TERMINATION_LOG.is_file():
            TERMINATION_LOG.write_text(f"{error}\n", encoding="utf-8")
        click.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
