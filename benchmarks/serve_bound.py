"""What the kernels alone would allow: the very batches that the engine computed, run again with nothing between them.

The engine answers the requests in this process while every call of llama.cpp is written down; then the calls are
repeated and only the decoding is timed. Whatever the served engine takes beyond that is its own: waiting, sampling,
grammars, HTTP.
"""

import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import serve_work
from serving.engine.engine import Engine
from serving.engine.request import Finished, Request, Text
from serving.engine.scheduler import Limits
from stillroom.recipe.chat_template import ChatTemplate

_COUNTED = (
    "prompt_tokens", "cached_prompt_tokens", "generation_tokens", "forced_tokens", "drafted_tokens", "accepted_tokens",
    "decode_seconds", "busy_seconds",
)  # fmt: skip


class _Recorder:
    """Writes down what is asked of a Llama, which goes on doing it."""

    def __init__(self, llama: Any) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._llama = llama
        for name in ("decode", "copy_sequence", "cut_sequence"):
            setattr(llama, name, self._recorded(name, getattr(type(llama), name).__get__(llama)))

    def _recorded(self, name: str, method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return method(*arguments)

        return call

    def replay(self, start: int) -> tuple[float, int, int]:
        """Do it all again from empty sequences; seconds inside llama.cpp, tokens and steps of what was recorded after
        the first `start` calls."""
        llama = self._llama
        kind = type(llama)
        for sequence in range(llama.sequences):
            kind.cut_sequence(llama, sequence, 0)
        seconds, tokens, steps = 0.0, 0, 0
        for number, (name, arguments) in enumerate(self.calls):
            before = time.perf_counter()
            getattr(kind, name)(llama, *arguments)
            if name == "decode" and number >= start:
                llama.all_logits(1)
                seconds += time.perf_counter() - before
                tokens, steps = tokens + len(arguments[0]), steps + 1
        return seconds, tokens, steps


def bound(work: serve_work.Workload, model: Path, clients: int, slots: int) -> dict[str, float]:
    """Requests a second that the kernels alone would give for these requests at so many clients."""
    engine = Engine(model, Limits(slots=slots, context_tokens=work.context), sha256=None)
    recorder = _Recorder(engine._llama)
    template = ChatTemplate(engine.chat_template, engine.bos_token, engine.eos_token)
    constraint = engine.compile("json_schema", work.schema) if work.schema else None

    def requests(bodies: list[dict[str, Any]]) -> list[Request]:
        made = []
        for body in bodies:
            text = template.render(body["messages"])
            made.append(Request(tuple(engine.tokenize(text)), body["max_tokens"], constraint))
        return made

    count = work.requests.get(clients, 4 * clients)
    _answer(engine, requests(work.warming[:clients]), clients)
    warm = len(recorder.calls)
    wanted = requests(work.bodies[:count])
    before, start = asdict(engine.stats()), time.perf_counter()
    _answer(engine, wanted, clients)
    alone, after = time.perf_counter() - start, asdict(engine.stats())
    seconds, tokens, steps = engine._scheduler.run_between_steps(lambda: recorder.replay(warm)).result()
    engine.close()
    return {
        "requests_per_second": count / seconds,
        "kernel_tokens_per_second": tokens / seconds,
        "computed_tokens": tokens / count,
        "steps": steps / count,
        **{name: (after[name] - before[name]) / count for name in _COUNTED},
        "in_process_requests_per_second": count / alone,
    }


def _answer(engine: Engine, requests: list[Request], clients: int) -> None:
    """Have all answered, `clients` at a time."""
    free = threading.Semaphore(clients)

    def on_event(event: Any) -> None:
        if not isinstance(event, Text):
            assert isinstance(event, Finished), event
            free.release()

    for request in requests:
        free.acquire()
        engine.submit(request, on_event)
    for _ in range(clients):
        free.acquire()


if __name__ == "__main__":
    name, file, clients, slots = sys.argv[1:]
    work = next(work for work in serve_work.workloads() if work.name == name)
    print(json.dumps(bound(work, Path(file), int(clients), int(slots))))
