"""The engine as a server uses it: one model, any number of requests at once, from any thread."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from serving.engine.compiler import Checker, Compiler
from serving.engine.constraint import Constraint
from serving.engine.decoder import Decoder
from serving.engine.embeddings import Embedder
from serving.engine.llama import Llama
from serving.engine.memory import cells_that_fit, weight_bytes
from serving.engine.prefix_file import load_prefix, prefix_key, save_prefix
from serving.engine.request import EMBEDDINGS_ONLY, Event, InvalidRequest, Request
from serving.engine.scheduler import Limits, Scheduler, Stats, Ticket
from stillroom import machine
from stillroom.errors import UserError
from stillroom.export.gguf import check_adapter, check_gguf, gguf_sha256, read_metadata


class Engine:
    """A loaded GGUF model that answers.

    sha256: what the file must have, from the run's lineage. Without it the file is first loaded in a child process,
    for some broken ones make llama.cpp end its process. cells: tokens for which there is room in all, prompts and
    answers together; by default as many as the slots need and the memory allows. Raises UserError for a file that
    cannot be used. Every method may be called from any thread; `close` gives the memory back.
    """

    def __init__(self, gguf: Path, limits: Limits, cells: int | None = None, sha256: str | None = None) -> None:
        self._gguf, self.sha256 = gguf, _checked(gguf, sha256)
        """The model file's, as hex digits."""
        cells = cells or cells_that_fit(read_metadata(gguf), limits.slots, limits.context_tokens, weight_bytes(gguf))
        sequences = 2 * limits.slots + 1  # as many finished ones as live ones, and the pinned prefix
        checker = Checker()
        try:
            self._llama = Llama(gguf, sequences=sequences, cells=cells, fast=True)
            checker.start()  # it is ready when the vocabulary is
            self.generates = self._llama.generates
            """Whether it answers; other models make embeddings only."""
            tokenizer = self._llama.constraint_tokenizer() if self.generates else None
        except BaseException:
            checker.close()
            raise
        self.limits = limits
        self.context = min(limits.context_tokens, self._llama.cells)
        """Tokens that one request may have, prompt and answer."""
        self.threads = machine.cpu_threads()
        self.metadata = self._llama.metadata
        self.bos_token = self._llama.token_text("tokenizer.ggml.bos_token_id")
        self.eos_token = self._llama.token_text("tokenizer.ggml.eos_token_id")
        self._compiler = Compiler(tokenizer, self._llama.words, checker) if self.generates else None
        if not self.generates:
            checker.close()
        self._embedder: Embedder | None = None
        self._ending, self._ended = threading.Lock(), False
        self._decoder = Decoder(self._llama, sequences, limits.step_seconds)
        self._scheduler = Scheduler(self._decoder, limits)

    def warm(self, prefix: str, folder: Path | None = None) -> bool:
        """Compute what the prompts to come begin with, and keep it for good. Called once, before the first request.

        folder: where it is saved, and found by the next process with the same model, prefix and llama.cpp. Says
        whether it was found there.
        """
        # The prefix's last token may merge with what follows, so it is left to each prompt.
        tokens = self._llama.tokenize(prefix)[:-1]
        if not tokens or not self._llama.cuts:
            return False
        key = prefix_key(self.sha256, tokens, f"llama-cpp-python {metadata.version('llama-cpp-python')}")
        path = None if folder is None else folder / f"{key[:32]}.prefix"
        state = None if path is None else load_prefix(path, key)
        found: bool = self._scheduler.run_between_steps(lambda: self._decoder.pin(tokens, state)).result()
        if path is not None and not found:
            save_prefix(path, key, self._scheduler.run_between_steps(self._decoder.pinned_state).result())
        return found

    @property
    def chat_template(self) -> str:
        """The Jinja chat template in the file; raises UserError where there is none."""
        return self._llama.chat_template

    def tokenize(self, text: str) -> list[int]:
        """Token ids; marks such as <|im_end|> become their own tokens, nothing is added in front."""
        return self._llama.tokenize(text)

    def tokenize_whole(self, text: str) -> list[int]:
        """The same with what the vocabulary puts around a text that no template wraps, such as a begin mark."""
        return self._llama.tokenize(text, whole=True)

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
        """A constraint: kind `json_schema`, `json_object`, `regex` or `lark`. Raises InvalidRequest, UnsupportedSchema
        among them."""
        if self._compiler is None:
            raise InvalidRequest(EMBEDDINGS_ONLY)
        return self._compiler.compile(kind, content)

    def submit(self, request: Request, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. `on_event` is called on the engine's thread and must not block; `Finished` or `Failed` is
        the last event. Raises InvalidRequest, Overloaded, EngineStopped."""
        return self._scheduler.submit(request, on_event)

    def embed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector of length 1 for each text (token ids); waits for it. Raises InvalidRequest, EngineStopped."""
        waiting = [self._scheduler.run_between_steps(partial(self._embed, text)) for text in texts]
        return [future.result() for future in waiting]

    def load_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA (GGUF) under a name; requests name it. Raises UserError where it does not fit this model.

        It is first tried in a child process, for some broken ones make llama.cpp end its process, and this one answers.
        """
        check_adapter(path, self._gguf)
        self._scheduler.load_adapter(name, path)

    def unload_adapter(self, name: str) -> None:
        """Take no more requests for an adapter; those under way are finished. Raises InvalidRequest."""
        self._scheduler.unload_adapter(name)

    @property
    def adapters(self) -> list[str]:
        """Names of the loaded adapters."""
        return self._scheduler.adapters

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
        """End; what is under way fails with EngineStopped. To close it again does nothing."""
        self._scheduler.close()
        with self._ending:
            if not self._ended:
                self._ended = True
                self._free()

    def _free(self) -> None:
        self._decoder.close()
        if self._compiler is not None:
            self._compiler.close()
        if self._embedder is not None:
            self._embedder.close()
        self._llama.close()

    def _embed(self, text: Sequence[int]) -> list[float]:
        if self._embedder is None:
            self._embedder = Embedder(self._llama, self.context)
        return self._embedder.embed(text)


def _checked(gguf: Path, expected: str | None) -> str:
    """The file's sha256, once it is what it should be, or else loads in a child process."""
    check_gguf(gguf, load=expected is None)
    found = gguf_sha256(gguf)
    if expected is not None and found != expected:
        raise UserError(
            f"{gguf} is not the file that it should be: its sha256 is {found}, expected {expected}. Copy it again."
        )
    return found
