"""Axes as they are typed, the variants they span, and names that stay."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.errors import UserError
from stillroom.sweep.grid import LONGEST_NAME, Axis, parse_axes, variants


def test_the_grid_of_the_manual() -> None:
    words = ["sft.target_modules=[all-linear,[q_proj,v_proj]]", "data.balance=[none,downsample]", "sft.loss=full"]
    axes = parse_axes(words)
    assert axes == [
        Axis(("sft", "lora", "target_modules"), ("all-linear", ["q_proj", "v_proj"])),
        Axis(("data", "balance"), ("none", "downsample")),
        Axis(("sft", "loss"), ("full",)),
    ]
    made = variants(axes)
    assert [variant.name for variant in made] == [
        "balance-none_target_modules-all-linear_loss-full",
        "balance-downsample_target_modules-all-linear_loss-full",
        "balance-none_target_modules-q_proj+v_proj_loss-full",
        "balance-downsample_target_modules-q_proj+v_proj_loss-full",
    ]
    assert made[0].change == {
        "sft.lora.target_modules": "all-linear",
        "data.balance": "none",
        "sft.loss": "full",
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("sft.los=[full]", "sft.los: unknown key; did you mean 'sft.loss'?"),
        ("target_modules=[a]", "target_modules: unknown key; did you mean 'sft.lora.target_modules'?"),
        ("sft.lora=[1]", "sft.lora: a section; name a key of it, such as sft.lora.rank"),
        ("dpo.beta=[0.1]", "dpo.beta: changes nothing that a sweep measures; what may vary is base_model, "),
        ("data.seed=[1,2]", "data.seed: decides which rows are validated on, so its variants could not be compared"),
        ("sft.loss", "sft.loss: write KEY=[VALUE,VALUE], such as sft.loss=[response,full]"),
        ("sft.loss=", "sft.loss=: no value; write KEY=[VALUE,VALUE]"),
        ("sft.loss=[a", "sft.loss=[a: not YAML: expected ',' or ']'"),
        ("sft.loss=[]", "sft.loss: the list is empty; give it a value"),
        ("sft.epochs=[1,2,1]", "sft.epochs: 1 stands twice; remove one"),
        ("nonsense.entirely=[1]", "nonsense.entirely: unknown key; docs/recipe.md lists them all"),
    ],
)
def test_each_fault_says_what_to_write(word: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_axes(["sft.epochs=[3]" if "epochs" not in word else "sft.loss=[full]", word])
    assert str(raised.value).startswith(said)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(UserError) as raised:
        parse_axes(["sft.los=[full]", "sft.loss=[full]", "sft.loss=[response]", "gates.min_exact_match=[1]"])
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        "sft.los",
        "sft.loss",
        "gates.min_exact_match",
    ]
    with pytest.raises(UserError, match="A sweep needs a grid"):
        parse_axes([])


def test_a_sample_is_a_part_of_the_grid_and_the_seeds() -> None:
    axes = parse_axes(
        [f"sft.rank=[{','.join(map(str, range(1, 200)))}]", f"sft.seed=[{','.join(map(str, range(99)))}]"]
    )
    drawn = variants(axes, sample=7, seed=3)
    assert len({variant.name for variant in drawn}) == 7
    assert drawn == variants(axes, sample=7, seed=3) != variants(axes, sample=7, seed=4)
    everything = variants(axes[:1])
    assert variants(axes[:1], sample=500) == everything
    assert len(everything) == 199


VALUES: list[Any] = [
    1,
    1.0,
    True,
    "1",
    "true",
    "None",
    None,
    "a b",
    "a-b",
    "",
    ["a"],
    ["a", "b"],
    "a+b",
    ["a+b"],
    {"a": 1},
    "ü",
    [],
]


def test_no_two_values_have_one_name() -> None:
    changes = [Axis(("sft", "x"), (value,)) for value in VALUES]
    names = [variants([axis])[0].name for axis in changes]
    assert len(set(names)) == len(VALUES)
    assert names[0] == "x-1"


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5, unique=True))
def test_names_are_safe_in_a_file_system(values: list[str]) -> None:
    axes = [Axis(("sft", f"key_{place}"), (value, [value])) for place, value in enumerate(values)]
    names = [variant.name for variant in itertools.islice(variants(axes), 32)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_+.-]+", name) and len(name) <= LONGEST_NAME for name in names)
