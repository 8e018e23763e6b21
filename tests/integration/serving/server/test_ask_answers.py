"""`stillroom ask` answers as the server does, and says what it did not read."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("kserve", reason="the extra `serve` is not installed")
pytest.importorskip("gguf", reason="the extra `train` is not installed")

from tiny_gguf import llama

from serving.cli import ask
from stillroom.errors import UserError

RECIPE = """\
name: kinds
instruction: Which kind is it?
output_schema:
  type: object
  properties:
    kind: {enum: [event, spam]}
    note: {type: string, maxLength: 8}
  required: [kind, note]
  additionalProperties: false
data:
  sources: [{kind: csv, path: rows.csv}]
serve: {context_tokens: 512, max_answer_tokens: TOKENS}
"""
TEMPLATE = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"


def test_one_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILLROOM_CACHE", str(tmp_path / "cache"))
    gguf = llama(tmp_path / "tiny.gguf", TEMPLATE)

    def asked(text: str) -> tuple[str, str]:
        done = CliRunner().invoke(ask, ["--run", str(tmp_path), "--model", str(gguf), text], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout, done.stderr

    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("TOKENS", "100"))
    said, told = asked("hello")
    assert json.loads(said).keys() == {"kind", "note"} and said.count("\n") == 4 and "not read" not in told
    assert "its end was not read" in asked("a" * 3000)[1]
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("TOKENS", "16"))
    with pytest.raises(UserError, match=r"cut off\. Raise serve\.max_answer_tokens"):
        asked("hello")
