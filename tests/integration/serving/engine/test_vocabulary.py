"""llguidance sees the same vocabulary through our reader as through its own."""

from pathlib import Path

import numpy as np
from llguidance.llamacpp import lltokenizer_from_vocab

from serving.engine.constraint import Constraint
from serving.engine.llama import Llama

TEXT = 'Ein Café um 14:30 für 会议 🙂 {"category":"event","titles":["a\\n",null]} <|im_end|> <file_sep>'
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}, "count": {"type": ["integer", "null"]}}}


def test_masks_and_tokens(tiny_gguf: Path) -> None:
    llama = Llama(tiny_gguf, sequences=1, cells=256)
    theirs, ours = lltokenizer_from_vocab(llama._vocab), llama.constraint_tokenizer()
    assert ours.vocab_size == theirs.vocab_size == llama.words and ours.eos_token == theirs.eos_token
    assert ours.tokenize_str(TEXT) == theirs.tokenize_str(TEXT)
    matches = [Constraint.of_schema(tokenizer, SCHEMA, llama.words).start() for tokenizer in (ours, theirs)]
    for token in llama.tokenize('{"title":"Café 会议'):
        bits, expected = (match.bits().copy() for match in matches)
        assert np.array_equal(bits, expected) and bits.any()
        for match in matches:
            match.take([token])
    llama.close()
