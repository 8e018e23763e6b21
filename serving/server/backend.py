"""What the server needs of an engine, and the engine that gives it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from serving.engine.request import Event, Request
from serving.server.metrics import Gauges
from stillroom.errors import UserError

if TYPE_CHECKING:
    from serving.engine.engine import Engine


class Ticket(Protocol):
    """A request under way."""

    def cancel(self) -> None:
        """Stop working on it; no more of its events matter."""


class Backend(Protocol):
    """A loaded model. The tests put a scripted one in its place where they need an exact failure.

    context: tokens that one request may have, prompt and answer. generates: it answers; others make embeddings only.
    Every method may be called from any thread.
    """

    context: int
    generates: bool
    chat_template: str
    bos_token: str
    eos_token: str

    def tokenize(self, text: str) -> list[int]:
        """Token ids; the template's marks become their own tokens."""

    def tokenize_whole(self, text: str) -> list[int]:
        """The same with what the vocabulary puts around a text that no template wraps, such as a begin mark."""

    def piece(self, token: int) -> bytes:
        """The bytes of one token."""

    def knows(self, token: int) -> bool:
        """Whether the vocabulary has this token id."""

    def compile(self, kind: str, content: Any) -> Any:
        """A constraint; `kind` is json_schema, json_object, regex or lark. Raises UnsupportedSchema."""

    def submit(self, request: Request, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. Raises Overloaded or InvalidRequest; otherwise its events come, Finished or Failed last."""

    def embed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector of length 1 for each text; waits. Raises InvalidRequest for a model that makes none."""

    def adapters(self) -> Mapping[str, Path]:
        """The loaded adapters: name → file."""

    def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA adapter; waits. Raises UserError where it does not fit the model."""

    def unload_adapter(self, name: str) -> None:
        """Forget one; requests that use it are finished. Raises InvalidRequest."""

    def gauges(self) -> Gauges:
        """The last snapshot; never waits."""

    def silent_for(self) -> float:
        """Seconds since the decode loop's last sign of life."""

    def close(self) -> None:
        """End; what is under way fails with EngineStopped."""


class EngineBackend:
    """The real one."""

    def __init__(self, engine: "Engine") -> None:
        self._engine, self.context, self.generates = engine, engine.context, engine.generates
        self.bos_token, self.eos_token = engine.bos_token, engine.eos_token
        try:
            self.chat_template = engine.chat_template
        except UserError:  # it can still continue texts
            self.chat_template = ""
        self.tokenize, self.tokenize_whole = engine.tokenize, engine.tokenize_whole
        self.piece, self.knows = engine.piece, engine.knows
        self.compile, self.submit, self.silent_for = engine.compile, engine.submit, engine.silent_for
        self.embed = engine.embed
        self._adapters: dict[str, Path] = {}

    def adapters(self) -> Mapping[str, Path]:
        """The loaded adapters."""
        return self._adapters

    def load_adapter(self, name: str, path: Path) -> None:
        """Load one."""
        self._engine.load_adapter(name, path)
        self._adapters = {**self._adapters, name: path}

    def unload_adapter(self, name: str) -> None:
        """Forget one."""
        self._adapters = {known: path for known, path in self._adapters.items() if known != name}
        self._engine.unload_adapter(name)

    def gauges(self) -> Gauges:
        """The last snapshot."""
        now = self._engine.stats()
        return Gauges(
            running=now.running,
            waiting=now.waiting,
            kv_usage=now.kv_cells_used / max(1, now.kv_cells),
            threads=self._engine.threads,
            preemptions=now.preemptions,
            adapters_running=now.adapters_running,
            adapters_waiting=now.adapters_waiting,
        )

    def close(self) -> None:
        """End."""
        self._engine.close()
