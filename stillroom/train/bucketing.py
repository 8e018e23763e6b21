"""Batches of rows of like length in which every class has its share, at random or by a curriculum."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Sampler


@dataclass(frozen=True, slots=True)
class Curriculum:
    """The order of the first `epochs` epochs; later ones are at random.

    stages: of each row the stage it belongs to; all batches of one come before those of the next. None is one stage.
    shortest_first: whether the batches of a stage go from short rows to long ones.
    """

    stages: Sequence[int] | None = None
    shortest_first: bool = False
    epochs: int = 1


class LengthBuckets(Sampler[int]):
    """Yields row numbers batch by batch: rows of like length together, the batches in random order.

    lengths: tokens by row. classes: what each row is an example of. Rows of one class often are of one length, and
    batches of a single class each teach the answer of that class rather than how to tell the classes apart: so each
    batch takes from every class, in proportion, rows of the same rank in length. The order depends on the seed and the
    epoch alone, so a resumed training sees the same batches. Each epoch blurs the lengths by up to a tenth, so that its
    batches are not last epoch's. A curriculum changes the order of the batches; every row still comes once an epoch.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        classes: Sequence[Hashable] | None = None,
        curriculum: Curriculum | None = None,
    ) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0
        self._classes = classes if classes is not None else [None] * len(lengths)
        self._curriculum = curriculum

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        blur = 1 + 0.1 * torch.rand(len(self._lengths), generator=generator)
        by_length = torch.argsort(torch.tensor(self._lengths) * blur, stable=True).tolist()
        curriculum = self._curriculum if self._curriculum and self._epoch < self._curriculum.epochs else Curriculum()
        stages = curriculum.stages or [0] * len(self._lengths)
        rest: list[int] = []
        for stage in sorted(set(stages)):
            # A short batch anywhere but at the end would shift the borders of those behind it: its rows begin the next.
            order = rest + self._by_rank([row for row in by_length if stages[row] == stage])
            *full, rest = _batches(order, self._batch_size)
            places = list(range(len(full)))
            if not curriculum.shortest_first:
                places = torch.randperm(len(full), generator=generator).tolist()
            for place in places:
                yield from full[place]
        yield from rest

    def _by_rank(self, by_length: list[int]) -> list[int]:
        """Rows of one rank in length next to each other, from every class in proportion."""
        members: dict[Hashable, list[int]] = defaultdict(list)
        for row in by_length:
            members[self._classes[row]].append(row)
        ranks = {row: (place + 0.5) / len(rows) for rows in members.values() for place, row in enumerate(rows)}
        return sorted(by_length, key=ranks.__getitem__)


def _batches(rows: list[int], size: int) -> list[list[int]]:
    """Full batches, and what is left over."""
    whole = len(rows) // size * size
    return [*(rows[start : start + size] for start in range(0, whole, size)), rows[whole:]]
