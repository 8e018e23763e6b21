"""Where two greedy answers to one request part: how far apart llama.cpp's own logits of the two tokens are there.

Sums in another order move the logits of a quantised model by some tenths, so tokens whose logits are that close may
fall either way, in llama.cpp as in Stillroom. A larger lead would mean that one of the two is wrong.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.engine.llama import Entry, Llama
from serving.engine.prefix_tree import common
from stillroom.recipe.chat_template import ChatTemplate


def leads(model: Path, cases: Sequence[dict[str, Any]]) -> list[float]:
    """For each case (`messages`, `one`, `other`) the lead of one token's logit over the other's, computed by llama.cpp
    alone, with the whole prompt in one sequence."""
    llama = Llama(model, sequences=1, cells=8192)
    marks = [llama.token_text(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")]
    template, end = ChatTemplate(llama.chat_template, *marks), int(llama.metadata["tokenizer.ggml.eos_token_id"])
    found = []
    for case in cases:
        prompt = llama.tokenize(template.render(case["messages"]))
        one, other = ([*llama.tokenize(case[name]), end] for name in ("one", "other"))
        same = common(one, other)
        tokens = prompt + one[:same]
        for start in range(0, len(tokens), llama.batch_size):
            part = tokens[start : start + llama.batch_size]
            last = start + len(part) == len(tokens)
            llama.decode([Entry(t, start + i, 0, last and i == len(part) - 1) for i, t in enumerate(part)])
        row = llama.all_logits(1)[0]
        found.append(abs(float(row[one[same]] - row[other[same]])))
        llama.cut_sequence(0, 0)
    llama.close()
    return found


if __name__ == "__main__":
    print(json.dumps(leads(Path(sys.argv[1]), json.load(sys.stdin))))
