"""A thin, typed face on llama.cpp's low-level interface: a model, its vocabulary, a context and one batch."""

import ctypes
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine.kernels import FORMATS, kernels, mostly
from stillroom import machine
from stillroom.errors import UserError
from stillroom.export.gguf import check_gguf
from stillroom.export.llama import captured_log


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a batch: where it stands in which sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    logits: bool


class CacheFull(RuntimeError):
    """llama.cpp found no cells for a batch; nothing was computed."""


_INT = ctypes.c_int32


class Llama:
    """One GGUF model with one context.

    sequences: how many may be alive at once. cells: room in tokens for all of them together; a prefix that sequences
    share takes its room once. batch: most tokens in one decode. fast: with our own kernels where they can be had.
    Raises UserError for a file that cannot be used.
    """

    def __init__(self, path: Path, sequences: int, cells: int, batch: int = 512, fast: bool = False) -> None:
        import llama_cpp

        self._kernels = kernels() if fast else None

        # The header alone: llama.cpp aborts the process on some broken files, and this finds those without a load.
        header = check_gguf(path, load=False)
        self.metadata = header.metadata
        # The package prints every line of llama.cpp's log to stderr unless its logger has a level.
        logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
        self._lib = llama_cpp
        with captured_log() as lines:
            llama_cpp.llama_backend_init()
            parameters = llama_cpp.llama_model_default_params()
            # Ours read the weights as they lie in the file; other formats llama.cpp lays out in its own way.
            parameters.use_extra_bufts = self._kernels is None or not mostly(header, FORMATS)
            self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
            if not self.model:
                raise UserError(f"{path} cannot be loaded by llama.cpp: {_last(lines)}. Export the model again.")
            self._vocab: Any = llama_cpp.llama_model_get_vocab(self.model)
            self._context: Any = llama_cpp.llama_init_from_model(self.model, self._parameters(sequences, cells, batch))
        if llama_cpp.llama_model_has_encoder(self.model) and llama_cpp.llama_model_has_decoder(self.model):
            raise UserError(f"{path} is an encoder with a decoder, such as T5. Models that continue a text are served.")
        if not self._context:
            raise UserError(f"There is not enough memory for {cells} tokens of {path.name}: {_last(lines)}.")
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch: Any = llama_cpp.llama_batch_init(batch, 0, 1)
        for index in range(batch):
            self._batch.n_seq_id[index] = 1
        self.batch_size, self.sequences = batch, sequences
        self.cells: int = llama_cpp.llama_n_ctx(self._context)
        self.words: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.generates = bool(self._memory)
        """Whether it answers; encoders such as BERT make embeddings only."""
        recurrent = llama_cpp.llama_model_is_recurrent(self.model) or llama_cpp.llama_model_is_hybrid(self.model)
        self.cuts = not recurrent
        """Whether a sequence can be cut or shared at any place. A recurrent state (Mamba's) knows only its end."""
        ends = _quick("llama_vocab_is_eog", ctypes.c_void_p, _INT, result=ctypes.c_bool)
        self.end_tokens = {token for token in range(self.words) if ends(self._vocab, token)}
        if (ours := self._kernels) is not None and self.generates:
            _apart(lambda: ours.take_in(self.model, self._compute_one))

    def _parameters(self, sequences: int, cells: int, batch: int) -> Any:
        parameters = self._lib.llama_context_default_params()
        parameters.n_ctx = -(-cells // 256) * 256  # llama.cpp pads to this anyway
        parameters.n_batch = parameters.n_ubatch = batch
        parameters.n_seq_max = sequences
        parameters.n_threads = parameters.n_threads_batch = machine.cpu_threads()
        parameters.kv_unified = True  # one buffer, so that copying a shared prefix copies nothing
        return parameters

    def _compute_one(self) -> None:
        """One token, so that every weight is used."""
        self.decode([Entry(0, 0, 0, True)])
        self.all_logits(1)
        self.cut_sequence(0, 0)

    @property
    def chat_template(self) -> str:
        """The Jinja chat template in the file; raises UserError where there is none."""
        template = self.metadata.get("tokenizer.chat_template")
        if not template:
            raise UserError("The GGUF file holds no chat template. Export it again from a model that has one.")
        return str(template)

    def token_text(self, key: str) -> str:
        """The text of a special token by its metadata key, such as `tokenizer.ggml.eos_token_id`; "" if unset."""
        token = self.metadata.get(key)
        return "" if token is None else self.piece(int(token), special=True).decode(errors="replace")

    def tokenize(self, text: str, whole: bool = False) -> list[int]:
        """Token ids; marks such as <|im_end|> become their own tokens.

        whole: with what the vocabulary puts around a text that stands for itself (a begin mark, or [CLS] and [SEP]),
        as the model was trained; a text that brings its begin mark gets no second one.
        """
        raw = text.encode()
        room = len(raw) + 8
        buffer = (ctypes.c_int32 * room)()
        count = self._lib.llama_tokenize(self._vocab, raw, len(raw), buffer, room, whole, True)
        tokens = list(buffer[:count])
        begin = self._lib.llama_vocab_bos(self._vocab)
        return tokens[1:] if whole and tokens[:2] == [begin, begin] else tokens

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of one token; a control token has none unless `special`."""
        buffer = ctypes.create_string_buffer(256)
        length = self._lib.llama_token_to_piece(self._vocab, token, buffer, 256, 0, special)
        if length < 0:  # that many bytes are needed
            buffer = ctypes.create_string_buffer(-length)
            length = self._lib.llama_token_to_piece(self._vocab, token, buffer, -length, 0, special)
        return buffer.raw[: max(0, length)]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self.piece, tokens)).decode(errors="replace")

    def constraint_tokenizer(self) -> Any:
        """llguidance's view of this vocabulary (takes a sixth of a second; llguidance's own reader takes twice as long,
        for it warns of a call that llama.cpp gave up, once a token)."""
        from llguidance import LLTokenizer

        lib, vocab, room = self._lib, self._vocab, 1024
        control, defined = lib.LLAMA_TOKEN_ATTR_CONTROL, lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        piece = _quick("llama_token_to_piece", ctypes.c_void_p, _INT, ctypes.c_void_p, _INT, _INT, ctypes.c_bool)
        attributes = _quick("llama_vocab_get_attr", ctypes.c_void_p, _INT)
        buffer, tokens = ctypes.create_string_buffer(room), list[bytes]()
        place = ctypes.addressof(buffer)
        for token in range(self.words):
            text: bytes = buffer[: max(0, piece(vocab, token, place, room, 0, True))]  # type: ignore[assignment]
            kind = attributes(vocab, token)
            if kind & control or (kind & defined and text.startswith(b"<") and text.endswith(b">")):
                text = b"\xff" + text  # how llguidance knows a mark from its text
            tokens.append(text)
        tokenize = ctypes.cast(lib.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value
        return LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]
            tokens=tokens, vocab_ptr=vocab, tokenize_fptr=tokenize, eos_token=lib.llama_vocab_eos(vocab), slices=None
        )

    def decode(self, entries: Sequence[Entry]) -> None:
        """Run a batch; raises RuntimeError where llama.cpp refuses it (code 1: no room left in the context)."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, entry in enumerate(entries):
            batch.token[index], batch.pos[index] = entry.token, entry.position
            batch.seq_id[index][0] = entry.sequence
            batch.logits[index] = entry.logits
        code = self._lib.llama_decode(self._context, batch)
        if code == 1:
            raise CacheFull(f"no room for {len(entries)} more tokens")
        if code:
            raise RuntimeError(f"llama_decode failed with code {code} on {len(entries)} tokens")

    def logits(self, index: int) -> NDArray[np.float32]:
        """The logits of batch entry `index`, valid until the next decode; shape (words,)."""
        pointer = self._lib.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, shape=(self.words,))

    def all_logits(self, count: int) -> NDArray[np.float32]:
        """The logits of the `count` entries that wanted them, in their order; shape (count, words), no copy."""
        if not count:
            return np.empty((0, self.words), np.float32)
        # Waits until the batch is computed, where llama.cpp still computes.
        pointer = self._lib.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(count, self.words))

    def sequence_state(self, sequence: int) -> bytes:
        """All that the cache holds for a sequence, as llama.cpp writes it."""
        size = self._lib.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = self._lib.llama_state_seq_get_data(self._context, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore_sequence(self, sequence: int, state: bytes) -> bool:
        """Fill a sequence with a state that `sequence_state` gave; says whether llama.cpp took it."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        with captured_log():
            taken: int = self._lib.llama_state_seq_set_data(self._context, buffer, len(state), sequence)
        return taken == len(state)

    def load_adapter(self, path: Path) -> Any:
        """A LoRA adapter for `use_adapter`. Raises UserError where the file does not fit this model."""
        check_gguf(path, load=False)
        with captured_log() as lines:
            adapter = self._lib.llama_adapter_lora_init(self.model, str(path).encode())
        if not adapter:
            raise UserError(f"{path} is no LoRA adapter for this model: {_last(lines)}.")
        return adapter

    def use_adapter(self, adapter: Any) -> None:
        """Compute with this adapter from now on, or with None."""
        pointers = (self._lib.llama_adapter_lora_p_ctypes * 1)(adapter) if adapter is not None else None
        scales = (ctypes.c_float * 1)(1.0) if adapter is not None else None
        if self._lib.llama_set_adapters_lora(self._context, pointers, int(adapter is not None), scales):
            raise RuntimeError("llama.cpp refused the adapter")

    def free_adapter(self, adapter: Any) -> None:
        """Give an adapter's memory back; it must not be in use."""
        self._lib.llama_adapter_lora_free(adapter)

    def copy_sequence(self, source: int, target: int, end: int) -> None:
        """Let `target` begin with the first `end` positions of `source`."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def cut_sequence(self, sequence: int, start: int) -> None:
        """Forget a sequence from position `start` on."""
        self._lib.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def close(self) -> None:
        """Give all memory back; the object cannot be used afterwards."""
        with captured_log():
            self._lib.llama_batch_free(self._batch)
            self._lib.llama_free(self._context)
            self._lib.llama_model_free(self.model)
        if self._kernels is not None:
            self._kernels.forget(self.model)


def _apart(job: Callable[[], None]) -> None:
    """Compute something on a thread that ends with it.

    Every thread that ever computed keeps helpers of its own, and where they are more than the processors OpenMP lets
    them sleep, not spin, at each of the thousand meetings of a step (`gomp_throttled_spin_count_var` in libgomp).
    """
    thread = Thread(target=job)
    thread.start()
    thread.join()


def _quick(name: str, *arguments: Any, result: Any = _INT) -> Any:
    """A function of llama.cpp for loops over a vocabulary: it keeps Python's lock, which the package's own gives back
    and takes again at every call, to wait for it while another thread computes."""
    import llama_cpp

    address = ctypes.cast(getattr(llama_cpp.llama_cpp._lib, name), ctypes.c_void_p).value
    assert address is not None
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


def _last(lines: Sequence[str]) -> str:
    told = [line.strip() for line in lines if line.strip()]
    return told[-1] if told else "llama.cpp gave no reason"
