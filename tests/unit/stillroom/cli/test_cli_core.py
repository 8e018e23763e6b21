"""The command line: its commands, its exit codes, and that help loads nothing heavy."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from stillroom.cli import group
from stillroom.cli.group import run
from stillroom.errors import UserError

ROOT = Path(__file__).parents[4]
OURS = "stillroom: internal error"
HEAVY = ("torch", "kfp", "pydantic", "ruamel", "jsonschema", "llguidance", "pandas", "numpy", "mlflow", "transformers")


def command_line(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_names_the_commands_and_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom stillroom.cli.group import run\ncode = run(['--help'])\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\nsys.exit(str(heavy) if heavy else code)"
    )
    done = command_line("-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    for name, (_, line) in group.COMMANDS.items():
        assert name in done.stdout and line.split(".")[0][:30] in done.stdout


@pytest.mark.parametrize("name", group.COMMANDS)
def test_each_command_exists_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: stillroom {name}" in capsys.readouterr().out


def test_check_says_what_a_sound_recipe_does(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "recipes" / "email-events.yaml"
    assert run(["check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path} is sound: email-events on smollm2-135m-instruct"
    assert lines[1] == "  answer   JSON: category, events (title, date, time, location, organizer, status)"
    assert lines[2].startswith("  source   generated-event-mail: ")


def test_check_prints_every_fault_and_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\ninstruction: y\nsfd: 1\ndata: {sources: []}\n")
    assert run(["check", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{path}:3:1: sfd: unknown key; did you mean 'sft'?",
        f"{path}:4:17: data.sources: must not be empty",
    ]


def test_check_looks_into_the_files_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("body,label\nhello,x\n")
    source = {"kind": "csv", "path": "rows.csv"}
    recipe = {"name": "tiny", "instruction": "Say it.", "data": {"sources": [source]}}
    (tmp_path / "tiny.yaml").write_text(json.dumps(recipe))
    assert run(["check", str(tmp_path / "tiny.yaml")]) == 2
    assert "has no column text" in capsys.readouterr().err
    source["label"] = None  # type: ignore[assignment]
    source["text"] = "body"
    (tmp_path / "tiny.yaml").write_text(json.dumps(recipe))
    assert run(["check", str(tmp_path / "tiny.yaml")]) == 2
    assert "no source has labels" in capsys.readouterr().err


def test_new_then_check_and_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["new", "tickets"]) == 0
    assert run(["check", "tickets.yaml"]) == 0
    capsys.readouterr()
    (tmp_path / "tickets.yaml").unlink()
    assert run(["new", "tickets"]) == 2
    assert "tickets.csv exists already, and nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "tickets.yaml").exists()
    assert run(["new", "My Tickets"]) == 2
    assert "did you mean 'my-tickets'?" in capsys.readouterr().err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert "output_schema" in json.loads(capsys.readouterr().out)["properties"]


def test_an_unknown_command_and_a_missing_file_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chek"]) == 2
    assert capsys.readouterr().err == "No command 'chek'; did you mean 'check'?\n"
    assert run(["check", "none.yaml"]) == 2
    assert capsys.readouterr().err == "No such file: none.yaml\n"


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def fail() -> None:
        """Fail."""
        raise error

    monkeypatch.setitem(group.COMMANDS, "fail", ("somewhere:fail", "Fail."))
    monkeypatch.setattr(group, "_load", lambda where: fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("The disk is full."), 2, "The disk is full."),
        (ValueError("two\nlines"), 1, f"{OURS}: ValueError: two lines; run again with --debug and report it"),
        (KeyError(), 1, f"{OURS}: KeyError; run again with --debug and report it"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on where it stopped"),
    ],
)  # fmt: skip
def test_each_kind_of_error(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, error)
    assert run(["fail"]) == code
    assert capsys.readouterr().err.strip() == message


@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, ValueError("here"))
    assert run(arguments) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed and printed.splitlines()[-1] == "stillroom: internal error: ValueError: here"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    script = "from stillroom.cli import main\nmain(['schema'])"
    done = command_line("-c", f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {script!r}], "
                        "stdout=subprocess.PIPE)\np.stdout.close()\nsys.exit(p.wait())")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_other_packages_add_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    points = [
        EntryPoint("ask", "stillroom.cli.recipe:schema", group.ENTRY_POINTS),
        EntryPoint("run", "a_package_that_is_not_here:run", group.ENTRY_POINTS),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert run(["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "ask Print the JSON Schema of recipes." in printed
    assert "run (not available: No module named 'a_package_that_is_not_here')" in printed
    assert run(["ask"]) == 0
