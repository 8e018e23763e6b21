"""A rolling restart under live streams, a process that stands still, and more clients than there is room for."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from loopback_proxy import Proxy
from server_process import Process, metric, wait

RESTARTS = int(os.environ.get("ROLLOUT_RESTARTS", "2"))
CLIENTS = 6
STORY: dict[str, Any] = {"max_tokens": 60, "temperature": 0, "logit_bias": {"0": -100, "2": -100}}
COMPLETIONS = "/v1/completions"


@dataclass
class Seen:
    """What the clients of a rollout saw."""

    counts: Counter[str] = field(default_factory=Counter)
    texts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def stream(client: httpx.Client, url: str, prompt: str) -> tuple[int, str]:
    """The status and the text of one stream; raises AssertionError where it began and did not end."""
    text, done = "", False
    body = {**STORY, "prompt": prompt, "stream": True}
    with client.stream("POST", f"{url}{COMPLETIONS}", json=body) as answer:
        if answer.status_code != 200:
            answer.read()
            return answer.status_code, answer.text
        try:
            for line in answer.iter_lines():
                if line == "data: [DONE]":
                    done = True
                elif line.startswith("data: "):
                    chunk = json.loads(line[6:])
                    assert "error" not in chunk, chunk
                    text += chunk["choices"][0]["text"]
        except httpx.TransportError as error:
            raise AssertionError(f"a stream was cut after {text!r}: {error!r}") from error
    assert done, f"a stream ended after {text!r}"
    return 200, text


def test_a_rolling_restart_loses_no_stream(serve_tiny: Callable[..., Process]) -> None:
    """Clients see answers, and 503 with Retry-After where a server is on its way out; they ask again, as it says."""
    seen, over = Seen(), threading.Event()

    def ask_on(number: int) -> None:
        asked = 0
        with httpx.Client(timeout=60) as client:  # connections are kept, as clients do
            while not over.is_set():
                prompt = f"Client {number} asks for the story of {asked % 5}.\n"
                try:
                    status, text = stream(client, proxy.url, prompt)
                except (AssertionError, httpx.TransportError) as error:
                    seen.faults.append(f"client {number}: {error!r}")
                    continue
                seen.counts[f"answered {status}"] += 1
                if status == 200:
                    seen.texts.setdefault(prompt, Counter())[text] += 1
                    asked += 1
                elif status == 503:
                    time.sleep(0.2)
                else:
                    seen.faults.append(f"client {number}: {status} {text}")

    with Proxy() as proxy:
        old = serve_tiny("--slots", "4", "--context", "256", "--grace", "60")
        proxy.servers.append(old.url)
        wait(lambda: proxy.ready == [old.url])
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(ask_on, number) for number in range(CLIENTS)]
            try:
                for _ in range(RESTARTS):
                    new = serve_tiny("--slots", "4", "--context", "256", "--grace", "60")
                    proxy.servers.append(new.url)
                    wait(lambda url=new.url: url in proxy.ready)  # type: ignore[misc]
                    wait(lambda server=old: metric(server, "vllm:num_requests_running") > 0)  # type: ignore[misc]
                    under_way = metric(old, "vllm:num_requests_running")
                    seen.counts["under way at SIGTERM"] += int(under_way)
                    assert old.stop() == 0
                    proxy.servers.remove(old.url)
                    before = seen.counts["answered 200"]
                    wait(lambda before=before: seen.counts["answered 200"] > before + CLIENTS)  # type: ignore[misc]
                    old = new
            finally:
                over.set()
            for client in clients:
                client.result(90)
    print(f"{RESTARTS} restarts: {dict(seen.counts)}, connections without a server: {proxy.refused}")
    assert not seen.faults, "\n".join(seen.faults)
    assert seen.counts["under way at SIGTERM"] > 0 and proxy.refused == 0
    # The same story from every server, but for near ties.
    usual = sum(texts.most_common(1)[0][1] for texts in seen.texts.values())
    assert usual >= 0.8 * seen.counts["answered 200"], seen.texts


def test_a_process_that_stood_still_goes_on(serve_tiny: Callable[..., Process]) -> None:
    """kill -STOP for five seconds under streams, then -CONT: every stream comes to its end, nothing is given up."""
    server = serve_tiny("--slots", "4", "--context", "256")
    prompts = [f"Story {number}.\n" for number in range(8)]
    with httpx.Client(timeout=60) as client:
        alone = [stream(client, server.url, prompt)[1] for prompt in prompts]

    def ask(prompt: str) -> tuple[int, str]:
        with httpx.Client(timeout=60) as client:
            return stream(client, server.url, prompt)

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(ask, prompt) for prompt in prompts]
        wait(lambda: metric(server, "vllm:num_requests_running") == 4)
        server.process.send_signal(signal.SIGSTOP)
        try:
            late = [pool.submit(ask, prompt) for prompt in prompts[:4]]  # to a process that does not move
            time.sleep(5)
            assert not any(one.done() for one in asked + late)
        finally:
            server.process.send_signal(signal.SIGCONT)
        found = [one.result(60) for one in asked + late]
    assert {status for status, _ in found} == {200}
    same = sum(text == expected for (_, text), expected in zip(found, alone + alone[:4], strict=True))
    assert same >= 9, (found, alone)  # near ties may part a story or two
    assert httpx.get(f"{server.url}/health/live").status_code == 200
    assert metric(server, "stillroom:requests_cancelled_total") == 0
    assert server.stop() == 0


def test_a_crowd_is_refused_at_once_and_who_is_in_notices_nothing(serve_tiny: Callable[..., Process]) -> None:
    """256 at once where 8 are answered and 32 wait."""
    slots, queue, crowd = 8, 32, 256
    server = serve_tiny("--slots", str(slots), "--context", "512", "--max-num-queued-reqs", str(queue))
    body = {**STORY, "max_tokens": 80}

    def at_once(clients: int) -> list[tuple[float, httpx.Response]]:
        gate = threading.Barrier(clients)
        over: list[tuple[float, httpx.Response]] = []

        def ask(number: int) -> None:
            with httpx.Client(timeout=300) as client:
                gate.wait()
                start = time.monotonic()
                answer = client.post(f"{server.url}{COMPLETIONS}", json={**body, "prompt": f"Client {number:03}.\n"})
                over.append((time.monotonic() - start, answer))  # in the order in which they ended

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return over

    at_once(slots)  # warm
    names = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
    figures = []
    for clients in (slots + queue, crowd):
        before = [metric(server, name) for name in names]
        over = at_once(clients)
        taken = [seconds for seconds, answer in over if answer.status_code == 200]
        refused = [answer for _, answer in over if answer.status_code == 429]
        assert len(taken) + len(refused) == clients and len(taken) >= slots + queue
        for answer in refused:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"] == "queued_requests"
        computed = [metric(server, name) - was for name, was in zip(names, before, strict=True)]
        figures.append([value / len(taken) for value in computed])
        late = sorted(seconds for seconds, answer in over if answer.status_code == 429)
        taken.sort()
        print(
            f"{clients} clients: {len(taken)} answered, median {taken[len(taken) // 2]:.2f} s, last {taken[-1]:.2f} s; "
            f"{len(late)} refused" + (f", median {late[len(late) // 2]:.2f} s, last {late[-1]:.2f} s" if late else "")
        )
    # Whoever is refused costs the engine nothing.
    assert [round(value) for value in figures[0]] == [round(value) for value in figures[1]]
    first_answered = next(number for number, (_, answer) in enumerate(over) if answer.status_code == 200)
    refused_before = sum(answer.status_code == 429 for _, answer in over[:first_answered])
    assert refused_before > 0.9 * len(refused), (refused_before, len(refused))
    assert server.stop() == 0
