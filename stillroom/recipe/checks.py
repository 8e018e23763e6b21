"""The checks that look at more than one field of a recipe, or beyond it.

They read the raw data, so that they can speak even where pydantic has already found a fault; a part of the wrong type
is passed over here, because pydantic names it.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from stillroom.recipe.faults import Finding, Place, suggest
from stillroom.recipe.model import PACKAGED_MODELS, Export, QuantisedFormat, RejectionRule
from stillroom.recipe.schema import class_names, date_fields, fields, free_text_fields, unsupported, validate
from stillroom.recipe.teacher_checks import check_distilled, check_judge, check_teacher

Raw = dict[str, Any]
_SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}
_ANSWERS = ("spam", "no_event")
_MAIL = ("mbox", "maildir", "eml")
_ONE_LABEL = (*_MAIL, "documents", "web")  # kinds whose `label` is the answer for all that they give
_TABULAR = ("csv", "jsonl", "parquet")
_WITH_SOURCES = ("data", "pretrain")
_TOXICITY_LISTS: Place = ("data", "cleaning", "toxicity", "lists")


def check(raw: Raw, *, sources_must_exist: bool = True) -> Iterator[Finding]:
    """Everything that is wrong with a raw recipe beside types and bounds; its paths are absolute already."""
    schema = raw.get("output_schema")
    bad_schema = unsupported(schema) if schema is not None else []
    for fault in bad_schema:
        yield Finding(("output_schema", *fault.place), fault.message, fault.of_key)
    if sources_must_exist:  # a run's own copy serves where the base model is no more
        yield from _base_model(raw)
    yield from _split(raw)
    yield from _repeated(raw)
    yield from _order(raw)
    yield from _offsets(raw)
    yield from _target_modules(raw)
    yield from _quantization_aware(raw)
    yield from _workers(raw)
    yield from _labels(raw)
    yield from check_teacher(raw)
    yield from check_judge(raw)
    if sources_must_exist:
        yield from _sources(raw)
        yield from _toxicity_lists(raw)
    if not bad_schema:
        yield from _answers(raw, schema)
        yield from _classes(raw, schema)
        yield from check_distilled(raw, schema)
        yield from _rules(raw, schema)
    if schema is None:
        yield from _gates(raw)


def rules_that_fit(schema: Raw | None) -> list[str]:
    """The rejection rules that can break some answer of the task, in the order of the recipe's default."""
    return [rule for rule in get_args(RejectionRule) if not why_not(rule, schema)]


def why_not(rule: str, schema: Raw | None) -> str:
    """Why a rejection rule can never break an answer of this task; empty when it can."""
    if schema is None:
        return "" if rule == "prose_around" else "the task is free text, so an answer has no fields to break"
    if rule == "missing_field" and not any(field.required for field in fields(schema)):
        return "output_schema requires no field"
    if rule == "value_not_in_text" and not free_text_fields(schema):
        return "output_schema has no text field without an enum or pattern"
    if rule == "wrong_date_format" and not date_fields(schema):
        return "output_schema has no text field with a YYYY-MM-DD pattern"
    if rule == "duplicate_event" and not any(field.kind == "list" and field.fields for field in fields(schema)):
        return "output_schema has no list of objects"
    return ""


def absolute_paths(raw: Raw, folder: Path) -> Raw:
    """The raw recipe with every path made absolute; a relative one is meant from the recipe's folder."""
    raw = dict(raw)
    model = raw.get("base_model")
    if isinstance(model, str) and model and model not in PACKAGED_MODELS:
        path = _absolute(model, folder)
        raw["base_model"] = str(path) if path.is_dir() else model
    for section in _WITH_SOURCES:
        if isinstance(raw.get(section), dict) and isinstance(raw[section].get("sources"), list):
            sources = [_absolute_source(source, folder) for source in raw[section]["sources"]]
            raw[section] = {**raw[section], "sources": sources}
    if isinstance(_at(raw, ("data", "cleaning")), dict):
        raw["data"] = {**raw["data"], "cleaning": _absolute_cleaning(raw["data"]["cleaning"], folder)}
    storage = _at(raw, ("train", "storage"))
    if isinstance(storage, str) and storage and "://" not in storage:
        raw["train"] = {**raw["train"], "storage": str(_absolute(storage, folder))}
    return raw


def _absolute(path: str, folder: Path) -> Path:
    return (folder / Path(path).expanduser()).resolve()


def _absolute_cleaning(cleaning: Raw, folder: Path) -> Raw:
    cleaning = dict(cleaning)
    lists = _at(cleaning, ("toxicity", "lists"))
    if isinstance(lists, list):
        named = [str(_absolute(one, folder)) if isinstance(one, str) else one for one in lists]
        cleaning["toxicity"] = {**cleaning["toxicity"], "lists": named}
    for name in ("vault", "name_model"):
        path = _at(cleaning, ("pii", name))
        # A model is a folder where there is one of that name, and the name of a package otherwise.
        if isinstance(path, str) and path and (name == "vault" or _absolute(path, folder).is_dir()):
            cleaning["pii"] = {**cleaning["pii"], name: str(_absolute(path, folder))}
    return cleaning


def _absolute_source(source: Any, folder: Path) -> Any:
    if not isinstance(source, dict):
        return source
    source = dict(source)
    path = source.get("path")
    if isinstance(path, str) and path and (source.get("kind") != "huggingface" or _absolute(path, folder).is_dir()):
        source["path"] = str(_absolute(path, folder))
    if isinstance(source.get("urls_in"), str) and source["urls_in"]:
        source["urls_in"] = str(_absolute(source["urls_in"], folder))
    skipped = source.get("skip_ids_in")
    if isinstance(skipped, list):
        source["skip_ids_in"] = [str(_absolute(one, folder)) if isinstance(one, str) else one for one in skipped]
    return source


def _base_model(raw: Raw) -> Iterator[Finding]:
    model = raw.get("base_model")
    place = ("base_model",)
    if not isinstance(model, str) or model in PACKAGED_MODELS:
        return
    if Path(model).is_absolute() and Path(model).is_dir():
        if not (Path(model) / "config.json").is_file():
            yield Finding(place, f"the folder {model} holds no config.json; name the folder of a Hugging Face model")
    elif model.startswith((".", "/", "~")):
        yield Finding(place, f"no such folder: {model}")
    elif not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
        advice = suggest(model, PACKAGED_MODELS, otherwise=f"packaged: {', '.join(PACKAGED_MODELS)}")
        message = f"'{model}' is neither packaged, nor a folder, nor a Hugging Face id like 'org/name'; {advice}"
        yield Finding(place, message)


def _split(raw: Raw) -> Iterator[Finding]:
    split = _mapping(_mapping(raw.get("data")).get("split"))
    shares = [split.get(name, share) for name, share in _SPLITS.items()]
    numbers = [share for share in shares if isinstance(share, int | float) and not isinstance(share, bool)]
    if len(numbers) == len(shares) and not math.isclose(sum(numbers), 1, abs_tol=1e-9):
        written = " + ".join(f"{share:g}" for share in numbers)
        message = f"train + validation + test is {written} = {sum(numbers):g}; the three must add up to 1"
        yield Finding(("data", "split"), message, of_key=True)


def _repeated(raw: Raw) -> Iterator[Finding]:
    places: list[Place] = [("export", "formats"), ("dpo", "rules")]
    for place in places:
        items = _at(raw, place)
        if isinstance(items, list):
            for index, item in enumerate(items):
                if item in items[:index]:
                    yield Finding((*place, index), f"'{item}' stands twice; remove one")


def _order(raw: Raw) -> Iterator[Finding]:
    """Pairs of numbers of which one must be below the other."""
    for low, high in (
        (("data", "cleaning", "min_characters"), ("data", "cleaning", "max_characters")),
        (("serve", "max_answer_tokens"), ("serve", "context_tokens")),
    ):
        defaults = {"max_characters": 2000, "context_tokens": 2048, "min_characters": 1, "max_answer_tokens": 256}
        small, large = (_at(raw, place) or defaults[place[-1]] for place in (low, high))
        if isinstance(small, int) and isinstance(large, int) and small >= large:
            place = low if _at(raw, low) is not None else high
            yield Finding(place, f"{low[-1]} ({small}) must be less than {high[-1]} ({large})")
    for index, source in _each_source(raw):
        size, overlap = (
            source.get(key, default) for key, default in (("chunk_characters", 2000), ("chunk_overlap", 200))
        )
        if isinstance(size, int) and isinstance(overlap, int) and 2 * overlap >= size:
            key = "chunk_overlap" if "chunk_overlap" in source else "chunk_characters"
            yield Finding(
                ("data", "sources", index, key),
                f"chunk_overlap ({overlap}) must be less than half of chunk_characters ({size})",
            )


def _offsets(raw: Raw) -> Iterator[Finding]:
    """Places in a text stay right where fakes replace what is personal, and nowhere else."""
    cleaning = ("data", "cleaning")
    if not _at(raw, (*cleaning, "pii", "offsets")):
        return
    for name in ("repair", "boilerplate_documents"):
        if _at(raw, (*cleaning, name)):
            message = "moves what stands in a text, and the places in pii.offsets do not follow; remove one of the two"
            yield Finding((*cleaning, name), message)


def _target_modules(raw: Raw) -> Iterator[Finding]:
    """Which layers there are only the base model says; but a text is a pattern, and something must be named."""
    place = ("sft", "lora", "target_modules")
    wanted = _at(raw, place)
    if wanted in ("", []):
        yield Finding(place, "names no layer; write all-linear, or names such as [q_proj, v_proj]")
    if isinstance(wanted, str):
        try:
            re.compile(wanted)
        except re.error as error:
            yield Finding(place, f"is no regular expression ({error}); write all-linear, or a list of names")


def _quantization_aware(raw: Raw) -> Iterator[Finding]:
    """The rounding that is trained through must be that of a file which is made, from the same 16-bit file."""
    place = ("train", "quantization_aware")
    wanted = _at(raw, place)
    if wanted not in get_args(QuantisedFormat):
        return
    formats = _at(raw, ("export", "formats"))
    if formats is None:
        formats = Export.model_fields["formats"].default
    if isinstance(formats, list) and wanted not in formats:
        yield Finding(place, f"'{wanted}' is not among export.formats, so its file is never made; add it there")
    if isinstance(formats, list) and "BF16" in formats and "F16" not in formats:
        message = f"{wanted} would be made from BF16, but training rounds through F16; add F16 here, or remove BF16"
        yield Finding(("export", "formats"), message)
    dropout = _at(raw, ("sft", "lora", "dropout"))
    if isinstance(dropout, int | float) and dropout > 0:
        message = f"must be 0, not {dropout:g}: train.quantization_aware rounds the whole merged weight; write 0"
        yield Finding(("sft", "lora", "dropout"), message)
    if _at(raw, ("train", "qlora")) is True:
        message = "must be false: train.quantization_aware rounds whole weights, and QLoRA holds them in 4 bit"
        yield Finding(("train", "qlora"), message)
    if _at(raw, ("sft", "lora", "use_dora")) is True:
        message = (
            "must be false: train.quantization_aware rounds a sum of weight and adapter, and DoRA is more than one"
        )
        yield Finding(("sft", "lora", "use_dora"), f"{message}; write use_rslora, or remove quantization_aware")


def _workers(raw: Raw) -> Iterator[Finding]:
    """The numbers of workers must be in order, and ZeRO needs several, as many at all times."""
    train = _mapping(raw.get("train"))
    workers = train.get("workers", 1)
    fewest, most = (workers if train.get(name) is None else train[name] for name in ("min_workers", "max_workers"))
    if not all(isinstance(number, int) and number > 0 for number in (workers, fewest, most)):
        return
    if fewest > workers:
        yield Finding(("train", "min_workers"), f"{fewest} is more than train.workers ({workers})")
    if most < workers:
        yield Finding(("train", "max_workers"), f"{most} is less than train.workers ({workers})")
    if most > 1 and isinstance(raw.get("pretrain"), dict):
        message = "raw text is read by one worker; remove it, or train it first by a recipe of its own"
        yield Finding(("pretrain",), message, of_key=True)
    place, zero = ("train", "deepspeed"), train.get("deepspeed")
    if not isinstance(zero, str):
        return
    if workers == 1:
        yield Finding(place, "there is nothing to cut into parts for one worker; raise train.workers, or write null")
    elif (fewest, most) != (workers, workers):
        message = "a ZeRO checkpoint is one part for each worker, so their number cannot change; "
        yield Finding(place, message + "remove train.min_workers and train.max_workers, or write null")
    if zero.startswith("zero3") and train.get("quantization_aware") is not None:
        message = "no worker of ZeRO-3 holds a whole weight, and train.quantization_aware rounds whole weights; "
        yield Finding(place, message + "write zero2, or null")
    if train.get("qlora") is True:
        yield Finding(place, "ZeRO cannot cut 4-bit weights; remove train.qlora, or write null")


def _sources(raw: Raw) -> Iterator[Finding]:
    for section in _WITH_SOURCES:
        for index, source in _each_source(raw, section):
            place: Place = (section, "sources", index)
            yield from _address(place, source)
            kind, path = source.get("kind"), source.get("path")
            if isinstance(path, str):
                yield from _source_path((*place, "path"), kind, path)
            for number, skipped in enumerate(_list(source.get("skip_ids_in"))):
                if isinstance(skipped, str) and not Path(skipped).is_file():
                    yield Finding((*place, "skip_ids_in", number), f"no such file: {skipped}")


def _address(place: Place, source: Raw) -> Iterator[Finding]:
    """A source that no path names: pages, or a data base."""
    if source.get("kind") == "web":
        listed = source.get("urls_in")
        if not (source.get("sitemap") or source.get("urls") or listed):
            yield Finding(place, "names no page; write sitemap, urls or urls_in")
        if isinstance(listed, str) and not Path(listed).is_file():
            yield Finding((*place, "urls_in"), f"no such file: {listed}")
        if source.get("give") == "faq" and source.get("label") is not None:
            yield Finding((*place, "label"), "give: faq takes each question's own answer; remove one of the two")
    variable = source.get("url_env")
    if source.get("kind") == "sql" and isinstance(variable, str) and not re.fullmatch(r"[A-Za-z_]\w*", variable):
        # The value is not repeated: it may hold a password, and messages end up in logs.
        message = "must be the name of an environment variable, such as DATABASE_URL; a recipe holds no addresses of it"
        yield Finding((*place, "url_env"), message)


def _toxicity_lists(raw: Raw) -> Iterator[Finding]:
    for number, path in enumerate(_list(_at(raw, _TOXICITY_LISTS))):
        if isinstance(path, str) and not Path(path).is_file():
            yield Finding((*_TOXICITY_LISTS, number), f"no such file: {path}")


def _labels(raw: Raw) -> Iterator[Finding]:
    sources = list(_each_source(raw))
    unlabelled = [
        (source.get("kind") in (*_TABULAR, "huggingface", "sql") and source.get("label", "") is None)
        or (source.get("kind") in _ONE_LABEL and source.get("label") is None and source.get("give") != "faq")
        for _, source in sources
    ]
    if sources and all(unlabelled):
        yield Finding(("data", "sources"), "no source has labels, so there is nothing to learn from")


def _source_path(place: Place, kind: Any, path: str) -> Iterator[Finding]:
    here = Path(path)
    if not path:
        yield Finding(place, "must not be empty")
    elif kind == "huggingface":
        if path.startswith((".", "/", "~")) and not here.is_dir():
            yield Finding(place, f"no such folder: {path}")
        elif not here.is_absolute() and not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", path):
            yield Finding(place, f"'{path}' is neither a folder nor a Hugging Face id like 'org/name'")
    elif kind in (*_TABULAR, *_MAIL, "documents", "chat", "distilled"):
        either = dict.fromkeys(("eml", "documents", "distilled"), "file or folder")
        wanted = {"maildir": "folder", **either}.get(kind, "file")
        if not here.exists():
            yield Finding(place, f"no such {wanted}: {path}")
        elif wanted == "file" and here.is_dir():
            yield Finding(place, f"{path} is a folder; name the {kind} file in it")
        elif wanted == "folder" and not here.is_dir():
            yield Finding(place, f"{path} is a file; name the maildir folder, or write kind: mbox")


def _answers(raw: Raw, schema: Raw | None) -> Iterator[Finding]:
    """Answers that the recipe itself gives must be answers of its task."""
    answers: list[tuple[Place, Any]] = []
    for index, source in _each_source(raw):
        names = ("label",) if source.get("kind") in _ONE_LABEL else _ANSWERS
        answers += [
            (("data", "sources", index, name), source[name])
            for name in names
            if name in source and (name != "label" or source[name] is not None)
        ]
    values = _mapping(_mapping(_mapping(raw.get("data")).get("labelling")).get("values"))
    answers += [(("data", "labelling", "values", key), value) for key, value in values.items()]
    for place, answer in answers:
        if schema is None:
            problems = [] if isinstance(answer, str) else ["the task is free text; write a text, or an output_schema"]
        else:
            problems = [f"breaks output_schema: {problem}" for problem in validate(schema, answer)]
        for problem in problems:
            yield Finding(place, problem)


def _classes(raw: Raw, schema: Raw | None) -> Iterator[Finding]:
    """What evens out classes needs classes, and weights must leave some of them."""
    names = class_names(schema)
    none = "the task has no classes: output_schema has no top-level field with an enum; write none"
    if not names and _at(raw, ("data", "balance")) in ("downsample", "upsample"):
        yield Finding(("data", "balance"), none)
    place = ("sft", "class_weights")
    weights = _at(raw, place)
    if not names and (weights == "balanced" or isinstance(weights, dict)):
        yield Finding(place, none)
    elif isinstance(weights, dict):
        for name in weights:
            if name not in names:
                yield Finding((*place, name), f"no class of the task; {suggest(name, names)}", of_key=True)
        if all(weights.get(name, 1) == 0 for name in names):
            yield Finding(place, "every class weighs 0, so there is nothing to learn from; give one of them more")


def _rules(raw: Raw, schema: Raw | None) -> Iterator[Finding]:
    dpo = raw.get("dpo")
    if not isinstance(dpo, dict) or not isinstance(dpo.get("rules"), list):
        return
    for index, rule in enumerate(dpo["rules"]):
        reason = why_not(rule, schema) if rule in get_args(RejectionRule) else ""
        if reason:
            yield Finding(("dpo", "rules", index), f"'{rule}' can never apply: {reason}; remove it")
    if not dpo["rules"] and dpo.get("own_errors") is False:
        message = "no rules and no own_errors: no answer is rejected; list rules, or write dpo: null"
        yield Finding(("dpo", "rules"), message)


def _gates(raw: Raw) -> Iterator[Finding]:
    for name in ("schema_valid_unconstrained", "schema_valid_constrained"):
        if name in _mapping(raw.get("gates")):
            message = "the task is free text and has no schema to be valid under; remove it, or write output_schema"
            yield Finding(("gates", name), message, of_key=True)


def _each_source(raw: Raw, section: str = "data") -> Iterator[tuple[int, Raw]]:
    for index, source in enumerate(_list(_mapping(raw.get(section)).get("sources"))):
        if isinstance(source, dict):
            yield index, source


def _at(value: Any, place: Place) -> Any:
    for step in place:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            return None
    return value


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
