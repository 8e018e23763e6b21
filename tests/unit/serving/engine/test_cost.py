"""The line through recent steps."""

import pytest

from serving.engine.cost import StepCost


def test_it_finds_the_line() -> None:
    cost = StepCost()
    for tokens in [1, 8, 64, 3, 128, 20] * 5:
        cost.learn(tokens, 0.005 + 0.002 * tokens)
    assert cost.fixed == pytest.approx(0.005) and cost.each == pytest.approx(0.002)
    assert cost.tokens_within(0.105) in (49, 50)


def test_steps_of_one_size_alone_give_no_line() -> None:
    cost = StepCost()
    for _ in range(20):
        cost.learn(8, 0.04)
    assert not cost.known and cost.of(8) == pytest.approx(0.04) and cost.tokens_within(0.08) in (15, 16)


def test_a_stopped_process_is_no_slow_machine() -> None:
    cost = StepCost()
    for tokens in [1, 64] * 5:
        cost.learn(tokens, 0.01 + 0.001 * tokens)
    before = cost.each
    cost.learn(1, 5.0)
    assert cost.each == before


def test_nothing_known_yet() -> None:
    assert StepCost().tokens_within(0.1) > 0 and StepCost().of(10) > 0
