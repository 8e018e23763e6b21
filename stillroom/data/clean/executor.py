"""The same work on every chunk of a stream, on all cores; results come in the order of the chunks."""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from stillroom.machine import cpu_threads

T = TypeVar("T")
R = TypeVar("R")
INLINE = 8
"""So many chunks are worked on in this process: starting others takes longer than a small set takes in all."""
AHEAD = 3
"""Chunks a process that wait for it, so that none of them idles and the backlog stays small."""
_NEEDED = ["stillroom.data.clean.chain", "ftfy", "jsonschema", "phonenumbers", "py3langid.langid", "rensa", "xxhash"]
"""Modules that most work uses; a process imports by itself what else its own needs."""


class Executor(Protocol):
    """Runs `work` on every chunk and gives each chunk with its result, in their order."""

    def __call__(self, work: Callable[[T], R], chunks: Iterable[T]) -> Iterator[tuple[T, R]]:
        """`work` and the chunks must be picklable; no more than a few chunks are held at once."""


def local(work: Callable[[T], R], chunks: Iterable[T]) -> Iterator[tuple[T, R]]:
    """On the cores of this machine that this process may use."""
    chunks = iter(chunks)
    first = list(islice(chunks, INLINE + 1))
    workers = cpu_threads()
    chunks = chain(first, chunks)
    if len(first) <= INLINE or workers == 1:
        yield from ((chunk, work(chunk)) for chunk in chunks)
        return
    # Not forked from this process: the readers may have started threads, and a fork copies their locks as they stand.
    # A server without threads imports what the work needs once, and is forked for each process of every pass.
    context = get_context("forkserver")
    context.set_forkserver_preload(_NEEDED)
    pool = ProcessPoolExecutor(workers, context, _begin, (work,))
    try:
        waiting: deque[tuple[T, Future[R]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_work, chunk)))
            if len(waiting) > workers * AHEAD:
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _done(chunk: T, result: Future[R]) -> tuple[T, R]:
    return chunk, result.result()


_its_work: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any]) -> None:
    global _its_work
    _its_work = work
    gc.freeze()  # what was imported stays, and need not be gone through each time that garbage is looked for


def _work(chunk: Any) -> Any:
    return _its_work(chunk)
