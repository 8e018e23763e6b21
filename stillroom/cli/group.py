"""The `stillroom` command: which commands there are, and how an error reaches the user."""

import os
import sys
import traceback
from importlib import import_module
from typing import NoReturn

import click

from stillroom.errors import UserError

# Name → (where it is, its line in the help). A command's module is imported when the command is used, not before.
COMMANDS: dict[str, tuple[str, str]] = {
    "new": ("stillroom.cli.recipe:new", "Write a commented recipe to start from."),
    "check": ("stillroom.cli.recipe:check", "Report every fault of a recipe at once."),
    "schema": ("stillroom.cli.recipe:schema", "Print the JSON Schema of recipes, for editors."),
    "annotate": ("stillroom.cli.teacher:annotate", "Let a teacher label texts, by votes."),
    "distil": ("stillroom.cli.teacher:distil", "Let a teacher draw questions and answers from documents."),
    "data": ("stillroom.cli.data:data", "Look at data sets: what is in one, and what tells two apart."),
    "review": ("stillroom.cli.review:review", "Send labels to people as a sheet, and bring back what they said."),
    "instruct": ("stillroom.cli.teacher:instruct", "Let a teacher write new texts from seeds, and harder ones."),
    "augment": ("stillroom.cli.teacher:augment", "Make more rows of labelled ones: noise, swaps, other words."),
    "unmask": ("stillroom.cli.unmask:unmask", "Put the originals back in place of masked personal data."),
    "runs": ("stillroom.cli.runs:runs", "List the runs: when, how good, and whether the model passed."),
    "compare": ("stillroom.cli.runs:compare", "Compare the chosen models of two runs."),
    "report": ("stillroom.cli.runs:report", "Print where the report of a run lies."),
}
# Packages above the library add commands: an entry point `name = "module:attribute"` in this group. Their module is
# imported for the help line alone, so it must be light: heavy imports belong inside the command.
ENTRY_POINTS = "stillroom.commands"


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The library's commands in the order of use, then those that other packages add."""
        return [*COMMANDS, *sorted(name for name in _added() if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of that name."""
        if cmd_name in COMMANDS:
            return _load(COMMANDS[cmd_name][0])
        added = _added()
        return _load(added[cmd_name]) if cmd_name in added else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help's list of commands; the library's own are not imported for it."""
        rows = []
        for name in self.list_commands(ctx):
            rows.append((name, COMMANDS[name][1] if name in COMMANDS else _help(ctx, self, name)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader that leaves early (such as `head`) is no error. click itself would exit with 1."""
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _leave_quietly()
            return 0
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, suggest the nearest."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            from stillroom.recipe.faults import suggest

            raise UserError(f"No command '{name}'; {suggest(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"stillroom {version('stillroom')}")
        except PackageNotFoundError:
            click.echo("stillroom, run from its sources without being installed")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def stillroom(debug: bool) -> None:
    """One recipe in, one small specialist out.

    A recipe states a text task, its output schema, where the data is and what is good enough. What comes out is a
    small language model for that one task, trained, quantised and measured.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 our error, 2 the user's, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit code."""
    debug = "--debug" in arguments
    # The option may stand anywhere, because it is thought of when a command has just failed.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        result = stillroom.main(arguments, prog_name="stillroom", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted; the same command goes on where it stopped", debug)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except UserError as error:
        _complain(str(error), debug)
        return 2
    except Exception as error:
        summary = " ".join(str(error).split())
        text = f"{type(error).__name__}: {summary}" if summary else type(error).__name__
        advice = "" if debug else "; run again with --debug and report it"
        _complain(f"stillroom: internal error: {text}{advice}", debug)
        return 1


def _leave_quietly() -> None:
    # Python flushes once more when it ends, and would complain to the closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(message, err=True)


def _added() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def _load(where: str) -> click.Command:
    module, _, attribute = where.partition(":")
    command = getattr(import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{where} is not a command")
    return command


def _help(ctx: click.Context, group: LazyGroup, name: str) -> str:
    try:
        command = group.get_command(ctx, name)
    except ImportError as error:  # its extra is not installed; the other commands work all the same
        return f"(not available: {error})"
    return command.get_short_help_str(limit=80) if command else ""
