"""Faults of a recipe's teacher, and that none of them shows what may be a secret."""

from pathlib import Path

import pytest

from stillroom.recipe.load import RecipeError, load_recipe

RECIPE = """\
name: x
instruction: y
data: {sources: [{kind: generated-event-mail, sample: 1}]}
teacher:
"""


def faults(tmp_path: Path, teacher: str) -> list[str]:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE + "\n".join(f"  {line}" for line in teacher.splitlines()) + "\n")
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    return [str(fault) for fault in raised.value.faults]


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        ("base_url: ftp://host/v1\nmodel: m", "must be `packaged` or an address such as https://host/v1, not 'ftp"),
        ("base_url: https://\nmodel: m", "must be `packaged` or an address"),
        ("base_url: http://host:eighty/v1\nmodel: m", "must be `packaged` or an address"),
        ("base_url: https://host/v1/chat/completions\nmodel: m", "write it up to /v1, without /chat/completions"),
        ("base_url: https://host/v1", "names an endpoint without its model"),
        ("model: large-1", "for another model write its base_url too"),
        ("budget: {money: 3}", "'smollm2-135m-instruct' has none; write teacher.prices for it"),
        ("prices: {a: {prompt: 1}}", "missing; write `completion: ...`"),
        ("prices: {a: {prompt: -1, completion: 1}}", "must be at least 0, not -1"),
        ("vote: 3", "unknown key; did you mean 'votes'?"),
    ],
)
def test_each_fault_has_its_message(tmp_path: Path, teacher: str, expected: str) -> None:
    (fault,) = faults(tmp_path, teacher)
    assert expected in fault and fault.split(": ")[1].startswith("teacher")


@pytest.mark.parametrize(
    "teacher",
    [
        "base_url: https://user:hunter2secret@host/v1\nmodel: m",
        "base_url: https://host/v1?key=hunter2secret\nmodel: m",
        "keys_env: [hunter2secret]",
        "keys_env: [sk-hunter2secret]",
        "api_key: hunter2secret",
    ],
)
def test_no_fault_shows_a_secret(tmp_path: Path, teacher: str) -> None:
    (fault,) = faults(tmp_path, teacher)
    assert "hunter2secret" not in fault and ("keys_env" in fault or "unknown key" in fault)
