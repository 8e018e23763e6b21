"""How large the KV cache may be."""

from pathlib import Path

import pytest

from serving.engine import memory
from stillroom import machine
from stillroom.errors import UserError

SMOLLM2 = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "llama.embedding_length": 576,
}


def test_bytes_of_a_token() -> None:
    assert memory.cell_bytes(SMOLLM2) == 30 * 3 * (64 + 64) * 2
    assert memory.cell_bytes(SMOLLM2 | {"llama.attention.key_length": 32}) == 30 * 3 * (32 + 64) * 2
    assert memory.cell_bytes(SMOLLM2 | {"llama.attention.head_count_kv": [3] * 10}) == 10 * 3 * 128 * 2


def test_no_more_than_the_slots_need_and_the_memory_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 10**10)
    assert memory.cells_that_fit(SMOLLM2, 8, 1024, 10**8) == 9 * 512 + 4096
    monkeypatch.setattr(machine, "free_memory", lambda: 2 * 10**8)
    assert memory.cells_that_fit(SMOLLM2, 8, 1024, 10**8) == 60_000_000 // 23040
    with pytest.raises(UserError, match=r"one request may have 4096.*more memory"):
        memory.cells_that_fit(SMOLLM2, 8, 4096, 10**8)


def test_a_models_weight_is_that_of_all_its_parts(tmp_path: Path) -> None:
    for name, size in (("a-00001-of-00002.gguf", 3), ("a-00002-of-00002.gguf", 5), ("b-00001-of-00002.gguf", 7)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert memory.weight_bytes(tmp_path / "a-00001-of-00002.gguf") == 8
    assert memory.weight_bytes(tmp_path / "a-00002-of-00002.gguf") == 5


def test_a_recurrent_model_has_no_cells_to_count() -> None:
    state = SMOLLM2 | {"llama.attention.head_count": 0, "llama.attention.head_count_kv": 0}
    assert memory.cells_that_fit(state, 2, 100, 10**15) == 150 + 4096
