"""Load a GGUF file, and perhaps an adapter, and compute one token.

Run as a process of its own, so that a crash takes nothing with it.
"""

import ctypes
import math
import sys
from pathlib import Path

_CONTEXT = 32
_TOKEN = 0


def probe(path: Path, adapter: Path | None = None) -> str | None:
    """The reason why llama.cpp cannot use the model (or the adapter with it), or None where it can."""
    import llama_cpp

    from stillroom.export.llama import captured_log

    with captured_log() as errors:
        loading = llama_cpp.llama_model_default_params()
        loading.use_extra_bufts = adapter is None  # a copy of the weights for faster kernels, beside a server's own
        model = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        if not model:
            return "; ".join(errors) or "llama.cpp does not load it"
        lora = llama_cpp.llama_adapter_lora_init(model, str(adapter).encode()) if adapter is not None else None
        if adapter is not None and not lora:
            return "; ".join(errors) or "llama.cpp does not load it"
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = _CONTEXT
        settings.n_threads = settings.n_threads_batch = 1
        context = llama_cpp.llama_init_from_model(model, settings)
        if not context:
            return "; ".join(errors) or "llama.cpp makes no context for it"
        if lora is not None:
            adapters, scales = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(lora), (ctypes.c_float * 1)(1.0)
            if llama_cpp.llama_set_adapters_lora(context, adapters, 1, scales):
                return "; ".join(errors) or "llama.cpp does not take it"
        token = (llama_cpp.llama_token * 1)(_TOKEN)
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(token, 1)):
            return "; ".join(errors) or "llama.cpp computes no token with it"
        if not llama_cpp.llama_get_memory(context):
            return None  # an encoder: it makes embeddings, and has no logits
        count = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        logits = llama_cpp.llama_get_logits(context)
        if not all(math.isfinite(logits[index]) for index in range(count)):
            return "its logits are not numbers"
    return None


if __name__ == "__main__":
    if reason := probe(*map(Path, sys.argv[1:])):
        print(reason, file=sys.stderr)
        sys.exit(3)
