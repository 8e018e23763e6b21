"""Batches of rows of like length in which every class has its share."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import torch
from torch.utils.data import Sampler


class LengthBuckets(Sampler[int]):
    """Yields row numbers batch by batch: rows of like length together, the batches in random order.

    lengths: tokens by row. classes: what each row is an example of. Rows of one class often are of one length, and
    batches of a single class each teach the answer of that class rather than how to tell the classes apart: so each
    batch takes from every class, in proportion, rows of the same rank in length. The order depends on the seed and the
    epoch alone, so a resumed training sees the same batches. Each epoch blurs the lengths by up to a tenth, so that its
    batches are not last epoch's.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, classes: Sequence[Hashable] | None = None
    ) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0
        self._classes = classes if classes is not None else [None] * len(lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        blur = 1 + 0.1 * torch.rand(len(self._lengths), generator=generator)
        by_length = torch.argsort(torch.tensor(self._lengths) * blur, stable=True).tolist()
        members: dict[Hashable, list[int]] = defaultdict(list)
        for row in by_length:
            members[self._classes[row]].append(row)
        ranks = {row: (place + 0.5) / len(rows) for rows in members.values() for place, row in enumerate(rows)}
        order = torch.tensor(sorted(by_length, key=ranks.__getitem__), dtype=torch.long)
        batches = torch.split(order, self._batch_size)
        # The last batch may be short; anywhere but at the end it would shift the borders of those behind it.
        full = [batch for batch in batches if len(batch) == self._batch_size]
        for number in torch.randperm(len(full), generator=generator).tolist():
            yield from full[number].tolist()
        if len(batches) > len(full):
            yield from batches[-1].tolist()
