"""The sentence grammar."""

from random import Random

import pytest

from stillroom.data.synthetic.template import capital, fill, words


def test_a_choice_and_the_senders_number() -> None:
    made = {fill(Random(seed), "[I am|We are] <glad|happy> to see {name}.", {"name": "Bo"}) for seed in range(20)}
    assert made == {"I am glad to see Bo.", "I am happy to see Bo."}
    assert fill(Random(1), "[I am|We are] here.", {}, plural=True) == "We are here."


def test_numbers_inside_choices_and_nested_choices() -> None:
    made = {fill(Random(seed), "<join [me|us]|<a|b>>", {}, plural=True) for seed in range(40)}
    assert made == {"join us", "a", "b"}


def test_what_is_filled_in_is_not_read_as_grammar() -> None:
    assert fill(Random(1), "{title}", {"title": "<a|b> [c|d] {e}"}) == "<a|b> [c|d] {e}"


def test_a_missing_slot_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill(Random(1), "{nobody}", {})


def test_words_and_capital() -> None:
    assert words("a b") == ("a", "b")
    assert words("a b|c") == ("a b", "c")
    assert capital("ärger am Morgen") == "Ärger am Morgen"
    assert capital("") == ""
