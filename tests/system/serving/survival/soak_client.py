"""Clients of every kind at once: patient ones, ones that go, ones that mean harm; and what became of each request."""

import asyncio
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
from soak_cases import Case, Cases, called, read

AT_ONCE = 24
MOST_TRIES = 400
DEEP = 100_000


@dataclass
class Outcome:
    """Counts of what happened, and every fault in words."""

    counts: Counter[str] = field(default_factory=Counter)
    ties: Counter[int] = field(default_factory=Counter)
    worst_gap: float = 0.0
    faults: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """Request ids that were answered, with the status; the server's log must hold each of them once."""


class Soaker:
    """Sends requests in rounds; `shares` says how many in a hundred are of which kind."""

    shares: ClassVar = {
        "right": 60, "texts": 14, "sampled": 6, "bad_one": 6, "goes": 4, "cut_body": 2, "reset": 2, "swap": 2,
        "late": 2, "bomb": 2,
    }  # fmt: skip

    def __init__(self, url: str, admin: str, cases: list[Case], judge: Cases, draw: random.Random) -> None:
        self._url, self._cases, self._judge, self._draw = url, cases, judge, draw
        self._admin = {"Authorization": f"Bearer {admin}"}
        self.outcome = Outcome()
        self._sent = 0
        self._bad = _bad_requests()

    def round(self, size: int) -> None:
        """Send so many, and come back when the last is over."""
        asyncio.run(self._round(size))

    async def _round(self, size: int) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        port = int(self._url.rpartition(":")[2])
        limits = httpx.Limits(max_connections=AT_ONCE + 4)
        async with httpx.AsyncClient(base_url=self._url, timeout=120, limits=limits) as client:

            async def one(act: Callable[..., Coroutine[Any, Any, None]]) -> None:
                async with places:
                    self._sent += 1
                    name = act.__name__.strip("_")
                    self.outcome.counts[f"sent {name}"] += 1
                    identity = f"soak-{self._sent}"
                    try:
                        await act(client if act not in (self._cut_body, self._reset) else port, identity)
                    except Exception as error:
                        self.outcome.faults.append(f"{identity} {name}: {error!r}")

            acts = [getattr(self, f"_{name}") for name in self.shares]
            chosen = self._draw.choices(acts, weights=list(self.shares.values()), k=size)
            await asyncio.gather(*map(one, chosen))

    async def _ask(self, client: httpx.AsyncClient, path: str, body: Any, identity: str, **headers: str) -> Any:
        """Ask until there is room; the last answer."""
        for attempt in range(MOST_TRIES):
            asked = f"{identity}.{attempt}"
            answer = await client.post(path, json=body, headers={"X-Request-Id": asked, **headers})
            self.outcome.told[asked] = answer.status_code
            if answer.status_code != 429:
                return answer
            self._refused(answer)
            await asyncio.sleep(0.05 + 0.5 * self._draw.random())
        raise AssertionError("there was never room")

    def _refused(self, answer: httpx.Response) -> None:
        assert int(answer.headers["retry-after"]) >= 1 and answer.json()["error"]["message"]
        self.outcome.counts["429, asked again"] += 1

    async def _right(self, client: httpx.AsyncClient, identity: str) -> None:
        """A greedy request, whole or streamed: the answer is known."""
        case = self._draw.choice([case for case in self._some() if case.kind != "text"])
        path = "/v1/completions" if case.kind == "completion" else "/v1/chat/completions"
        body = {**case.body, "model": case.adapter or "mails"}
        if self._draw.random() < 0.15:
            body["n"] = 2
        if self._draw.random() < 0.1:
            body["logprobs"] = 2 if case.kind == "completion" else True
        if self._draw.random() < 0.5:
            found = [(await self._streamed(client, path, body, identity, case), None)]
        else:
            answer = await self._ask(client, path, body, identity)
            assert answer.status_code == 200, answer.text
            told = answer.json()
            found = [(read(case, {"choices": [one]}), one["finish_reason"]) for one in told["choices"]]
        for text, finish in found:
            self._check(case, text)
            if finish is not None and text == case.expected and case.stopped:
                assert finish == ("tool_calls" if case.kind == "tools" else "stop"), finish

    async def _streamed(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any], identity: str, case: Case
    ) -> str:
        for attempt in range(MOST_TRIES):
            asked = f"{identity}.{attempt}"
            headers = {"X-Request-Id": asked}
            async with client.stream("POST", path, json={**body, "stream": True, "n": 1}, headers=headers) as answer:
                self.outcome.told[asked] = answer.status_code
                if answer.status_code == 429:
                    await answer.aread()
                    self._refused(answer)
                else:
                    assert answer.status_code == 200, (await answer.aread()).decode()
                    return await _assembled(answer, case.kind)
            await asyncio.sleep(0.05 + 0.5 * self._draw.random())
        raise AssertionError("there was never room")

    async def _texts(self, client: httpx.AsyncClient, identity: str) -> None:
        """The recipe's task by each of its protocols."""
        texts = [case for case in self._some() if case.kind == "text"][: self._draw.choice((1, 1, 3, 9))]
        given = [case.body for case in texts]
        protocol = self._draw.choice(("text", "texts", "predict", "infer"))
        if protocol == "text":
            texts = texts[:1]
            answer = await self._ask(client, "/v1/extract", {"text": given[0]}, identity)
            outputs = [answer.json().get("output")]
        elif protocol == "texts":
            answer = await self._ask(client, "/v1/extract", {"texts": given}, identity)
            outputs = answer.json().get("outputs")
        elif protocol == "predict":
            answer = await self._ask(client, "/v1/models/mails:predict", {"instances": given}, identity)
            outputs = answer.json().get("predictions")
        else:
            tensor = {"name": "text", "shape": [len(given)], "datatype": "BYTES", "data": given}
            answer = await self._ask(client, "/v2/models/mails/infer", {"inputs": [tensor]}, identity)
            told = {one["name"]: one["data"] for one in answer.json().get("outputs", [])}
            outputs = [json.loads(one) for one in told.get("output", [])]
        assert answer.status_code == 200, answer.text
        assert len(outputs) == len(texts)
        for case, output in zip(texts, outputs, strict=True):
            self._check(case, json.dumps(output, ensure_ascii=False, separators=(",", ":")))

    async def _sampled(self, client: httpx.AsyncClient, identity: str) -> None:
        """A draw: what it says is not known, but its grammar holds it to a tag of its own."""
        body = {
            "messages": [{"role": "system", "content": "Draw."}, {"role": "user", "content": identity}],
            "structured_outputs": {"choice": [f"{identity} {word}" for word in ("one", "two", "three")]},
            "temperature": 1.5, "top_p": 0.9, "top_k": 40, "n": self._draw.choice((1, 3)), "max_tokens": 60,
            "presence_penalty": 1, "logit_bias": {"5": -100, "6": 100}, "seed": self._draw.randrange(2**31),
        }  # fmt: skip
        answer = await self._ask(client, "/v1/chat/completions", body, identity)
        assert answer.status_code == 200, answer.text
        for choice in answer.json()["choices"]:
            assert choice["message"]["content"].startswith(f"{identity} "), choice
            self.outcome.counts["right"] += 1

    async def _bad_one(self, client: httpx.AsyncClient, identity: str) -> None:
        """Something that must be refused, in the one shape."""
        path, content, expected = self._draw.choice(self._bad)
        answer = await client.post(
            path, content=content, headers={"Content-Type": "application/json", "X-Request-Id": identity}
        )
        self.outcome.told[identity] = answer.status_code
        assert answer.status_code in expected, f"{path} {content[:200]!r}: {answer.status_code} {answer.text[:300]}"
        error = answer.json()["error"]
        assert error["message"] and error["type"], answer.text
        self.outcome.counts[f"refused {answer.status_code}"] += 1

    async def _goes(self, client: httpx.AsyncClient, identity: str) -> None:
        """A client that goes after some lines of a stream that would be long."""
        body = {
            "prompt": f"{identity} tells a story without end", "max_tokens": 150, "stream": True, "temperature": 1,
            "logit_bias": {"0": -100, "2": -100},
        }  # fmt: skip
        lines = self._draw.randrange(8)
        async with client.stream("POST", "/v1/completions", json=body, headers={"X-Request-Id": identity}) as answer:
            assert answer.status_code in (200, 429), answer.status_code
            async for _ in answer.aiter_lines():
                lines -= 1
                if lines < 0:
                    break
        self.outcome.counts["went in the middle" if answer.status_code == 200 else "429, not asked again"] += 1

    async def _cut_body(self, port: int, identity: str) -> None:
        """A client that goes before its body is whole."""
        body = json.dumps({"prompt": identity}).encode()
        await _raw(port, _head(identity, len(body)) + body[:-3], reset=False)
        self.outcome.counts["went in its body"] += 1

    async def _reset(self, port: int, identity: str) -> None:
        """A client that goes at once, and says so with a reset."""
        body = json.dumps({"prompt": identity, "max_tokens": 100}).encode()
        await _raw(port, _head(identity, len(body)) + body, reset=True)
        self.outcome.counts["went with a reset"] += 1

    async def _swap(self, client: httpx.AsyncClient, identity: str) -> None:
        """Load, replace or unload the adapter `swap` while others use it; its answers are one file's or the other's."""
        names = sorted(self._judge.adapters)
        if self._draw.random() < 0.6:
            name = self._draw.choice(names)
            body = {"name": "swap", "path": self._judge.adapters[name].name}
            answer = await client.post("/v1/adapters", json=body, headers=self._admin)
            assert answer.status_code in (201, 409), answer.text
            if answer.status_code == 409:
                answer = await client.delete("/v1/adapters/swap", headers=self._admin)
                assert answer.status_code in (204, 404), answer.text
            self.outcome.counts["adapter swaps"] += 1
            return
        case = self._draw.choice([case for case in self._some() if case.kind == "completion"])
        answer = await self._ask(client, "/v1/completions", {**case.body, "model": "swap"}, identity)
        if answer.status_code == 404:
            self.outcome.counts["refused 404"] += 1
            return
        assert answer.status_code == 200, answer.text
        found = read(case, answer.json())
        verdicts = [self._judge.judge(self._judge.adapted(case, name), found) for name in names]
        assert any(verdict.right for verdict in verdicts), (case.body, found)
        self.outcome.counts["right"] += 1

    async def _late(self, client: httpx.AsyncClient, identity: str) -> None:
        """A client with no patience."""
        body = {"prompt": f"{identity} tells a story", "max_tokens": 150, "logit_bias": {"0": -100, "2": -100}}
        headers = {"X-Request-Id": identity, "X-Request-Timeout": self._draw.choice(("0.001", "0.05", "0.3"))}
        answer = await client.post("/v1/completions", json=body, headers=headers)
        self.outcome.told[identity] = answer.status_code
        assert answer.status_code in (200, 429, 504), answer.text
        assert answer.status_code == 200 or answer.json()["error"]["message"]
        self.outcome.counts[f"late {answer.status_code}"] += 1

    async def _bomb(self, client: httpx.AsyncClient, identity: str) -> None:
        """A schema or pattern that wants too much: enforced or refused, and nobody else notices."""
        what = _bomb(self._draw, identity)
        body = {"messages": [{"role": "user", "content": "Boom"}], "max_tokens": 8, "temperature": 0, **what}
        answer = await self._ask(client, "/v1/chat/completions", body, identity)
        assert answer.status_code in (200, 400), answer.text[:500]
        if answer.status_code == 400:
            assert answer.json()["error"]["code"] in ("unsupported_schema", "bad_json"), answer.text[:500]
        self.outcome.counts[f"bombs {answer.status_code}"] += 1

    def _some(self) -> list[Case]:
        return self._draw.sample(self._cases, min(60, len(self._cases)))

    def _check(self, case: Case, found: str) -> None:
        verdict = self._judge.judge(case, found)
        assert verdict.right, f"{case.kind} {case.body!r} adapter {case.adapter}: {found!r}, alone {case.expected!r}"
        self.outcome.counts["right"] += 1
        if verdict.ties:
            self.outcome.ties[verdict.ties] += 1
            self.outcome.worst_gap = max(self.outcome.worst_gap, verdict.gap)


async def _assembled(answer: httpx.Response, kind: str) -> str:
    """The text of a stream that came to its end; raises AssertionError for one that did not."""
    text, name, arguments, done, finish = "", "", "", False, None
    async for line in answer.aiter_lines():
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            done = True
            continue
        chunk = json.loads(line[6:])
        assert "error" not in chunk, chunk
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            if kind == "completion":
                text += choice["text"]
                continue
            delta = choice["delta"]
            text += delta.get("content") or ""
            for call in delta.get("tool_calls", ()):
                name += call["function"].get("name", "")
                arguments += call["function"].get("arguments", "")
    assert done and finish, "the stream was cut"
    return called(name, arguments) if kind == "tools" else text


def _head(identity: str, length: int) -> bytes:
    return (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-Request-Id: {identity}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def _raw(port: int, data: bytes, reset: bool) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.01)
    if reset:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


def _bad_requests() -> list[tuple[str, bytes, tuple[int, ...]]]:
    chat, plain, extract = "/v1/chat/completions", "/v1/completions", "/v1/extract"
    hello = {"messages": [{"role": "user", "content": "Hello"}]}

    def as_json(**more: Any) -> bytes:
        return json.dumps({**hello, **more}).encode()

    return [
        (chat, b"", (400,)),
        (chat, b"{", (400,)),
        (chat, b'{"messages": [}', (400,)),
        (chat, b"[]", (400,)),
        (chat, b'"text"', (400,)),
        (chat, b"\xff\xfe", (400,)),
        (chat, b'{"messages": "\xff"}', (400,)),
        (chat, b"[" * DEEP, (400,)),
        (chat, b'{"a":' * 900 + b"1" + b"}" * 900, (400,)),
        (chat, b'{"messages": [{"role": "user", "content": "\\ud800"}]}', (400,)),
        (chat, as_json(messages=[]), (400,)),
        (chat, as_json(max_tokens=0), (400,)),
        (chat, as_json(max_tokens=10**30), (400,)),
        (chat, as_json(temperature=float("nan")), (400,)),
        (chat, as_json(logit_bias={"9" * 40: 1}), (400,)),
        (chat, as_json(temprature=1), (400,)),
        (chat, as_json(model="nobody"), (404,)),
        (chat, as_json(messages=[{"role": "user", "content": "word " * 600}]), (400,)),
        (chat, as_json(n=1000), (400,)),
        (chat, as_json(seed=2**70), (400,)),
        (chat, as_json(response_format={"type": "xml"}), (400,)),
        (plain, b'{"prompt": []}', (400,)),
        (plain, b'{"prompt": [99999999]}', (400,)),
        (plain, b'{"prompt": [-1]}', (400,)),
        (plain, b'{"prompt": ""}', (400,)),
        (plain, json.dumps({"prompt": list(range(2000))}).encode(), (400,)),
        (plain, json.dumps({"prompt": "x " * 100_000}).encode(), (400,)),
        (extract, b'{"text": ""}', (400,)),
        (extract, b'{"texts": []}', (400,)),
        (extract, b'{"text": "a", "texts": ["b"]}', (400,)),
        ("/v1/embeddings", b'{"input": "Hello"}', (400,)),
        ("/v1/models/mails:predict", b'{"instances": [1]}', (400,)),
        ("/v2/models/mails/infer", b'{"inputs": []}', (400,)),
        ("/v2/models/mails/infer", b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [3]}]}',
         (400,)),
        ("/v1/nothing", b"{}", (404,)),
        ("/v1/adapters", b"{}", (401,)),
        ("/metrics", b"{}", (405,)),
    ]  # fmt: skip


def _bomb(draw: random.Random, identity: str) -> dict[str, Any]:
    def schema(content: Any) -> dict[str, Any]:
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "bomb", "schema": content}}}

    def regex(pattern: str) -> dict[str, Any]:
        return {"structured_outputs": {"regex": pattern}}

    deep: Any = {"const": identity}
    for _ in range(draw.choice((30, 60, 300))):
        deep = draw.choice(({"type": "array", "items": deep}, {"type": "object", "properties": {"a": deep}}))
    return draw.choice(
        (
            schema(deep),
            schema({"enum": [f"{identity} {number}" for number in range(draw.choice((200, 3000, 30_000)))]}),
            schema({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}),
            schema({"type": "string", "pattern": f"^({identity}|a|aa)+$", "minLength": 500}),
            schema({"type": "array", "items": {"type": "string"}, "uniqueItems": True, "title": identity}),
            schema(
                {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(400)}, "title": identity}
            ),
            schema({"allOf": [{"pattern": f".*{identity}.{{{n}}}b.*"} for n in range(1, 8)], "type": "string"}),
            regex(f"(({identity}|a+)+)+b"),
            regex(f"({identity}x{{1,300}}){{1,300}}"),
            regex(f"{identity}(.*a){{60}}"),
            regex(f"{identity}["),
            regex(f"(?={identity})a"),
            {"structured_outputs": {"grammar": f'start: start "{identity}" | start start'}},
            {"structured_outputs": {"grammar": f'start: a+\na: (b | "{identity}")+\nb: "x"*\n'}},
        )
    )
