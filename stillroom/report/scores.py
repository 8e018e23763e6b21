"""Which scores of an evaluation stand in the report, and how models and groups are called."""

from dataclasses import dataclass
from typing import Any

from stillroom.report.words import Interval

Json = dict[str, Any]

SIXTEEN_BIT_OR_MORE = {"F16", "BF16", "F32"}

_GROUPS = {
    "all": "All test {noun}s",
    "generated": "Generated {noun}s",
    "spam-assassin": "Real {noun}s (SpamAssassin)",
}


@dataclass(frozen=True, slots=True)
class Score:
    """A score by its place in an evaluation: which decoding, which key, and for a nested key which field."""

    title: str
    decoding: str
    key: str
    field: str | None = None

    def read(self, group: Json) -> Interval | None:
        """The score of one group of one evaluation; None where it is not defined."""
        found = decoded(group, self.decoding).get(self.key)
        if self.field is not None:
            found = (found or {}).get(self.field)
        return Interval.read(found)


def decoded(group: Json, decoding: str) -> Json:
    """The scores under one way of decoding; a free-text task may have only the unconstrained ones."""
    scores: Json = group.get(decoding) or group["unconstrained"]
    return scores


def is_free_text(summary: Json) -> bool:
    """True where the task has no schema: its scores are ROUGE-L and token F1."""
    return "rouge_l" in decoded(_any_group(summary), "unconstrained")


def scores_of(summary: Json) -> list[Score]:
    """The scores of the ladder, most important first."""
    exact = Score("Exact match", "constrained", "exact_match")
    if is_free_text(summary):
        return [
            exact,
            Score("ROUGE-L", "constrained", "rouge_l"),
            Score("Token F1", "constrained", "token_f1"),
        ]
    scores = [exact, Score("Valid, unconstrained", "unconstrained", "schema_valid")]
    field = main_field(fields_of(summary))
    if field is not None:
        scores.append(Score(f"F1 of {field}", "constrained", "field_f1", field))
    return scores


def fields_of(summary: Json) -> list[str]:
    """The fields with an F1 score."""
    return list(decoded(_any_group(summary), "constrained").get("field_f1") or {})


def main_field(fields: list[str]) -> str | None:
    """The field that stands for all in the ladder: the one with the most fields inside, such as a list of objects."""
    if not fields:
        return None
    return max(fields, key=lambda field: sum(other.startswith(field + ".") for other in fields))


def has_dpo(summary: Json) -> bool:
    """True where the exported model has been through preference training."""
    return bool(summary.get("comparisons", {}).get("dpo_over_sft"))


def ladder_label(summary: Json, name: str) -> str:
    """How a model of the summary is called in charts and tables."""
    named = {"base": "Base model", "sft": "SFT", "dpo": "DPO"}
    if name in named:
        return named[name]
    if name in SIXTEEN_BIT_OR_MORE and has_dpo(summary) and "dpo" not in summary["models"]:
        return f"DPO, {name}"
    return name


def group_names(summary: Json) -> list[str]:
    """The groups of test rows: all first. With a single source, its group is the same as all and is left out."""
    names = list(next(iter(summary["models"].values()))["groups"])
    sources = [name for name in names if name != "all"]
    return ["all", *sources] if len(sources) > 1 else ["all"]


def group_label(name: str, noun: str) -> str:
    """How a group of test rows is called."""
    return _GROUPS[name].format(noun=noun) if name in _GROUPS else name


def source_name(name: str) -> str:
    """How a source of data is called."""
    return {"generated": "Generated", "spam-assassin": "SpamAssassin"}.get(name, name)


def _any_group(summary: Json) -> Json:
    group: Json = next(iter(summary["models"].values()))["groups"]["all"]
    return group
