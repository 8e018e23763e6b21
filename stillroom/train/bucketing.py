"""Batches of rows of like length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class LengthBuckets(Sampler[int]):
    """Yields row numbers batch by batch: rows of like length together, the batches in random order.

    lengths: tokens by row. The order depends on the seed and the epoch alone, so a resumed training sees the same
    batches. Each epoch blurs the lengths by up to a tenth, so that its batches are not last epoch's.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        blur = 1 + 0.1 * torch.rand(len(self._lengths), generator=generator)
        order = torch.argsort(torch.tensor(self._lengths) * blur, stable=True)
        batches = torch.split(order, self._batch_size)
        # The last batch may be short; anywhere but at the end it would shift the borders of those behind it.
        full = [batch for batch in batches if len(batch) == self._batch_size]
        for number in torch.randperm(len(full), generator=generator).tolist():
            yield from full[number].tolist()
        if len(batches) > len(full):
            yield from batches[-1].tolist()
