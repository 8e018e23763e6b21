"""The data benchmark: its corpus knows its near duplicates, and its last line says whether every goal holds."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.data import _scores, summary, table
from benchmarks.data_corpus import split_corpus, write_corpus
from stillroom.data.duplicates import similarity


def results() -> dict[str, Any]:
    def contender(*speeds: float, recall: float = 1.0) -> dict[str, Any]:
        return {"documents_per_second": [*speeds], "peak_mib": 300.0, "precision": 1.0, "recall": recall}

    near = {"stillroom": contender(9000, 7000), "text-dedup": contender(4000, 4000, recall=0.99)}
    near["datatrove"] = {"failed": "datatrove==1 ended with 1: no wheel"}
    runs = [{"mails": 10, "mails_per_second": 900.0, "peak_mib": 400.0}]
    runs.append({"mails": 100, "mails_per_second": 3100.0, "peak_mib": 420.0})
    pii = {name: {"precision": 0.99, "recall": 0.96, "wanted": 500} for name in ("generated", "hard")}
    return {"near": {"documents": 100, "planted": 5, "contenders": near}, "chain": {"runs": runs}, "pii": pii}


def test_the_last_line_says_whether_every_goal_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert summary(results()) == 0
    assert capsys.readouterr().out.startswith(
        "MET near duplicates 2.0x text-dedup (goal 2x), recall 1.0000 against 0.99"
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("near", "contenders", "stillroom", "recall"), 0.98),
        (("near", "contenders", "stillroom", "documents_per_second"), [7900, 8000]),
        (("chain", "runs", 1, "mails_per_second"), 2999.0),
        (("chain", "runs", 1, "peak_mib"), 501.0),
        (("pii", "hard", "precision"), 0.949),
        (("pii",), {}),
        (("near", "contenders", "text-dedup"), {"failed": "no"}),
    ],
)
def test_one_goal_that_is_missed_misses_all(place: tuple[Any, ...], value: Any) -> None:
    found = results()
    inner: Any = found
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert summary(found) == 1


def test_the_table_says_what_was_not_measured() -> None:
    said = table(results())
    assert "| stillroom | 9,000, 7,000 | 300 MiB | 1.0000 | 1.0000 |" in said
    assert "| datatrove | not measured: datatrove==1 ended with 1: no wheel |" in said


def test_planted_pairs_are_as_alike_as_is_said(tmp_path: Path) -> None:
    planted = write_corpus(tmp_path / "a.jsonl", 200)
    texts = [json.loads(line)["text"] for line in (tmp_path / "a.jsonl").open()]
    assert len(texts) == 200 and len(planted) == 20
    assert all(pair.jaccard == similarity(texts[pair.one], texts[pair.other]) for pair in planted)
    assert {pair.jaccard >= 0.8 for pair in planted} == {True, False}
    split_corpus(tmp_path / "a.jsonl", 2)
    parts = [path.read_text().splitlines() for path in sorted((tmp_path / "a").iterdir())]
    assert sorted(parts[0] + parts[1]) == sorted((tmp_path / "a.jsonl").read_text().splitlines())


def test_scores_count_pairs(tmp_path: Path) -> None:
    planted = [pair for pair in write_corpus(tmp_path / "a.jsonl", 200) if pair.jaccard >= 0.8]
    of = list(range(200))
    for pair in planted[1:]:
        of[max(pair.one, pair.other)] = min(pair.one, pair.other)
    found = _scores(of, planted)
    assert found["recall"] == pytest.approx((len(planted) - 1) / len(planted)) and found["precision"] == 1.0
