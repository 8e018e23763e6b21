"""Greedy decoding as simple as it can be written, to hold every faster one against."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.constraint import Constraint, Match
from serving.engine.kernels import kernels
from serving.engine.llama import Entry, Llama

NEAR_TIE = 0.1
"""What llama.cpp computes one token at a time it rounds otherwise than in a batch: queries and keys to 16 bit. That
moved logits of the tiny model by up to 0.03, and of two that all but tie each its own way. A random model's leads are
often that small, where a trained one's are not."""
OWN_TIE = 0.01
"""The same for our own kernels, which compute attention in 32 bit: 0.0012 was seen."""
_MOST_PATHS = 200


@dataclass(frozen=True)
class Verdict:
    """What became of the comparison of an answer. ties: places at which it took another token than the reference,
    which the reference itself held to be all but equal. gap: by how many logits the worst of them was behind;
    infinite where no chain of near ties leads to the answer. bound: the largest gap that is a near tie."""

    ties: int
    gap: float
    bound: float

    @property
    def right(self) -> bool:
        """Equal, or apart by near ties alone."""
        return self.gap < self.bound


class Reference:
    """llama.cpp, one token at a time: no sharing, no guesses, no batches, nothing forced without asking the model.

    own: with our kernels where this machine has them, which shows what is due to rounding and what to the engine.
    """

    def __init__(self, gguf: Path, own: bool = False, bound: float | None = None) -> None:
        self.llama = Llama(gguf, sequences=1, cells=2048, fast=own)
        self._bound = bound or (OWN_TIE if own and kernels() is not None else NEAR_TIE)
        self._adapters: dict[Path, Any] = {}

    def close(self) -> None:
        self.llama.close()

    def greedy(
        self, prompt: Sequence[int], most: int, constraint: Constraint | None, adapter: Path | None = None
    ) -> tuple[tuple[int, ...], float]:
        """The answer, and the smallest lead of a chosen token's logit over the next allowed one's."""
        out, lead = list[int](), float("inf")
        for logits, match in self._walk(prompt, out, constraint, adapter):
            second, best = np.argpartition(logits, -2)[-2:]
            lead = min(lead, float(logits[best] - logits[second]))
            if int(best) in self.llama.end_tokens:
                break
            _take(out, match, int(best))
            if len(out) >= most:
                break
        return tuple(out), lead

    def judge(
        self, prompt: Sequence[int], found: Sequence[int], ended: bool, constraint: Constraint | None,
        adapter: Path | None = None,
    ) -> Verdict:  # fmt: skip
        """Whether each token of an answer is the best one at its place, given what was said before it.

        ended: the answer ended of itself, not at its longest.
        """
        out, ties, gap = list[int](), 0, 0.0
        for logits, match in self._walk(prompt, out, constraint, adapter):
            best = float(logits.max())
            if len(out) == len(found):
                behind = best - max(float(logits[token]) for token in self.llama.end_tokens) if ended else 0.0
            else:
                behind = best - float(logits[found[len(out)]])
            ties, gap = ties + (behind > 0), max(gap, behind)
            if len(out) == len(found) or not np.isfinite(behind):
                break
            _take(out, match, found[len(out)])
            if len(out) == len(found) and not ended:
                break
        if len(out) < len(found):
            return Verdict(ties, float("inf"), self._bound)
        return Verdict(ties, gap, self._bound)

    def text(self, tokens: Sequence[int], stop: Sequence[str] = ()) -> str:
        """What a client reads of these tokens: up to the first stop text, broken characters as U+FFFD."""
        text = self.llama.detokenize(tokens)
        return text[: min((place for one in stop if (place := text.find(one)) >= 0), default=len(text))]

    def judge_text(
        self, prompt: Sequence[int], found: str, most: int, constraint: Constraint | None,
        adapter: Path | None = None, stop: Sequence[str] = (),
    ) -> Verdict:  # fmt: skip
        """The same for an answer of which only the text is known: looks for tokens that make it, near ties apart."""
        paths: list[tuple[list[int], int, float]] = [([], 0, 0.0)]
        for _ in range(_MOST_PATHS):
            if not paths:
                break
            known, ties, gap = paths.pop()
            out, lost = list[int](), False
            for logits, match in self._walk(prompt, out, constraint, adapter):
                place = len(out)
                if place < len(known):
                    _take(out, match, known[place])
                    continue
                best = float(logits.max())
                near = [int(token) for token in np.flatnonzero(logits > best - self._bound)]
                near.sort(key=lambda token: -logits[token])
                fit = [token for token in near if self._fits([*out, token], found, stop)]
                for token in fit[1:]:
                    paths.append(([*out, token], ties + 1, max(gap, best - float(logits[token]))))
                lost = not fit
                if lost:
                    break
                behind = best - float(logits[fit[0]])
                ties, gap = ties + (behind > 0), max(gap, behind)
                if fit[0] in self.llama.end_tokens:
                    return Verdict(ties, gap, self._bound)
                _take(out, match, fit[0])
                if len(out) >= most or any(one in self.llama.detokenize(out) for one in stop):
                    break
            if not lost and self.text(out, stop) == found:
                return Verdict(ties, gap, self._bound)
        return Verdict(0, float("inf"), self._bound)

    def _fits(self, tokens: list[int], found: str, stop: Sequence[str]) -> bool:
        if tokens[-1] in self.llama.end_tokens:
            return self.text(tokens[:-1], stop) == found
        raw = b"".join(map(self.llama.piece, tokens))
        text = codecs.getincrementaldecoder("utf-8")(errors="replace").decode(raw)
        if found.startswith(text):
            return True
        return text.startswith(found) and any(one.startswith(text[len(found) :][: len(one)]) for one in stop)

    def _walk(
        self, prompt: Sequence[int], out: list[int], constraint: Constraint | None, adapter: Path | None
    ) -> Iterator[tuple[NDArray[np.float32], Match | None]]:
        """The logits behind prompt and answer, what is not allowed at minus infinity; `out` grows meanwhile."""
        llama, match = self.llama, constraint.start() if constraint else None
        llama.use_adapter(None if adapter is None else self._adapter(adapter))
        feed, position = list(prompt), 0
        try:
            while match is None or not match.complete:
                for start in range(0, len(feed), llama.batch_size):
                    part = feed[start : start + llama.batch_size]
                    last = len(part) - 1
                    llama.decode([Entry(t, position + i, 0, i == last) for i, t in enumerate(part)])
                    position += len(part)
                logits = llama.logits(last)
                if match:
                    allowed = match.allowed()
                    if match.may_end:
                        allowed = allowed.copy()
                        allowed[list(llama.end_tokens)] = True
                    logits = np.where(allowed, logits, -np.inf)
                before = len(out)
                yield logits, match
                feed = out[before:]
        finally:
            llama.cut_sequence(0, 0)

    def _adapter(self, path: Path) -> Any:
        if path not in self._adapters:
            self._adapters[path] = self.llama.load_adapter(path)
        return self._adapters[path]


def _take(out: list[int], match: Match | None, token: int) -> None:
    out.append(token)
    if match:
        match.take([token])
