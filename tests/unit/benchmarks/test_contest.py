"""What a contest of trainings makes of its runs: who is measured again, and whether the goals hold."""

from typing import Any

import pytest

from benchmarks.contest import IN_FP32, OURS, Line, measure, summary


def line(shared: int, contender: str, speed: float, peak: float = 100.0, loss: float = 1.0) -> Line:
    return Line(shared, contender, speed, 1.0, peak, loss, [speed])


def run_of(speeds: dict[str, list[float] | None], order: list[str]) -> Any:
    def run(contender: str, shared: int) -> dict[str, Any] | None:
        order.append(contender)
        left = speeds[contender]
        return left and {
            "samples_per_second": left.pop(0) if len(left) > 1 else left[0],
            "tokens_per_second": 1.0,
            "peak_mib": 100.0,
            "losses": [2.0, 1.0],
        }

    return run


def test_a_clear_outcome_is_measured_once_and_ours_last_again() -> None:
    order: list[str] = []
    run = run_of({OURS: [6.0, 7.0], "one": [1.0], "other": [0.5]}, order)
    lines = measure(300, [OURS, "one", "other", OURS], 3.0, run)
    assert order == [OURS, "one", "other", OURS]
    assert [(made.contender, made.samples_per_second) for made in lines] == [(OURS, 6.5), ("one", 1.0), ("other", 0.5)]


def test_an_outcome_near_the_goal_is_measured_again_against_the_best_peer() -> None:
    order: list[str] = []
    lines = measure(0, [OURS, "one", "other", OURS], 5.0, run_of({OURS: [6.0], "one": [1.0], "other": [1.1]}, order))
    assert order == [OURS, "one", "other", OURS, "other", OURS]
    assert [len(made.runs) for made in lines] == [3, 1, 2]


def test_a_contender_that_cannot_run_has_no_line() -> None:
    lines = measure(0, [OURS, "one", OURS], 2.0, run_of({OURS: [6.0], "one": None}, []))
    assert [made.contender for made in lines] == [OURS]
    assert summary(lines, {0: 2.0}) == ("MISSED 0 shared: no peer was measured", True)


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        (line(300, OURS, 5.0, 50.0, 1.009), True),
        (line(300, OURS, 4.9, 50.0, 1.0), False),
        (line(300, OURS, 5.0, 51.0, 1.0), False),
        (line(300, OURS, 5.0, 50.0, 1.02), False),
    ],
    ids=["met", "too slow", "too much memory", "another loss"],
)
def test_every_goal_counts(ours: Line, met: bool) -> None:
    """The fastest peer is the one that counts, whatever the others need."""
    table = [ours, line(300, "slow", 0.5, 9.0, 3.0), line(300, "quick", 1.0, 100.0, 1.0)]
    text, missed = summary(table, {300: 5.0})
    assert missed is not met
    assert text.startswith("MET 300 shared: 5.0x quick (goal 5x), 0.50" if met else "MISSED 300 shared:")


def test_losses_are_compared_in_fp32_where_bf16_moves_them() -> None:
    table = [line(0, OURS, 5.0, 50.0, 1.05), line(0, "trl-bf16", 1.0, 100.0, 1.0)]
    assert summary(table, {0: 5.0}, in_fp32=True) == (
        "MET 0 shared: 5.0x trl-bf16 (goal 5x), 0.50 of its memory (goal 0.5)", False
    )  # fmt: skip
    pair = [line(0, name, 0.5, 200.0, 1.1) for name in IN_FP32]
    text, missed = summary([*table, *pair], {0: 5.0}, in_fp32=True)
    assert text.endswith("loss 0.0% apart in fp32") and not missed
    pair[0].last_loss = 1.12
    assert summary([*table, *pair], {0: 5.0}, in_fp32=True)[1]


def test_a_length_without_a_goal_must_not_be_slower() -> None:
    assert summary([line(7, OURS, 1.0, 1.0), line(7, "peer", 1.01, 9.0)], {})[1]
