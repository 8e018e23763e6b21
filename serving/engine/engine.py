"""The engine as a server uses it: one model, any number of requests at once, from any thread."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving.engine.compiler import Compiler
from serving.engine.constraint import Constraint
from serving.engine.llama import Llama
from serving.engine.request import Event, Request
from serving.engine.scheduler import Limits, Scheduler, Stats, Ticket


class Engine:
    """A loaded GGUF model that answers.

    cells: tokens for which there is room in all, prompts and answers together. Raises UserError for a file that
    cannot be used. Every method may be called from any thread; `close` gives the memory back.
    """

    def __init__(self, gguf: Path, limits: Limits, cells: int) -> None:
        self._llama = Llama(gguf, sequences=limits.slots, cells=cells)
        self.limits = limits
        self.context = min(limits.context_tokens, self._llama.cells)
        """Tokens that one request may have, prompt and answer."""
        self.metadata = self._llama.metadata
        self.bos_token = self._llama.token_text("tokenizer.ggml.bos_token_id")
        self.eos_token = self._llama.token_text("tokenizer.ggml.eos_token_id")
        self._compiler = Compiler(self._llama.constraint_tokenizer(), self._llama.words)
        self._scheduler = Scheduler(self._llama, limits)

    @property
    def chat_template(self) -> str:
        """The Jinja chat template in the file; raises UserError where there is none."""
        return self._llama.chat_template

    def tokenize(self, text: str) -> list[int]:
        """Token ids; marks such as <|im_end|> become their own tokens, nothing is added in front."""
        return self._llama.tokenize(text)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD."""
        return self._llama.detokenize(tokens)

    def piece(self, token: int) -> bytes:
        """The bytes of one token; those of a mark such as <|im_end|> too."""
        return self._llama.piece(token, special=True)

    def knows(self, token: int) -> bool:
        """Whether the vocabulary has this token id."""
        return 0 <= token < self._llama.words

    def compile(self, kind: str, content: Any = None) -> Constraint:
        """A constraint: kind `json_schema`, `json_object`, `regex` or `lark`. Raises UnsupportedSchema."""
        return self._compiler.compile(kind, content)

    def submit(self, request: Request, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. `on_event` is called on the engine's thread and must not block; `Finished` or `Failed` is
        the last event. Raises InvalidRequest, Overloaded, EngineStopped."""
        return self._scheduler.submit(request, on_event)

    def stats(self) -> Stats:
        """The last snapshot of counts and gauges; never waits."""
        return self._scheduler.stats()

    @property
    def heartbeat(self) -> float:
        """When the decode loop last turned, in seconds of `time.monotonic()`."""
        return self._scheduler.heartbeat

    def silent_for(self) -> float:
        """Seconds since the decode loop's last turn."""
        return time.monotonic() - self._scheduler.heartbeat

    def drain(self, seconds: float) -> bool:
        """Admit nothing more and wait until all is answered, at most so long; says whether all was."""
        return self._scheduler.drain(seconds)

    def close(self) -> None:
        """End; what is under way fails with EngineStopped."""
        self._scheduler.close()
        self._compiler.close()
        self._llama.close()
