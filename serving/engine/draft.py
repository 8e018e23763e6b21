"""Guessing what an answer will say next, and whether a guess is worth its place in the batch.

Values are mostly copied from the prompt, and answers under one constraint resemble each other. So the next tokens are
guessed by the last place in prompt or answer, else in earlier answers under the same constraint, where the current
tokens stood. A guess is verified by the batch that computes it: it changes no answer.
"""

from collections.abc import Sequence

from serving.engine.cost import StepCost

LONGEST = 8
_KEY = 2  # tokens that must have stood before, in the prompt or the answer
_SAID_KEY = 3  # and in earlier answers
_MOST_SAID = 20_000
_MEMORY = 0.9


class Hits:
    """How often a guessed token was right of late."""

    def __init__(self) -> None:
        self._right, self._all = 2.0, 3.0  # before anything is known, a guess or two is tried

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self._right / self._all

    def learn(self, guessed: int, right: int) -> None:
        """Take note: what follows a wrong guess was never judged."""
        self._right = self._right * _MEMORY + right
        self._all = self._all * _MEMORY + right + (right < guessed)


class Said:
    """What earlier answers under one constraint went on with."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.hits = Hits()

    def learn(self, answer: Sequence[int]) -> None:
        """Take note of a finished answer."""
        if len(self._next) > _MOST_SAID:
            self._next.clear()
        for at in range(_SAID_KEY, len(answer)):
            self._next[tuple(answer[at - _SAID_KEY : at])] = tuple(answer[at : at + LONGEST])

    def after(self, history: Sequence[int]) -> Sequence[int]:
        """A guess at what follows."""
        return self._next.get(tuple(history[-_SAID_KEY:]), ())


class Drafter:
    """Guesses for one answer."""

    def __init__(self, said: Said | None) -> None:
        self._said, self._hits = said, Hits()
        self._places: dict[tuple[int, ...], int] = {}
        self._indexed = 0
        self._source = self._hits

    def guess(self, history: Sequence[int], most: int) -> Sequence[int]:
        """Up to `most` tokens that may come next."""
        while self._indexed + _KEY < len(history):
            self._places[tuple(history[self._indexed : self._indexed + _KEY])] = self._indexed + _KEY
            self._indexed += 1
        at = self._places.get(tuple(history[-_KEY:]))
        if at is not None:
            self._source, guesses = self._hits, history[at : at + most]
        elif self._said is not None:
            self._source, guesses = self._said.hits, self._said.after(history)[:most]
        else:
            return ()
        return guesses

    def worth(self, guesses: Sequence[int], cost: StepCost, answering: int) -> int:
        """How many of the guesses are worth computing: those that probably save more than they cost.

        A token more in the batch costs `cost.each`. If it is right, it spares one of `answering` answers a turn, that
        is its share of a step's fixed cost and the same token later.
        """
        least = cost.each / (cost.each + cost.fixed / max(1, answering))
        chance, count = 1.0, 0
        while count < len(guesses) and (chance := chance * self._source.share) > least:
            count += 1
        return count

    def learn(self, guessed: int, right: int) -> None:
        """Take note of what became of the last guesses."""
        if guessed:
            self._source.learn(guessed, right)
