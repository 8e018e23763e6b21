"""Choosing a token from a row of logits.

The order is vLLM's: penalties and biases, temperature, min_p, top_k, top_p, one draw. Greedy choices copy nothing.
"""

import secrets
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.engine.request import Logprob, Sampling

Row = NDArray[np.float32]
Ids = NDArray[np.int64]
_LIKELY = 512  # nucleus candidates that are tried before the whole vocabulary is sorted


class Sampler:
    """The choices of one answer. The n-th draw depends on the seed and n alone, whatever else is in the batch."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self.sampling = sampling
        self._bias_ids = np.fromiter(sampling.logit_bias.keys(), np.int64, len(sampling.logit_bias))
        self._biases = np.fromiter(sampling.logit_bias.values(), np.float32, len(sampling.logit_bias))
        self._seen = set(prompt) if sampling.repetition_penalty != 1 else set()
        self._counts: Counter[int] = Counter()
        seed = sampling.seed if sampling.seed is not None else secrets.randbits(64)
        self._random = None if sampling.greedy else np.random.Generator(np.random.Philox(seed % 2**64))

    def choose(self, row: Row, allowed: Ids | None = None) -> int:
        """One token; `allowed` are the ids it may be, all of them where None. The row is left as it is."""
        sampling = self.sampling
        scores = row if sampling.plain else self._adjusted(row)
        if allowed is not None and sampling.greedy:
            scores = scores[allowed]
        if sampling.greedy:
            place = int(scores.argmax())
            return place if allowed is None else int(allowed[place])
        return self._draw(scores, allowed)

    def said(self, token: int) -> None:
        """Count a token of the answer, forced ones too, for the penalties."""
        if not self.sampling.plain:
            self._counts[token] += 1
            self._seen.add(token)

    def _adjusted(self, row: Row) -> Row:
        scores = row.copy()
        sampling = self.sampling
        if sampling.repetition_penalty != 1 and self._seen:
            ids = np.fromiter(self._seen, np.int64, len(self._seen))
            found = scores[ids]
            penalty = np.float32(sampling.repetition_penalty)
            scores[ids] = np.where(found > 0, found / penalty, found * penalty)
        if self._counts and (sampling.presence_penalty or sampling.frequency_penalty):
            ids = np.fromiter(self._counts.keys(), np.int64, len(self._counts))
            counts = np.fromiter(self._counts.values(), np.float32, len(self._counts))
            scores[ids] -= np.float32(sampling.presence_penalty) + np.float32(sampling.frequency_penalty) * counts
        if len(self._bias_ids):
            scores[self._bias_ids] += self._biases
        return scores

    def _draw(self, scores: Row, allowed: Ids | None) -> int:
        sampling = self.sampling
        if allowed is not None:
            held = np.full_like(scores, -np.inf)
            held[allowed] = scores[allowed]
            scores = held
        weights = np.exp((scores.astype(np.float64) - float(scores.max())) / sampling.temperature)
        if sampling.min_p:
            weights[weights < sampling.min_p] = 0  # the likeliest one has the weight 1
        kept = np.flatnonzero(weights)
        if 0 < sampling.top_k < len(kept):
            # A stable order, so that equal weights are cut the same way each time.
            kept = np.sort(kept[np.argsort(-weights[kept], kind="stable")[: sampling.top_k]])
        if sampling.top_p < 1:
            kept = _nucleus(weights, kept, sampling.top_p)
        # The least of exponentials at these rates is a draw by weight. The noise belongs to the token, so a logit that
        # another batch moved in its last bit changes the draw only where two tokens all but tie.
        assert self._random is not None
        noise = self._random.standard_exponential(len(scores))
        return int(kept[(weights[kept] / noise[kept]).argmax()])


def _nucleus(weights: NDArray[np.float64], kept: Ids, top_p: float) -> Ids:
    """The fewest likeliest of `kept` that together have the share top_p."""
    goal = float(weights[kept].sum()) * top_p
    likely = kept
    if len(kept) > _LIKELY:
        likely = kept[np.argpartition(-weights[kept], _LIKELY)[:_LIKELY]]
        if float(weights[likely].sum()) < goal:
            likely = kept
    likely = likely[np.argsort(-weights[likely], kind="stable")]
    count = int(np.searchsorted(np.cumsum(weights[likely]), goal)) + 1
    return np.sort(likely[:count])


def allowed_ids(bits: NDArray[np.uint8], words: int) -> Ids:
    """The token ids whose bits are set in a mask."""
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")[:words])


def logprob(row: Row, token: int, top: int) -> Logprob:
    """A token's log-probability under a row of logits, and those of the `top` likeliest."""
    scores = row.astype(np.float64)
    highest = float(scores.max())
    total = highest + float(np.log(np.exp(scores - highest).sum()))
    best: tuple[tuple[int, float], ...] = ()
    if top:
        ids = np.argpartition(-row, top)[:top] if top < len(row) else np.arange(len(row))
        ids = ids[np.argsort(-row[ids], kind="stable")]
        best = tuple((int(i), float(row[i]) - total) for i in ids)
    return Logprob(token, float(row[token]) - total, best)
