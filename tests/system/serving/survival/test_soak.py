"""The server as a process under everything that people and networks do to it, for as long as is asked.

SOAK_REQUESTS sets how many requests; `make soak` sends 10,000. Each greedy answer is held against llama.cpp's own
answer to that request alone, each request must end in an answer or an error, and the memory must come to stand still.
"""

import json
import os
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from server_process import Process, metric, wait
from soak_cases import Cases
from soak_client import Soaker

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "240"))
ROUNDS = max(4, min(40, REQUESTS // 250))
DISTINCT = min(280, max(56, REQUESTS // 12))
ADMIN = "the-admin-key"
CONTEXT = 320
ROOM = 400
"""Tokens that the cache has room for: less than the answers under way want, so that some are begun again."""
MOST_GROWTH = 1.02
"""Of the memory from the middle to the end: below what a byte kept of every request would come to."""


def test_nothing_is_lost_crossed_or_kept(serve_tiny: Callable[..., Process], tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "admin").write_text(f"{ADMIN}\n")
    server = serve_tiny(
        "--slots", "6", "--context", str(CONTEXT), "--max-num-queued-reqs", "16", "--max-num-queued-tokens", "2000",
        "--admin-key-file", str(tmp_path / "admin"), room=ROOM,
    )  # fmt: skip
    draw = random.Random(0)
    judge = Cases(tiny_model, {name: tiny_model / "adapters" / f"{name}.gguf" for name in "ab"}, CONTEXT)
    try:
        cases = judge.drawn(DISTINCT, draw)
        assert len({case.expected for case in cases}) > 0.7 * len(cases)  # else a crossed answer would not be seen
        for name, path in judge.adapters.items():
            body = {"name": name, "path": path.name}
            answer = httpx.post(f"{server.url}/v1/adapters", json=body, headers={"Authorization": f"Bearer {ADMIN}"})
            assert answer.status_code == 201, answer.text
        soaker = Soaker(server.url, ADMIN, cases, judge, draw)
        memory, handles = [], []
        for number in range(ROUNDS):
            soaker.round(REQUESTS // ROUNDS)
            wait(lambda: metric(server, "vllm:num_requests_running") + metric(server, "vllm:num_requests_waiting") == 0)
            memory.append(_bytes(server))
            handles.append(psutil.Process(server.process.pid).num_fds())
            so_far = f"{soaker.outcome.counts['right']} right answers, {len(soaker.outcome.faults)} faults"
            print(
                f"round {number + 1} of {ROUNDS}: {memory[-1] / 2**20:.1f} MiB, {handles[-1]} handles, {so_far}",
                flush=True,
            )
    finally:
        judge.close()
    outcome = soaker.outcome
    for name, count in sorted(outcome.counts.items()):
        print(f"  {name}: {count}")
    right, parted = outcome.counts["right"], sum(outcome.ties.values())
    print(f"{right} right answers, {parted} of them apart at near ties ({outcome.worst_gap:.4f} of a logit at most)")
    print(f"preempted {metric(server, 'vllm:num_preemptions_total'):.0f}")
    assert not outcome.faults, "\n".join(outcome.faults[:20])
    assert parted <= right // 5
    # What the machine could be seen to do under pressure did happen, or this says nothing.
    assert metric(server, "vllm:num_preemptions_total") > 0 and outcome.counts["429, asked again"] > 0
    assert metric(server, "stillroom:requests_cancelled_total") > 0 and outcome.counts["went in the middle"] > 0
    assert server.stop() == 0
    _every_request_is_in_the_log(server.log, outcome.told)
    later = memory[len(memory) // 2 :]
    if REQUESTS >= 5000:
        quarter = max(1, len(later) // 2)
        assert statistics.median(later[-quarter:]) <= MOST_GROWTH * statistics.median(later[:quarter]), memory
    assert handles[-1] <= handles[0] + 4, handles


def _bytes(server: Process) -> int:
    """Memory of the server and of the child that compiles grammars."""
    process = psutil.Process(server.process.pid)
    return sum(one.memory_info().rss for one in (process, *process.children()))


def _every_request_is_in_the_log(log: Path, told: dict[str, int]) -> None:
    logged: dict[str, list[int]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        assert "exception" not in entry and entry["level"] in ("info", "warning"), entry
        if "status" in entry:
            logged.setdefault(entry["request_id"], []).append(entry["status"])
    different = {name: (logged.get(name), status) for name, status in told.items() if logged.get(name) != [status]}
    assert not different, different
