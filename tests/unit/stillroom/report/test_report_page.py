"""The page: every section there, nothing loaded from outside, nothing from a mail taken for markup."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_run import SCRIPT, MadeRun, make_run

from stillroom.errors import UserError
from stillroom.report.page import render, write_report

SECTIONS = ["data", "training", "scores", "fields", "confusion", "formats", "preferences", "failures", "gate"]
SECTIONS += ["lineage", "recipe"]
LOADING = {"src", "srcset", "href", "xlink:href", "data", "action", "poster", "background", "formaction"}
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """What is on a page: elements with their attributes, ids, text, and whether all tags are closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        self.text = " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def good_source(good: MadeRun) -> str:
    return render(good.recipe, good.steps)


@pytest.fixture(scope="module")
def good_page(good_source: str) -> Page:
    return Page(good_source)


def test_the_file_is_whole_small_and_the_same_twice(good: MadeRun, good_source: str, tmp_path: Path) -> None:
    write_report(good.recipe, good.steps, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == good_source
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert len(good_source.encode()) < 1_500_000
    assert good_source.startswith("<!DOCTYPE html>")


def test_every_section_stands_in_order_and_every_link_leads_to_one(good_page: Page) -> None:
    assert [name for tag, attrs in good_page.elements if tag == "section" and (name := attrs["id"])] == SECTIONS
    links = [attrs["href"] or "" for tag, attrs in good_page.elements if tag == "a"]
    assert [link.removeprefix("#") for link in links] == SECTIONS
    assert len(good_page.ids) == len(set(good_page.ids))
    assert good_page.open == []


def test_nothing_is_loaded_from_outside(good_source: str, good_page: Page) -> None:
    for tag, attrs in good_page.elements:
        for name in LOADING & attrs.keys():
            assert tag == "a" and (attrs[name] or "").startswith("#"), (tag, name)
    assert not {"link", "iframe", "object", "embed", "img", "base"} & {tag for tag, _ in good_page.elements}
    style = re.search(r"<style>(.*?)</style>", good_source, re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    assert "default-src 'none'" in good_source


def test_markup_in_mails_and_answers_is_shown_and_never_taken(good_source: str, good_page: Page) -> None:
    assert SCRIPT not in good_source
    assert SCRIPT in good_page.text
    assert [tag for tag, _ in good_page.elements].count("script") == 1
    assert "Ines <ines@example.org>" in good_page.text
    assert "\N{REPLACEMENT CHARACTER} menu" in good_page.text  # the lone surrogate and the NUL of a dropped mail


def test_markup_in_names_and_messages_is_shown_and_never_taken(good: MadeRun, tmp_path: Path) -> None:
    steps = _copied(good, tmp_path)
    attack = "\"><img src=x onerror='alert(1)'>"
    _change(steps["gate"] / "evaluation.json", lambda it: it["gate"]["checks"][0].update(message=attack, name=attack))
    _change(steps["data"] / "data_report.json", lambda it: it["dropped"].update({attack: 3}))
    _change(steps["preferences"] / "preferences.json", lambda it: it["by_rule"].update({attack: 3}))
    _change(steps["sft"] / "step.json", lambda it: it["versions"].update({attack: attack}))
    source = render(good.recipe, steps)
    assert "<img" not in source
    assert attack in Page(source).text


def test_the_only_script_is_the_one_whose_hash_the_page_allows(good_source: str) -> None:
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", good_source, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in good_source


def test_the_headline_is_the_verdict_in_one_sentence(good: MadeRun, good_page: Page) -> None:
    chosen = good.summary["chosen"]
    exact = good.summary["models"][chosen]["groups"]["all"]["constrained"]["exact_match"]
    assert good.summary["gate"]["passed"]
    assert f"email-events-{chosen}.gguf" in good_page.text
    assert f"{exact['value']:.1%}".replace("%", " %") + " of 60 unseen e-mails exactly right" in good_page.text
    assert f"{100 * exact['low']:.1f}\N{EN DASH}{100 * exact['high']:.1f} %" in good_page.text
    assert "is accepted" in good_page.text and "✓ Accepted" in good_page.text


def test_groups_are_kept_apart_and_every_model_stands_in_each(good_page: Page) -> None:
    for group in ("All test e-mails · 60", "Generated e-mails · 40", "Real e-mails (SpamAssassin) · 20"):
        assert group in good_page.text
    for model in ("Base model", "SFT", "DPO, F16", "Q8_0", "Q4_K_M", "Q4_0"):
        assert good_page.text.count(model) >= 3


def test_charts_are_named_for_those_who_do_not_see_them(good_page: Page) -> None:
    charts = [attrs for tag, attrs in good_page.elements if tag == "svg"]
    assert len(charts) >= 12
    for attrs in charts:
        assert attrs["role"] == "img"
        assert set((attrs["aria-labelledby"] or "").split()) <= set(good_page.ids)


def test_no_figure_is_nan_or_none(good_source: str, good_page: Page) -> None:
    shown = re.sub(r"<pre.*?</pre>", "", good_source, flags=re.DOTALL)
    assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", shown)
    for _, attrs in good_page.elements:
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"):
            if name in attrs and (attrs[name] or "").isascii():
                float((attrs[name] or "").removesuffix("px"))


def test_figures_that_are_not_there_are_a_dash(good: MadeRun, tmp_path: Path) -> None:
    steps = _copied(good, tmp_path)

    def blank(summary: dict) -> None:  # type: ignore[type-arg]
        group = summary["models"]["base"]["groups"]["spam-assassin"]["constrained"]
        group["field_f1"]["events"] = None
        group["exact_match"] = {"value": float("nan"), "low": 0.0, "high": 1.0}

    path = steps["gate"] / "evaluation.json"
    summary = json.loads(path.read_text())
    blank(summary)
    path.write_text(json.dumps(summary))
    source = render(good.recipe, steps)
    assert "NaN" not in source and "nan" not in re.sub(r"<pre.*?</pre>", "", source, flags=re.DOTALL).split()
    assert ">–<" in source


def test_a_rejected_run_says_why(tmp_path: Path) -> None:
    run = make_run(tmp_path, accepted=False)
    page = Page(render(run.recipe, run.steps))
    failed = [check for check in run.summary["gate"]["checks"] if not check["passed"]]
    assert failed and "is rejected" in page.text and "✗ Rejected" in page.text
    for check in failed:
        assert page.text.count(check["message"]) == 2  # under the headline and at the gate
    assert "not registered" in page.text


def test_a_run_where_no_file_was_chosen_shows_the_first(good: MadeRun, tmp_path: Path) -> None:
    steps = _copied(good, tmp_path)
    _change(steps["gate"] / "evaluation.json", lambda it: it.update(chosen=None, gate={**it["gate"], "passed": False}))
    assert "No file is accepted. The first of them, email-events-F16.gguf" in Page(render(good.recipe, steps)).text


def test_a_run_without_dpo_has_no_preferences(tmp_path: Path) -> None:
    run = make_run(tmp_path, dpo=False)
    page = Page(render(run.recipe, run.steps))
    assert "preferences" not in page.ids
    assert "DPO" not in page.text


def test_a_free_text_run_shows_its_own_scores(tmp_path: Path) -> None:
    run = make_run(tmp_path, free_text=True)
    page = Page(render(run.recipe, run.steps))
    assert "fields" not in page.ids and "confusion" not in page.ids
    assert "ROUGE-L" in page.text and "Token F1" in page.text
    assert "Valid, unconstrained" not in page.text
    assert "loss of token F1 against 16 bit" in page.text and "Fine-tuning changed token F1 by" in page.text
    assert "points of token F1, " in page.text


def test_the_page_says_how_little_its_rows_can_rule_out(good_page: Page) -> None:
    assert "loss of exact match against 16 bit surely stays within 6 points" in good_page.text
    assert "With 60 test rows, no loss below 5.0 points can be ruled out." in good_page.text
    assert "less than 5 % slower counts as equally fast" in good_page.text


@pytest.mark.parametrize(
    "missing", ["data/data_report.json", "sft/curves.jsonl", "gate/step.json", "dpo/training.json"]
)
def test_a_missing_file_is_named(good: MadeRun, tmp_path: Path, missing: str) -> None:
    steps = _copied(good, tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(UserError, match=re.escape(missing)):
        write_report(good.recipe, steps, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_step_is_named(good: MadeRun, tmp_path: Path) -> None:
    steps = {name: folder for name, folder in good.steps.items() if name != "measure"}
    with pytest.raises(UserError, match="measure"):
        write_report(good.recipe, steps, tmp_path)


def _copied(run: MadeRun, folder: Path) -> dict[str, Path]:
    for name, path in run.steps.items():
        shutil.copytree(path, folder / name)
    return {name: folder / name for name in run.steps}


def _change(path: Path, change) -> None:  # type: ignore[no-untyped-def]
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")
