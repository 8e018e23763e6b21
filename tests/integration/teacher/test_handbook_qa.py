"""The recipe handbook-qa, from the project's documents to a specialist: a tiny model and a scripted teacher."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Asked, Loopback, said

from stillroom.cli import group
from stillroom.data.rows import read_rows
from stillroom.models.cache import CACHE_VARIABLE
from stillroom.recipe.document import parse_document
from stillroom.teacher.citation import cited_sentences, find_citation

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "handbook-qa.yaml"


def reader(asked: Asked) -> Answer:
    """A teacher that asks about the first sentence of a passage and cites it."""
    last = asked.body["messages"][-1]["content"]
    passage = last.partition("The passage:\n\n")[2]
    properties = asked.body["response_format"]["json_schema"]["schema"]["properties"]
    if "question" in properties:
        sentences = cited_sentences(passage.partition("\n\nWrite one question")[0])
        about = " ".join(sentences[-1].split()[:8])[:200] if sentences else ""
        return said({"question": f"What does the manual say of “{about}”?" if about else None}, 200, 20)
    sentences = cited_sentences(passage.partition("\n\nThe question:")[0])
    if "found" in properties:
        return said({"found": {"citation": sentences[-1], "answer": sentences[-1][:120]}}, 220, 60)
    proof = passage.partition("as the proof: ")[2].partition("\n\nGive your reason")[0]
    right = proof in passage.partition("The question")[0]
    return said({"reason": "The proof is there, or not.", "score": 5 if right else 1}, 260, 20)


def test_handbook_qa_runs_small(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("STILLROOM_TEST_KEY", "key-of-the-test")
    monkeypatch.setitem(group.COMMANDS, "run", ("pipelines.cli:run", "Run a recipe."))
    monkeypatch.setenv(CACHE_VARIABLE, str(ROOT / ".cache" / "stillroom"))  # the converter is unpacked only once
    recipe: dict[str, Any] = parse_document(RECIPE.read_text(encoding="utf-8")).data
    with Loopback() as server:
        server.reply = reader
        recipe |= {"name": f"handbook-{server.url.rpartition(':')[2].partition('/')[0]}", "base_model": str(tiny)}
        recipe["teacher"] |= {"base_url": server.url, "model": "m", "keys_env": ["STILLROOM_TEST_KEY"]}
        (source,) = recipe["data"]["sources"]
        docs = shutil.copytree(ROOT / "docs", tmp_path / "docs")  # a manual that is edited meanwhile is another one
        source |= {"path": str(docs), "sample": 18, "questions": ["fact"], "controls": 4}
        recipe |= {"sft": {"epochs": 0.5, "batch_size": 8, "lora": {"rank": 4}}, "dpo": None, "profiles": {}}
        recipe |= {"export": {"formats": ["F16"], "max_loss_points": 100}}
        recipe |= {
            "gates": {"better_than_base": False, "schema_valid_unconstrained": 0.0, "schema_valid_constrained": 0.0}
        }
        recipe["serve"] = {"max_answer_tokens": 48, "context_tokens": 1024}
        (tmp_path / "handbook.yaml").write_text(json.dumps(recipe))
        assert group.run(["run", "handbook.yaml"]) == 0
        asked = len(server.asked)
        assert group.run(["distil", "handbook.yaml", "-o", "pairs.jsonl"]) == 0
        assert len(server.asked) == asked  # from the run's own answers, for nothing
    run = next((tmp_path / "runs").glob("handbook-*"))
    rows = read_rows(run / "data" / "train.jsonl")
    assert len(rows) >= 8
    for row in rows:
        passage = row.text.partition("\n\n")[2]
        assert find_citation(passage, row.label["citation"]) and (docs / row.meta["file"]).is_file()
        document = (docs / row.meta["file"]).read_text(encoding="utf-8")
        assert document[row.meta["citation_start"] : row.meta["citation_end"]] == row.label["citation"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "passages gave none" in page and "the judge accepted 0 of 4: it notices most." in page
    assert "key-of-the-test" not in page
    pairs = {row.id for row in read_rows(tmp_path / "pairs.jsonl")}
    assert {row.id for row in rows} <= pairs
