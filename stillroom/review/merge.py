"""What people said, checked against what they were asked, and put into the data.

A row that people call right stays. A wrong one gets the right label that they wrote, or else goes to rejected.jsonl.
Where they do not agree, the majority decides; without one the row stays as it is and is listed.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stillroom.data.balance import COPY_OF
from stillroom.data.card import write_card
from stillroom.data.reading import Rejected
from stillroom.data.rows import Row, write_rows
from stillroom.data.split import class_of
from stillroom.data.versions import REJECTED, REPORT, SUMMARY, DataSet, rows_of, write_manifest
from stillroom.errors import UserError
from stillroom.files import read_json, sha256, write_json, write_jsonl
from stillroom.recipe.schema import class_names, validate
from stillroom.review.agreement import agreement
from stillroom.review.read import Judgement, Returned
from stillroom.review.sheet import answers_of, digest, guarded, shown_label

CARRIED = ("recipe", "recipe_sha256", "seed", "instruction")
"""What the manifest of the merged data takes over."""
CALLED_WRONG = "a person called the label wrong"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one person says of one row: a verdict, and for a wrong label the right one, if it was written."""

    person: str
    verdict: str
    label: Any
    reason: str
    comment: str


@dataclass
class Review:
    """All that came back, checked: the opinions by row, and what is wrong with the files, by kind."""

    people: list[str]
    opinions: dict[str, list[Opinion]] = field(default_factory=lambda: defaultdict(list))
    unknown: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    agreement: dict[str, Any] = field(default_factory=dict)


def check_review(files: Sequence[Returned], rows: dict[str, Row], schema: dict[str, Any] | None) -> Review:
    """Hold every line against the data: `rows` are those of the data set, by their ids, that a file speaks of."""
    names = Counter(file.person for file in files)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UserError(
            f"Two files are called {twice[0]}; a file's name is its person's, so give them different names."
        )
    review = Review(list(names))
    verdicts: dict[str, dict[str, str]] = {name: {} for name in names}
    labels: dict[str, dict[str, str]] = {name: {} for name in names}
    for file in files:
        review.faults += file.faults
        asked = file.sent.rows if file.sent else {}
        review.missing += [f"{file.person}: {id}" for id in asked if id not in file.seen]
        for id, judgement in file.judgements.items():
            where = f"{file.person}: {id}"
            row = rows.get(id)
            if row is None or (file.sent is not None and id not in asked):
                review.unknown.append(where)
            elif judgement.digest != digest(guarded(row.text), guarded(shown_label(row))):
                review.changed.append(where)
            elif not judgement.verdict:
                review.open.append(where)
            else:
                opinion = _opinion(file.person, judgement, row, schema, review.faults)
                review.opinions[id].append(opinion)
                verdicts[file.person][id] = opinion.verdict
                labels[file.person][id] = _answer(opinion, row, schema)
    if len(files) > 1:
        review.agreement = {"verdict": agreement(verdicts)}
        if class_names(schema):
            review.agreement["class"] = agreement(labels)
    return review


def merge(review: Review, data: DataSet, out: Path, files: Sequence[Returned]) -> dict[str, Any]:
    """Write the data set with what people said into `out`; returns the summary that is written beside it."""
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty. Name another folder with --out, or remove it.")
    counts: Counter[str] = Counter()
    disputed: list[str] = []
    rejected: list[Rejected] = []
    for path in data.files.values():
        kept = (
            decided
            for row in rows_of(path)
            if (decided := _decide(row, review.opinions, counts, disputed, rejected)) is not None
        )
        write_rows(out / path.name, kept)
    earlier = data.folder / REJECTED
    lines = [json.loads(line) for line in earlier.read_text(encoding="utf-8").splitlines()] if earlier.is_file() else []
    write_jsonl(out / REJECTED, [*lines, *(item.as_dict() for item in rejected)])
    summary = {
        "people": review.people,
        "rows": len(review.opinions),
        "counts": dict(counts),
        "agreement": review.agreement,
        "disputed": disputed,
        "unknown": review.unknown,
        "changed": review.changed,
        "missing": review.missing,
        "open": review.open,
        "faults": review.faults,
        "reasons": dict(Counter(one.reason for all in review.opinions.values() for one in all if one.reason)),
    }
    write_json(out / SUMMARY, summary)
    report = None
    if (data.folder / REPORT).is_file():
        report = read_json(data.folder / REPORT)
        report["dropped"] = {**report["dropped"], **({CALLED_WRONG: len(rejected)} if rejected else {})}
        report["splits"] = _splits(out, data)
        write_json(out / REPORT, report)
    manifest = write_manifest(
        out,
        name=f"{data.manifest.get('name', data.folder.name)}, reviewed",
        parents={str(data.manifest.get("name", data.folder.name)): data.version}
        | {file.path.name: sha256(file.path) for file in files},
        schema=data.schema,
        more={key: data.manifest[key] for key in CARRIED if key in data.manifest},
    )
    if report is not None:
        write_card(out, report, manifest)
    return summary


def _opinion(person: str, judgement: Judgement, row: Row, schema: dict[str, Any] | None, faults: list[str]) -> Opinion:
    label, verdict = row.label, judgement.verdict
    if verdict == "wrong":
        label = None
        if judgement.right_label:
            try:
                label = read_label(judgement.right_label, schema)
            except ValueError as error:
                faults.append(f"{person} ({row.id}): the right label cannot be used: {error}; the row is left out.")
        if label == row.label:
            faults.append(f"{person} ({row.id}): the right label is the one called wrong; it counts as right.")
            verdict = "right"
    return Opinion(person, verdict, label, judgement.reason, judgement.comment)


def read_label(text: str, schema: dict[str, Any] | None) -> Any:
    """A label as a person writes it: JSON, or just the class where that is the whole answer. ValueError if neither."""
    if schema is None:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    for answer in answers_of(schema):
        known = answer if "enum" in schema else json.loads(answer)
        class_name = known if isinstance(known, str) else str(next(iter(known.values())))
        if str(value).strip().casefold() == class_name.casefold():
            return known
    problems = validate(schema, value)
    if problems:
        raise ValueError("; ".join(problems))
    return value


def _answer(opinion: Opinion, row: Row, schema: dict[str, Any] | None) -> str:
    """What people are compared by: the class of the label that they stand for, else what they say instead of it."""
    if opinion.verdict == "unsure":
        return "unsure"
    return "another" if opinion.label is None else class_of(replace(row, label=opinion.label), schema)


def _decide(
    row: Row, by_row: Mapping[str, list[Opinion]], counts: Counter[str], disputed: list[str], rejected: list[Rejected]
) -> Row | None:
    opinions = by_row.get(row.id, [])
    if COPY_OF in row.meta and not opinions:  # what was said of the row that it repeats, which is counted there
        opinions, counts, disputed = by_row.get(row.meta[COPY_OF], []), Counter(), []
    if not opinions:
        return row
    sure = [one for one in opinions if one.verdict != "unsure"]
    said = Counter((one.verdict, json.dumps(one.label, ensure_ascii=False, sort_keys=True)) for one in sure)
    meta = {**row.meta, "review": [{"person": one.person, "verdict": one.verdict} for one in opinions]}
    if not sure:
        counts["unsure"] += 1
        return replace(row, meta=meta)
    ((verdict, text), most), *others = said.most_common()
    if others and others[0][1] == most:
        counts["disputed"] += 1
        disputed.append(row.id)
        return replace(row, meta=meta)
    if verdict == "right":
        counts["right"] += 1
        return replace(row, meta=meta)
    label = json.loads(text)
    if label is None:
        counts["left out"] += 1
        reasons = "; ".join(dict.fromkeys(part for one in sure for part in (one.reason, one.comment) if part))
        rejected.append(Rejected(row, CALLED_WRONG, reasons))
        return None
    counts["corrected"] += 1
    return replace(row, label=label, meta={**meta, "label_before_review": row.label})


def _splits(out: Path, data: DataSet) -> dict[str, Any]:
    found = {}
    for name, path in data.files.items():
        classes: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for row in rows_of(out / path.name):
            classes[class_of(row, data.schema)] += 1
            sources[row.source] += 1
        found[name] = {
            "rows": classes.total(),
            "classes": dict(sorted(classes.items())),
            "sources": dict(sorted(sources.items())),
        }
    return found


def shown(summary: dict[str, Any], out: Path) -> list[str]:
    """The summary as lines for a terminal."""
    from stillroom.review.agreement import in_words

    lines = []
    titles = {
        "faults": "cannot be used as they stand",
        "unknown": "are not among the rows that were sent out, or no longer in the data: ignored",
        "changed": "came back with another text or label than was sent out (edited, or damaged in saving): ignored",
        "missing": "were sent out and did not come back",
        "open": "have no verdict yet",
    }
    for key, words in titles.items():
        found = summary[key]
        if found:
            lines.append(f"{len(found):,} lines {words}:")
            lines += [f"  {one}" for one in found[:5]] + (["  …"] if len(found) > 5 else [])
    counts = summary["counts"]
    said = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
    lines.append(f"{summary['rows']:,} rows reviewed: {said or 'none'}")
    for name, found in summary["agreement"].items():
        for pair in found["pairs"]:
            kappa = pair["cohen"]
            figure = "–" if kappa is None else f"{kappa:.2f}"
            lines.append(
                f"  {name}: {' and '.join(pair['people'])} agree on {pair['equal']:,} of {pair['rows']:,} rows, "
                f"Cohen's kappa {figure} ({in_words(kappa)})"
            )
        if len(found["people"]) > 2:
            kappa = found["fleiss"]
            figure = "–" if kappa is None else f"{kappa:.2f}"
            lines.append(
                f"  {name}: all {len(found['people'])} agree on {found['equal']:,} of {found['rows']:,} rows, "
                f"Fleiss' kappa {figure} ({in_words(kappa)})"
            )
    if summary["disputed"]:
        lines.append(f"Without a majority, and left as they were: {', '.join(summary['disputed'][:5])}")
    lines.append(f"The merged data set is in {out}")
    return lines
