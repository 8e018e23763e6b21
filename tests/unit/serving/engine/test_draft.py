"""Guesses: what they are copied from, and when they are not worth their place."""

from serving.engine.cost import StepCost
from serving.engine.draft import Drafter, Said


def cost(fixed: float, each: float) -> StepCost:
    found = StepCost()
    for tokens in [1, 64] * 5:
        found.learn(tokens, fixed + each * tokens)
    return found


def test_the_last_place_of_the_current_tokens_is_continued() -> None:
    assert list(Drafter(None).guess([1, 2, 3, 4, 9, 1, 2, 5, 6, 7, 1, 2], 3)) == [5, 6, 7]
    assert list(Drafter(None).guess([1, 2, 3], 3)) == []


def test_earlier_answers_under_the_constraint_are_next() -> None:
    said = Said()
    said.learn([5, 6, 7, 8, 9])
    drafter = Drafter(said)
    assert list(drafter.guess([50, 60, 5, 6, 7], 8)) == [8, 9]
    assert list(drafter.guess([50, 60, 5, 6, 1], 8)) == []


def test_guesses_that_are_right_grow_and_wrong_ones_end() -> None:
    slow_steps = cost(fixed=0.01, each=0.002)
    drafter = Drafter(None)
    guesses = list(drafter.guess([1, 2, 3, 4, 5, 6, 7, 8, 1, 2], 8))
    first = drafter.worth(guesses, slow_steps, 1)
    for _ in range(20):
        drafter.learn(4, 4)
    assert drafter.worth(guesses, slow_steps, 1) > first > 0
    for _ in range(40):
        drafter.learn(4, 0)
    assert drafter.worth(guesses, slow_steps, 1) == 0


def test_with_many_answers_in_a_batch_only_sure_guesses_pay() -> None:
    step = cost(fixed=0.004, each=0.002)
    drafter = Drafter(None)
    guesses = list(drafter.guess([1, 2, 3, 4, 5, 6, 7, 8, 1, 2], 8))
    assert drafter.worth(guesses, step, 1) > 0 == drafter.worth(guesses, step, 16)
