"""What a step costs on this machine, learnt from the steps themselves: a + b · tokens seconds."""

_MEMORY = 0.97  # weight of what was seen one step earlier; about the last hundred steps count


class StepCost:
    """A line through (tokens, seconds) of recent steps, and what follows from it."""

    def __init__(self) -> None:
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        """Take note of one step."""
        if self.known and seconds > 8 * self.of(tokens):
            return  # the process was stopped or pushed aside: no property of the step
        sums = self._n, self._x, self._y, self._xx, self._xy
        new = 1.0, tokens, seconds, tokens * tokens, tokens * seconds
        self._n, self._x, self._y, self._xx, self._xy = (
            _MEMORY * old + more for old, more in zip(sums, new, strict=True)
        )

    @property
    def known(self) -> bool:
        """Steps of different sizes were seen."""
        return self._n * self._xx - self._x**2 > 1e-6 * self._xx and self._n > 2

    @property
    def each(self) -> float:
        """Seconds that one more token in a batch takes."""
        if not self.known:
            return self._y / self._x if self._x else 0.002
        slope = (self._n * self._xy - self._x * self._y) / (self._n * self._xx - self._x**2)
        mean = self._y / self._x
        return min(max(slope, mean / 20), mean)

    @property
    def fixed(self) -> float:
        """Seconds that a step takes however few its tokens."""
        return max(0.0, (self._y - self.each * self._x) / self._n) if self._n else 0.0

    def of(self, tokens: int) -> float:
        """Seconds that a step of so many tokens probably takes."""
        return self.fixed + self.each * tokens

    def tokens_within(self, seconds: float) -> int:
        """The largest step that probably takes no longer."""
        return max(0, int((seconds - self.fixed) / self.each))
