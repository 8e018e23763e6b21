"""Forced tokens that no batch holds at once: fed in parts, and the free decoder is still asked about each."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.engine.dual import DualDecoder, Result
from serving.engine.llama import Entry

END, WORDS, BATCH = 0, 100, 8
PROMPT = [1, 2, 3]
FORCED = list(range(10, 40))


class Script:
    """Stands for llama.cpp: whatever it is given, the token after n others is the n-th of its script."""

    def __init__(self, script: Sequence[int]) -> None:
        self.batch_size, self.sequences, self.words, self.end_tokens = BATCH, 3, WORDS, {END}
        self._script, self._computed = list(script), {0: 0, 1: 0, 2: 0}
        self._rows: list[NDArray[np.float32] | None] = []

    def decode(self, entries: Sequence[Entry]) -> None:
        assert 1 <= len(entries) <= BATCH
        self._rows = []
        for entry in entries:
            assert entry.position == self._computed[entry.sequence]
            self._computed[entry.sequence] += 1
            following = entry.position + 1
            best = self._script[following] if following < len(self._script) else END
            self._rows.append(np.eye(WORDS, dtype=np.float32)[best] if entry.logits else None)

    def logits(self, index: int) -> NDArray[np.float32]:
        row = self._rows[index]
        assert row is not None
        return row

    def piece(self, token: int) -> bytes:
        return b"x"

    def copy_sequence(self, source: int, target: int, end: int) -> None:
        self._computed[target] = end

    def cut_sequence(self, sequence: int, start: int) -> None:
        self._computed[sequence] = min(start, self._computed[sequence])


class Fixed:
    """Stands for a schema that allows one answer only."""

    failure = ""

    def __init__(self) -> None:
        self._said: list[int] = []

    def start(self) -> "Fixed":
        return Fixed()

    def forced(self) -> list[int]:
        self._said = list(FORCED)
        return list(FORCED)

    def allows(self, tokens: list[int]) -> int:
        return 0

    @property
    def complete(self) -> bool:
        return self._said == FORCED


def answer(script: Sequence[int], most: int, free: bool = True) -> Result:
    engine = DualDecoder(Script(script), slots=1)  # type: ignore[arg-type]
    (result,) = engine.answer([PROMPT], most, Fixed(), free=free)  # type: ignore[arg-type]
    assert result.held is not None and result.held.tokens == tuple(FORCED)
    return result


def test_a_held_answer_alone() -> None:
    assert answer(PROMPT, 50, free=False).free is None


@pytest.mark.parametrize("agreed", [0, 1, 5, 6, 13, 29])
def test_the_free_answer_parts_wherever_it_disagrees(agreed: int) -> None:
    said = [*FORCED[:agreed], 90, 91]
    free = answer([*PROMPT, *said], 50).free
    assert free is not None and (free.tokens, free.finish) == (tuple(said), "stop")


def test_a_free_answer_that_agrees_with_all_goes_on_behind_it() -> None:
    free = answer([*PROMPT, *FORCED, 90], 50).free
    assert free is not None and (free.tokens, free.finish) == ((*FORCED, 90), "stop")


@pytest.mark.parametrize("agreed", [3, 20, 30])
def test_a_free_answer_is_cut_off_and_never_takes_forced_tokens_unasked(agreed: int) -> None:
    free = answer([*PROMPT, *FORCED[:agreed], *[90] * 40], 12).free
    expected = (*FORCED[:agreed], *[90] * 40)[:12]
    assert free is not None and (free.tokens, free.finish) == (expected, "length")
