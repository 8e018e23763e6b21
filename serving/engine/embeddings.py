"""Embeddings, for models that were trained to make them: those whose file names a pooling."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.engine.llama import Llama
from serving.engine.request import InvalidRequest
from stillroom import machine
from stillroom.export.llama import captured_log

_NO_POOLING, _RANKING = 0, 4


class Embedder:
    """A context of its own beside the one that answers. Used by one thread at a time.

    most_tokens: of one text; attention takes memory by its square. Raises InvalidRequest for a model that makes no
    embeddings.
    """

    def __init__(self, llama: Llama, most_tokens: int) -> None:
        import llama_cpp

        architecture = llama.metadata.get("general.architecture")
        if llama.metadata.get(f"{architecture}.pooling_type", _NO_POOLING) in (_NO_POOLING, _RANKING):
            raise InvalidRequest("This model makes no embeddings.")
        self._lib, self._words = llama_cpp, llama.words
        self.most_tokens = min(most_tokens, int(llama.metadata.get(f"{architecture}.context_length", most_tokens)))
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = self.most_tokens
        parameters.n_threads = parameters.n_threads_batch = machine.cpu_threads()
        parameters.embeddings = True
        with captured_log():
            self._context: Any = llama_cpp.llama_init_from_model(llama.model, parameters)
        if not self._context:
            raise InvalidRequest("There is not enough memory for embeddings.")
        self._size = llama_cpp.llama_model_n_embd(llama.model)
        self._memory = llama_cpp.llama_get_memory(self._context)

    def embed(self, tokens: Sequence[int]) -> list[float]:
        """The embedding of one text, of length 1. Raises InvalidRequest for an empty or too long one."""
        if not 0 < len(tokens) <= self.most_tokens:
            raise InvalidRequest(f"A text to embed has between 1 and {self.most_tokens} tokens, not {len(tokens)}.")
        if not all(0 <= token < self._words for token in tokens):
            raise InvalidRequest(f"A token id is outside the vocabulary of {self._words}.")
        if self._memory:
            self._lib.llama_memory_clear(self._memory, False)
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        code = self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(array, len(tokens)))
        if code:
            raise RuntimeError(f"llama_decode failed with code {code} on a text to embed")
        found = np.ctypeslib.as_array(self._lib.llama_get_embeddings_seq(self._context, 0), shape=(self._size,))
        vector = found / max(float(np.linalg.norm(found)), 1e-12)
        return [float(value) for value in vector]

    def close(self) -> None:
        """Give its memory back."""
        with captured_log():
            self._lib.llama_free(self._context)
