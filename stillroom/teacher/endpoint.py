"""One exchange with an OpenAI-compatible endpoint: a request out, an answer or a fault back.

The client underneath is httpx2, which openai's own package and huggingface_hub stand on too. openai's package is not
used: it tries again by itself, where neither the budget nor the pool of keys would see it.
"""

import email.utils
import hashlib
import json
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import urlsplit

from stillroom.teacher.budget import Tokens

if TYPE_CHECKING:
    import httpx2

LARGEST_ANSWER = 16 * 2**20
"""Bytes of a response; no answer of ours is near it, and a server that never ends would fill the memory."""

_OVERHEAD = 64
"""Tokens that a chat template may put around each message, beyond its text."""

Message = dict[str, str]
FaultKind = Literal["key", "quota", "busy", "broken", "request", "model", "address", "unreachable"]


@dataclass(frozen=True)
class Request:
    """What is asked. `purpose` is its line in the cost table; `sample` tells apart equal requests at a temperature."""

    purpose: str
    model: str
    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    temperature: float = 0.0
    schema: dict[str, Any] | None = field(default=None, hash=False)
    sample: int = 0

    def key(self, endpoint: str) -> str:
        """The sha256 of all that decides the answer; `endpoint` is where it is asked."""
        sample = self.sample if self.temperature else 0  # without chance there is only one
        decides = [endpoint, self.model, self.messages, self.max_tokens, self.temperature, self.schema, sample]
        return hashlib.sha256(json.dumps(decides, ensure_ascii=True).encode()).hexdigest()

    def worst(self) -> Tokens:
        """The most tokens that it can take: no token is shorter than a byte."""
        size = sum(len(text.encode(errors="replace")) + _OVERHEAD for _, text in self.messages)
        return Tokens(size + (len(json.dumps(self.schema)) if self.schema else 0), self.max_tokens)


@dataclass(frozen=True)
class Reply:
    """What was answered. `finish` is `stop`, or `length` where the answer was cut off."""

    text: str
    finish: str
    tokens: Tokens


@dataclass
class Dialect:
    """What this endpoint is known not to understand; learned from its refusals."""

    structured: bool = True
    temperature: bool = True
    max_completion_tokens: bool = False


class EndpointFault(Exception):
    """Why there is no answer.

    key: this key is refused. quota: it has used up its quota. busy: slow down, for `retry_after` seconds where the
    endpoint says so. broken: it failed in a way that may pass. request: this very request cannot be answered. model:
    there is no such model. address: somebody listens, but no endpoint is there. unreachable: nobody listens there.
    `may_be_billed`: it may have worked on the answer. `status` is the HTTP status of a refused key.
    """

    def __init__(
        self,
        kind: FaultKind,
        said: str,
        *,
        retry_after: float | None = None,
        may_be_billed: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(said)
        self.kind, self.said, self.retry_after, self.may_be_billed = kind, said, retry_after, may_be_billed
        self.status = status


class Endpoint:
    """Sends requests to `base_url`; safe for many threads."""

    def __init__(self, base_url: str, timeout: float, connections: int) -> None:
        import httpx2

        self.base_url, self._timeout = base_url.rstrip("/"), timeout
        local = urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1")
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(timeout, connect=min(10.0, timeout), pool=None),
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=not local,  # a proxy of the environment does not lead to this machine
        )
        self.dialect = Dialect()

    def close(self) -> None:
        """Close all connections; requests under way fail."""
        self._client.close()

    def models(self, secret: str | None) -> list[str] | None:
        """The names of the models there, or None where the endpoint does not say. Raises EndpointFault."""
        status, headers, body = self._send("GET", "/models", secret, None)
        if status in (404, 405, 501):
            return None
        if status != 200:
            _refuse(status, headers, body, "")
        listed = _json(body).get("data")
        if not isinstance(listed, list):
            return None
        return [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]

    def ask(self, request: Request, secret: str | None) -> Reply:
        """Send a request. What the endpoint does not understand is left out from then on. Raises EndpointFault."""
        while True:
            before = replace(self.dialect)
            status, headers, body = self._send("POST", "/chat/completions", secret, self._body(request, before))
            if status == 200:
                status = _hidden_status(body)
            if status == 200:
                return _reply(body, request)
            if status in (400, 422) and self._learn(body, before, request):
                continue
            _refuse(status, headers, body, " ".join(text for _, text in request.messages))

    def _body(self, request: Request, dialect: Dialect) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": role, "content": text} for role, text in request.messages],
            "max_completion_tokens" if dialect.max_completion_tokens else "max_tokens": request.max_tokens,
        }
        if dialect.temperature:
            body["temperature"] = request.temperature
        if request.schema is not None and dialect.structured:
            # Strict mode wants every property required, as OpenAI defines it.
            strict = _all_required(request.schema)
            answer = {"name": "answer", "schema": request.schema, "strict": strict}
            body["response_format"] = {"type": "json_schema", "json_schema": answer}
        return body

    def _learn(self, body: bytes, used: Dialect, request: Request) -> bool:
        """Whether a refusal names something that can be left out; the dialect leaves it out from now on."""
        said = body.decode(errors="replace").lower()
        if "max_completion_tokens" in said and not used.max_completion_tokens:
            self.dialect.max_completion_tokens = True
        elif (
            used.structured
            and request.schema is not None
            and re.search(r"response_format|json_schema|structured|grammar|schema", said)
        ):
            self.dialect.structured = False
        elif used.temperature and "temperature" in said:
            self.dialect.temperature = False
        else:
            return False
        return True

    def _send(self, method: str, path: str, secret: str | None, body: Any) -> tuple[int, "httpx2.Headers", bytes]:
        import httpx2

        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        # A body that comes by drops would reset the time limit of each read: the whole has one too.
        deadline = time.monotonic() + self._timeout
        try:
            with self._client.stream(method, self.base_url + path, headers=headers, json=body) as response:
                parts, size = [], 0
                for part in response.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > LARGEST_ANSWER:
                        raise EndpointFault("broken", "its answer does not end", may_be_billed=True)
                    if time.monotonic() > deadline:
                        raise httpx2.ReadTimeout("the whole answer takes too long")
                return response.status_code, response.headers, b"".join(parts)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise EndpointFault("unreachable", _first_line(error)) from None
        except httpx2.TimeoutException:
            said = f"no whole answer within {self._timeout:g} s"
            raise EndpointFault("broken", said, may_be_billed=True) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise EndpointFault("broken", f"the answer was cut ({_first_line(error)})", may_be_billed=True) from None


def _hidden_status(body: bytes) -> int:
    """200, or the status of an error that a gateway put into an answer of 200; one without a status is a 500."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return 200
    if not isinstance(answer, dict) or not answer.get("error") or answer.get("choices"):
        return 200
    error = answer["error"]
    code = error.get("code") if isinstance(error, dict) else None
    code = int(code) if isinstance(code, str) and code.isdigit() else code
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _reply(body: bytes, request: Request) -> Reply:
    answer = _json(body)
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content")
        finish = str(choice.get("finish_reason") or "stop")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise EndpointFault("broken", "its answer has no choices[0].message", may_be_billed=True) from None
    if isinstance(text, list):  # the parts of a content
        text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
    text = _whole_letters(text) if isinstance(text, str) else ""
    worst = request.worst()
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    # An endpoint that does not say what it counted is booked at the most that it can have been.
    prompt = _count(usage, "prompt_tokens", worst.prompt)
    return Reply(text, finish, Tokens(prompt, _count(usage, "completion_tokens", worst.completion)))


def _count(usage: dict[str, Any], name: str, otherwise: int) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _refuse(status: int, headers: "httpx2.Headers", body: bytes, prompt: str) -> NoReturn:
    """Raise what a status other than 200 means."""
    code, message = _error(body)
    said = " ".join([str(status), *(part for part in (code, message) if part and not _repeats(part, prompt))])
    lowered = f"{code} {message}".lower()
    if status == 402 or (status in (403, 429) and re.search(r"quota|billing|credit|balance|insufficient", lowered)):
        raise EndpointFault("quota", f"its quota is used up ({status})")
    if status in (401, 403):
        raise EndpointFault("key", f"refused ({status})", status=status)
    if status in (408, 409, 425, 429) or (status == 503 and "retry-after" in headers):
        raise EndpointFault("busy", said, retry_after=_retry_after(headers))
    if status == 404 and ("model" in lowered or not body):
        raise EndpointFault("model", said)
    if 300 <= status < 400:
        where = urlsplit(headers.get("location", "")).netloc or "elsewhere"
        raise EndpointFault("address", f"it redirects ({status}) to {where}; write that address in base_url")
    if status >= 500:
        # A gateway that gave up waiting does not know what the model behind it went on to do.
        raise EndpointFault("broken", said, retry_after=_retry_after(headers), may_be_billed=status in (502, 504, 524))
    if status in (404, 405):
        raise EndpointFault("address", f"{said}; does base_url lack its last part, such as /v1?")
    raise EndpointFault("request", said)


def _error(body: bytes) -> tuple[str, str]:
    """The code and the message of an error, in any of the shapes that endpoints use."""
    try:
        error = json.loads(body)
    except ValueError:
        return "", ""  # a page of some proxy
    error = error.get("error", error) if isinstance(error, dict) else error
    if isinstance(error, str):
        return "", _short(error)
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code") or error.get("type") or ""
    return str(code)[:60], _short(str(error.get("message") or error.get("detail") or ""))


def _repeats(message: str, prompt: str) -> bool:
    """Whether a message holds a piece of the prompt, which belongs in no log."""
    piece = 16
    return any(message[start : start + piece] in prompt for start in range(max(0, len(message) - piece) + 1))


def _short(text: str) -> str:
    return _whole_letters(" ".join(text.split())[:200])


def _whole_letters(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair: JSON can spell one, and nothing can write it."""
    return text.encode(errors="replace").decode()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise EndpointFault("broken", "its answer is not JSON", may_be_billed=True) from None
    if not isinstance(value, dict):
        raise EndpointFault("broken", "its answer is not a JSON object", may_be_billed=True)
    return value


def _retry_after(headers: "httpx2.Headers") -> float | None:
    """Seconds that the endpoint asks for: as a number, or as the time of day until when."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, OverflowError):
                continue
        if seconds == seconds and seconds != float("inf"):
            return max(0.0, seconds)
    return None


def _all_required(schema: Any) -> bool:
    """Whether every object in a schema requires all its properties."""
    if isinstance(schema, list):
        return all(map(_all_required, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and set(properties) - set(schema.get("required", [])):
        return False
    return all(map(_all_required, schema.values()))
