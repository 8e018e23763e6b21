"""The report: one HTML page that holds everything it shows and asks nothing of the network."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stillroom.data.statistics import in_tokens
from stillroom.data.versions import open_data
from stillroom.files import write_text
from stillroom.recipe.model import Recipe
from stillroom.report import data_sections, scores, sections, words
from stillroom.report.run import Json, Run, read_run
from stillroom.review.agreement import in_words

if TYPE_CHECKING:
    import jinja2


def write_report(recipe: Recipe, steps: Mapping[str, Path], out: Path) -> None:
    """Write `out`/report.html from the folders of a run's steps.

    `steps` has the folders of data, sft, base, sft-evaluation, models, measure and gate, and with DPO those of
    preferences and dpo. The page is the same bytes for the same run. Raises UserError where a file is missing.
    """
    write_text(out / "report.html", render(recipe, steps))


def render(recipe: Recipe, steps: Mapping[str, Path]) -> str:
    """The page as text."""
    run = read_run(steps)
    noun = sections.noun_of(recipe)
    pages = environment()
    script, script_hash = script_of(pages)
    page = pages.get_template("report.html").render(
        name=recipe.name,
        noun=noun,
        script=script,
        script_hash=script_hash,
        verdict=sections.verdict(recipe, run),
        data=data_sections.data(run.data),
        figures=data_sections.figures(_statistics(run, steps["data"], recipe), steps["data"]),
        training=sections.training(run),
        ladder=sections.ladder(recipe, run, noun),
        fields=sections.fields(run, noun),
        confusion=sections.confusion(run, noun),
        formats=sections.formats(recipe, run, noun),
        preferences=sections.preferences(run),
        failures=sections.failures(recipe, run),
        gate=run.summary["gate"],
        lineage=sections.lineage(run),
        recipe=sections.recipe_text(recipe),
    )
    return words.printable(page)


def _statistics(run: Run, folder: Path, recipe: Recipe) -> Json | None:
    """The data's statistics; the data step may have come before the model, whose tokens are counted now."""
    return run.statistics and in_tokens(run.statistics, open_data(folder), recipe)


def environment() -> "jinja2.Environment":
    """The templates with the filters that write figures."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("stillroom.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=words.percent,
        percent_range=words.percent_range,
        signed=words.signed,
        signed_range=words.signed_range,
        number=words.number,
        size=words.size,
        duration=words.duration,
        date=words.date,
        human=words.human,
        language=words.language,
        personal=words.personal,
        source_name=scores.source_name,
        share_of=sections.share_of,
        kappa=in_words,
    )
    made.globals["plural"] = words.plural
    return made


def script_of(pages: "jinja2.Environment") -> tuple[str, str]:
    """The page's script and its hash for the content security policy.

    Only this very script may run: a mail that smuggled one past the escaping would still not be executed.
    """
    script = pages.get_template("script.html").render()
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
