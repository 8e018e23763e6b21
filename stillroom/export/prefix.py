"""Run what all token sequences begin with once, and each rest on top of it."""

import copy
from collections.abc import Sequence
from typing import Any


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """How many tokens all sequences share at their beginning, leaving at least one own token to each."""
    if len(sequences) < 2:
        return 0
    first, last = min(sequences), max(sequences)
    most = min(len(sequence) for sequence in sequences) - 1
    # What the smallest and the largest share, all between them share.
    return next((place for place in range(max(most, 0)) if first[place] != last[place]), max(most, 0))


class SharedPrefix:
    """A model that has read a prefix. `decoder` is the model without its output layer."""

    def __init__(self, decoder: Any, prefix: Sequence[int]) -> None:
        import torch
        from transformers import DynamicCache

        self.decoder, self.length = decoder, len(prefix)
        self._cache = DynamicCache(config=decoder.config)
        if prefix:
            decoder(input_ids=torch.tensor([list(prefix)]), past_key_values=self._cache, use_cache=True)

    def hidden_states(self, ids: Any, mask: Any) -> Any:
        """Hidden states (batch, tokens, width) of right-padded `ids` (batch, tokens) that follow the prefix."""
        import torch

        rows, tokens = ids.shape
        cache = copy.deepcopy(self._cache)
        if self.length:
            cache.batch_repeat_interleave(rows)
        attention = torch.cat([torch.ones(rows, self.length, dtype=mask.dtype), mask], dim=1)
        positions = (torch.arange(tokens) + self.length).expand(rows, -1)
        done = self.decoder(
            input_ids=ids, attention_mask=attention, position_ids=positions, past_key_values=cache, use_cache=True
        )
        return done.last_hidden_state
