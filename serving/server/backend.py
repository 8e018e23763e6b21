"""What the server needs of an engine, and the engine that gives it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from serving.engine.request import Event, Request
from serving.server.metrics import Gauges
from stillroom import machine
from stillroom.errors import UserError

if TYPE_CHECKING:
    from serving.engine.engine import Engine


class Ticket(Protocol):
    """A request under way."""

    def cancel(self) -> None:
        """Stop working on it; no more of its events matter."""


class Backend(Protocol):
    """A loaded model. The tests put a scripted one in its place where they need an exact failure.

    context: tokens that one request may have, prompt and answer. Every method may be called from any thread.
    """

    context: int
    chat_template: str
    bos_token: str
    eos_token: str

    def tokenize(self, text: str) -> list[int]:
        """Token ids; the template's marks become their own tokens."""

    def piece(self, token: int) -> bytes:
        """The bytes of one token."""

    def knows(self, token: int) -> bool:
        """Whether the vocabulary has this token id."""

    def compile(self, kind: str, content: Any) -> Any:
        """A constraint; `kind` is json_schema, json_object, regex or lark. Raises UnsupportedSchema."""

    def submit(self, request: Request, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. Raises Overloaded or InvalidRequest; otherwise its events come, Finished or Failed last."""

    def adapters(self) -> Mapping[str, str]:
        """The loaded adapters: name → file."""

    def gauges(self) -> Gauges:
        """The last snapshot; never waits."""

    def silent_for(self) -> float:
        """Seconds since the decode loop's last sign of life."""

    def close(self) -> None:
        """End; what is under way fails with EngineStopped."""


class EngineBackend:
    """The real one."""

    def __init__(self, engine: "Engine") -> None:
        self._engine, self.context = engine, engine.context
        self.bos_token, self.eos_token = engine.bos_token, engine.eos_token
        try:
            self.chat_template = engine.chat_template
        except UserError:  # it can still continue texts
            self.chat_template = ""
        self.tokenize, self.piece, self.knows = engine.tokenize, engine.piece, engine.knows
        self.compile, self.submit, self.silent_for = engine.compile, engine.submit, engine.silent_for

    def adapters(self) -> Mapping[str, str]:
        """The loaded adapters."""
        return {}

    def gauges(self) -> Gauges:
        """The last snapshot."""
        now = self._engine.stats()
        return Gauges(now.running, now.waiting, now.kv_cells_used / max(1, now.kv_cells), machine.cpu_threads())

    def close(self) -> None:
        """End."""
        self._engine.close()
