"""Clients of an OpenAI-compatible server: a fixed number of them at once, or arrivals at random; what each one saw."""

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PATH = "/v1/chat/completions"
SECONDS = 300


@dataclass
class Reply:
    """One answer. Seconds count from when the request was due. first: None where the answer came in one piece."""

    text: str
    seconds: float
    first: float | None
    tokens: int
    error: str = ""


@dataclass
class Load:
    """What a load came to: the replies in the order of the requests, and the seconds from the first to the last."""

    replies: list[Reply]
    seconds: float


def closed(port: int, bodies: Sequence[dict[str, Any]], clients: int) -> Load:
    """Send all, `clients` at a time: each sends its next request when the last one is answered."""
    waiting = iter(range(len(bodies)))
    replies: list[Reply | None] = [None] * len(bodies)
    lock = threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return connection.close()
            replies[number] = _ask(connection, bodies[number], time.perf_counter())

    start = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(min(clients, len(bodies)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load([reply for reply in replies if reply is not None], time.perf_counter() - start)


def poisson(port: int, bodies: Sequence[dict[str, Any]], rate: float, seed: int) -> Load:
    """Send all at random moments, `rate` a second on average, whether or not earlier ones are answered."""
    draw, due, moments = random.Random(seed), 0.0, []
    for _ in bodies:
        due += draw.expovariate(rate)
        moments.append(due)
    replies: list[Reply | None] = [None] * len(bodies)
    start = time.perf_counter()

    def one(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        replies[number] = _ask(connection, bodies[number], start + moments[number])
        connection.close()

    threads = []
    for number, moment in enumerate(moments):
        time.sleep(max(0.0, start + moment - time.perf_counter()))
        threads.append(threading.Thread(target=one, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return Load([reply for reply in replies if reply is not None], time.perf_counter() - start)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th, by the nearest rank; empty for no values."""
    ranked = sorted(values)
    return {f"p{p}": ranked[min(len(ranked) - 1, int(len(ranked) * p / 100))] for p in (50, 95, 99) if ranked}


def _ask(connection: http.client.HTTPConnection, body: dict[str, Any], due: float) -> Reply:
    try:
        response = _send(connection, body)
        if response.status != 200:
            return Reply("", time.perf_counter() - due, None, 0, response.read().decode(errors="replace")[:300])
        if body.get("stream"):
            return _streamed(response, due)
        told = json.loads(response.read())
        seconds = time.perf_counter() - due
        return Reply(told["choices"][0]["message"]["content"] or "", seconds, None, told["usage"]["completion_tokens"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        connection.close()
        return Reply("", time.perf_counter() - due, None, 0, f"{type(error).__name__}: {error}")


def _send(connection: http.client.HTTPConnection, body: dict[str, Any]) -> http.client.HTTPResponse:
    for attempt in range(2):
        try:
            connection.request("POST", PATH, json.dumps(body), {"Content-Type": "application/json"})
            return connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection.close()  # a server may close a connection between two requests; a second time it is a fault
            if attempt:
                raise
    raise AssertionError


def _streamed(response: http.client.HTTPResponse, due: float) -> Reply:
    parts, first, tokens = list[str](), None, 0
    for line in response:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            return Reply("".join(parts), time.perf_counter() - due, first, tokens, str(chunk["error"])[:300])
        for choice in chunk.get("choices") or ():
            if said := choice["delta"].get("content"):
                first = first or time.perf_counter() - due
                parts.append(said)
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    # Who tells no usage sends each token by itself.
    return Reply("".join(parts), time.perf_counter() - due, first, tokens or len(parts))
