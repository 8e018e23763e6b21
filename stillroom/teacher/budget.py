"""What the teacher's answers cost, and the stop before the budget would be passed.

Before a request is sent its worst case is reserved: its prompt at one token a byte and the longest answer it may give.
When the answer comes, what it really took is booked instead. So whatever is under way, the budget cannot be passed.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stillroom.errors import UserError
from stillroom.recipe.teacher import Price, TeacherBudget

MILLION = Decimal(1_000_000)


class BudgetReached(UserError):
    """The next request could pass the budget."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The size of one exchange."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs of a job took of one model; `lost` are requests whose answers never came."""

    model: str
    requests: int
    tokens: Tokens
    lost: bool


@dataclass(slots=True)
class Line:
    """One line of the cost table."""

    paid: int = 0
    cached: int = 0
    lost: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: Decimal = Decimal(0)


class Ledger:
    """Counts what is spent and what is reserved; shared by all threads."""

    def __init__(self, budget: TeacherBudget, prices: Mapping[str, Price]) -> None:
        self._budget = budget
        self._prices = {
            model: (Decimal(str(price.prompt)), Decimal(str(price.completion))) for model, price in prices.items()
        }
        self._limit = Decimal(str(budget.money)) if budget.money is not None else None
        self._spent_money, self._spent_tokens = Decimal(0), 0
        self._reserved: dict[int, tuple[Decimal, int]] = {}
        self._next = 0
        # By how much the endpoint counted more than the worst case (a hidden system prompt); it is added from then on.
        self._surplus = 0
        self._lines: dict[tuple[str, str], Line] = {}
        self._changed = threading.Condition()

    def price(self, model: str, tokens: Tokens) -> Decimal:
        """What so many tokens cost; nothing where the model has no price."""
        prompt, completion = self._prices.get(model, (Decimal(0), Decimal(0)))
        return (prompt * tokens.prompt + completion * tokens.completion) / MILLION

    def reserve(self, model: str, worst: Tokens) -> int:
        """Set the worst case of a request aside; waits for those under way where they may leave room for it.

        Returns the reservation's number. Raises BudgetReached where even without them there is no room.
        """
        with self._changed:
            worst = Tokens(worst.prompt + self._surplus, worst.completion)
            money = self.price(model, worst)
            while not self._fits(money, worst.total, with_reserved=True):
                if not self._fits(money, worst.total, with_reserved=False) or not self._reserved:
                    raise BudgetReached(self._reached(money, worst.total))
                self._changed.wait()
            self._next += 1
            self._reserved[self._next] = (money, worst.total)
            return self._next

    def settle(self, reservation: int, purpose: str, model: str, tokens: Tokens, *, lost: bool = False) -> None:
        """Book what a request took. `lost` is one whose answer never came whole, though it may have been billed."""
        with self._changed:
            _, reserved = self._reserved.pop(reservation)
            self._surplus += max(0, tokens.total - reserved)
            self._book(purpose, model, tokens)
            line = self._line(purpose, model)
            if lost:
                line.lost += 1
            else:
                line.paid += 1
            self._changed.notify_all()

    def release(self, reservation: int) -> None:
        """A request that was refused and cost nothing."""
        with self._changed:
            self._reserved.pop(reservation)
            self._changed.notify_all()

    def recall(self, earlier: Iterable[Earlier]) -> None:
        """Book what earlier runs of the same job took: the budget is for the data set, not for one attempt at it."""
        with self._changed:
            for one in earlier:
                self._book("earlier runs", one.model, one.tokens)
                line = self._line("earlier runs", one.model)
                if one.lost:
                    line.lost += one.requests
                else:
                    line.paid += one.requests

    def from_cache(self, purpose: str, model: str) -> None:
        """Count an answer that cost nothing now."""
        with self._changed:
            self._line(purpose, model).cached += 1

    @property
    def money(self) -> Decimal:
        """What is spent so far."""
        with self._changed:
            return self._spent_money

    @property
    def tokens(self) -> int:
        """Tokens that are spent so far."""
        with self._changed:
            return self._spent_tokens

    def note(self) -> str:
        """The cost so far, in a few words, for a progress bar."""
        money, tokens = self.money, self.tokens
        words = f"{tokens:,} tokens"
        return f"{words}, cost {shown(money)}" if self._prices else words

    def table(self) -> list[dict[str, Any]]:
        """The cost table: one line for each purpose and model, and one for all."""
        with self._changed:
            lines = dict(self._lines)
        whole = Line()
        rows = []
        for (purpose, model), line in lines.items():
            for name in Line.__slots__:
                setattr(whole, name, getattr(whole, name) + getattr(line, name))
            rows.append(_row(purpose, model, line))
        return [*rows, _row("all", "", whole)]

    def _line(self, purpose: str, model: str) -> Line:
        return self._lines.setdefault((purpose, model), Line())

    def _book(self, purpose: str, model: str, tokens: Tokens) -> None:
        money = self.price(model, tokens)
        self._spent_money += money
        self._spent_tokens += tokens.total
        line = self._line(purpose, model)
        line.prompt_tokens += tokens.prompt
        line.completion_tokens += tokens.completion
        line.money += money

    def _fits(self, money: Decimal, tokens: int, *, with_reserved: bool) -> bool:
        held = self._reserved.values() if with_reserved else ()
        all_money = self._spent_money + money + sum((one for one, _ in held), Decimal(0))
        all_tokens = self._spent_tokens + tokens + sum(one for _, one in held)
        too_dear = self._limit is not None and all_money > self._limit
        return not too_dear and (self._budget.tokens is None or all_tokens <= self._budget.tokens)

    def _reached(self, money: Decimal, tokens: int) -> str:
        parts = []
        if self._limit is not None and self._spent_money + money > self._limit:
            parts.append(
                f"{shown(self._spent_money)} of {shown(self._limit)} are spent, the next may cost {shown(money)}"
            )
        if self._budget.tokens is not None and self._spent_tokens + tokens > self._budget.tokens:
            spent = f"{self._spent_tokens:,} of {self._budget.tokens:,} tokens"
            parts.append(f"{spent} are spent, the next request may take {tokens:,}")
        return (
            f"The teacher's budget is reached: {'; '.join(parts)}. What was paid for is kept: raise teacher.budget and "
            "run the same command again, and it goes on from there."
        )


def shown(money: Decimal) -> str:
    """An amount with at least two and at most six places."""
    text = f"{money:.6f}".rstrip("0")
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


def _row(purpose: str, model: str, line: Line) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "model": model,
        "paid": line.paid,
        "cached": line.cached,
        "lost": line.lost,
        "prompt_tokens": line.prompt_tokens,
        "completion_tokens": line.completion_tokens,
        "money": shown(line.money),
    }
