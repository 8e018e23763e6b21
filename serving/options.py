"""The options that `stillroom serve` and the predictor in a pod share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_COUNT = click.IntRange(min=1)

_OPTIONS = [
    click.option("--slots", type=_COUNT, default=8, show_default=True, help="Answers under way at once."),
    click.option("--context", type=click.IntRange(min=16), help="Tokens of one request, prompt and answer; by default "
                 "the recipe's serve.context_tokens, else 4096 or what the model was trained on."),
    click.option("--max-num-queued-reqs", type=click.IntRange(min=0), default=128, show_default=True,
                 help="Requests that may wait; further ones get 429."),
    click.option("--max-num-queued-tokens", type=_COUNT, default=262_144, show_default=True,
                 help="Prompt tokens that may wait."),
    click.option("--deadline", type=_ABOVE_ZERO, default=300.0, show_default=True,
                 help="Seconds after which a request is given up; a client lowers it with X-Request-Timeout."),
    click.option("--grace", type=click.FloatRange(min=3), default=30.0, show_default=True,
                 help="Seconds that answers under way have at SIGTERM; less than the pod's own grace."),
    click.option("--max-body-bytes", type=_COUNT, default=4 * 2**20, show_default=True, help="Largest request body."),
    click.option("--api-key-file", type=_PATH, help="File with the clients' keys, one a line; or STILLROOM_API_KEYS."),
    click.option("--admin-key-file", type=_PATH, help="File with admins' keys; or STILLROOM_ADMIN_KEYS."),
    click.option("--adapter-dir", type=_PATH, help="Folder that /v1/adapters loads from; by default the model's."),
    click.option("--allowed-host", metavar="NAME", multiple=True, help="A server for this machine alone, without keys, "
                 "may also be called by this name, as a proxy here does."),
    click.option("--otlp-traces-endpoint", help="Send traces there, such as http://localhost:4318/v1/traces."),
    click.option("--log-prompts", is_flag=True, help="Write what clients send into the log."),
]  # fmt: skip


def server_options(command: F) -> F:
    """Add the shared options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
