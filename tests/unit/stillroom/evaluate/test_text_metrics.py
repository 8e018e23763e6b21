"""Free-text scores, in scripts with and without spaces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.evaluate.text_metrics import ratios, rouge_l, token_f1, tokens


def test_tokens_are_words_or_single_characters_by_script():
    assert tokens("Käse, 3 Brote!") == ["käse", "3", "brote"]
    assert tokens("会议在3号楼") == ["会", "议", "在", "3", "号", "楼"]
    assert tokens("हिन्दी में") == ["हिन्दी", "में"]
    assert tokens("ＡＢＣ１２") == ["abc12"]
    assert tokens("— !") == []


@pytest.mark.parametrize(
    ("gold", "text", "rouge", "f1"),
    [
        ("the cat sat", "the cat sat", 1, 1),
        ("the cat sat", "sat the cat", 2 / 3, 1),  # longest common subsequence: the cat
        ("a b c d", "a b", 2 / 3, 2 / 3),  # precision 1, recall 1/2
        ("会议改到周五", "会议改到周四", 5 / 6, 5 / 6),
        ("会议", "天气", 0, 0),
        ("a", "", 0, 0),
        ("👍", "👍", 1, 1),
        ("👍", "👎", 0, 0),
        ("", "", 1, 1),
    ],
)
def test_known_values(gold, text, rouge, f1):
    assert rouge_l(gold, text) == pytest.approx(rouge)
    assert token_f1(gold, text) == pytest.approx(f1)


@settings(max_examples=60)
@given(st.text(max_size=30), st.text(max_size=30))
def test_scores_are_between_0_and_1_and_1_for_the_same_text(gold, text):
    found = {name: ratio[0, 0] for name, ratio in ratios([gold], [text]).items()}
    assert all(0 <= value <= 1 for value in found.values())
    # Order can only cost: the common subsequence is part of the common bag.
    assert found["rouge_l"] <= found["token_f1"] + 1e-9
    assert {ratio[0, 0] for ratio in ratios([gold], [gold]).values()} == {1.0}


def test_exact_match_overlooks_white_space_at_the_ends_alone():
    found = ratios(["Yes.", "Yes."], [" Yes.\n", "yes."])
    assert found["exact_match"][:, 0].tolist() == [1, 0]
