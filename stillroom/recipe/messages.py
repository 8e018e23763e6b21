"""What pydantic found wrong with a recipe, said plainly and with what to write instead."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError

from stillroom.recipe.faults import Finding, Place, suggest
from stillroom.recipe.model import Recipe
from stillroom.recipe.section import Section

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def findings(error: ValidationError, raw: Any) -> Iterator[Finding]:
    """Each of pydantic's errors once, at its place in the raw recipe."""
    for one in error.errors(include_url=False):
        yield _finding(one["type"], one["loc"], one.get("ctx") or {}, one["msg"], one["input"], raw)


def _finding(kind: str, loc: tuple[Any, ...], context: dict[str, Any], text: str, value: Any, raw: Any) -> Finding:
    place = _place(loc, raw, missing=kind == "missing")
    if "str" in loc or "list[str]" in loc:  # the two sides of target_modules
        field = loc[: loc.index("str" if "str" in loc else "list[str]")]
        return Finding(field, "must be a text or a list of texts")
    if kind == "missing":
        return Finding(place, f"missing; {_wanted(place, raw)}", of_key=True)
    if kind == "extra_forbidden":
        section = section_at(place[:-1], raw)
        return Finding(
            place, f"unknown key; {suggest(place[-1], section.model_fields if section else ())}", of_key=True
        )
    if kind == "union_tag_not_found":
        return Finding((*place, "kind"), f"missing; write kind: with one of {', '.join(_kinds())}", of_key=True)
    if kind == "union_tag_invalid":
        return Finding((*place, "kind"), f"{_shown(value['kind'])} is unknown; {suggest(value['kind'], _kinds())}")
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", context["expected"])
        return Finding(place, f"{_shown(value)} is unknown; {suggest(value, choices)}")
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return Finding(place, f"must be {words} {context[bound]:g}, not {_shown(value)}")
    if kind in _KINDS:
        return Finding(place, f"must be {_KINDS[kind]}, not {_shown(value)}{_hint(_KINDS[kind], value)}")
    if kind in ("too_short", "string_too_short"):
        return Finding(place, "must not be empty")
    if kind == "string_pattern_mismatch" and "languages" in place:
        return Finding(place, f"must be a code of two or three lower-case letters, such as en, not {_shown(value)}")
    if kind == "string_pattern_mismatch":
        slug = re.sub("[^a-z0-9]+", "-", str(value).lower())[:63].strip("-")
        advice = f"; did you mean '{slug}'?" if slug else ""
        rule = "must be lower-case letters, digits and hyphens (not first or last), at most 63"
        return Finding(place, f"{rule}, not {_shown(value)}{advice}")
    return Finding(place, text)


def section_at(place: Place, raw: Any) -> type[Section] | None:
    """The model of the section at a place, or None where the recipe has no section."""
    annotation: Any = Recipe
    for step in place:
        section = _section(annotation, raw)
        if section is not None and step in section.model_fields:
            annotation = section.model_fields[str(step)].annotation
        elif isinstance(step, int) and get_origin(annotation) is list:
            annotation = get_args(annotation)[0]
        else:
            return None
        raw = _inside(raw, step)
    return _section(annotation, raw)


def _section(annotation: Any, value: Any) -> type[Section] | None:
    """The model behind an annotation; of several (the sources), the one whose kind the value names."""
    if get_origin(annotation) is Annotated:
        return _section(get_args(annotation)[0], value)
    if get_origin(annotation) in (Union, UnionType):
        models = [one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, Section)]
        if len(models) == 1:
            return models[0]
        kind = _inside(value, "kind")
        return next((one for one in models if kind in get_args(one.model_fields["kind"].annotation)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _place(loc: tuple[Any, ...], raw: Any, *, missing: bool) -> Place:
    """The loc without the names of union members that pydantic puts between the keys."""
    place: Place = ()
    for index, step in enumerate(loc):
        here = (isinstance(raw, dict) and step in raw) or (isinstance(raw, list) and isinstance(step, int))
        if here or (missing and index == len(loc) - 1):
            place = (*place, step)
            raw = _inside(raw, step)
    return place


def _inside(value: Any, step: Any) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


def _kinds() -> list[str]:
    source = get_args(get_args(section_fields("data")["sources"].annotation)[0])[0]
    return [kind for model in get_args(source) for kind in get_args(model.model_fields["kind"].annotation)]


def section_fields(name: str) -> dict[str, Any]:
    """The fields of a top-level section."""
    section = _section(Recipe.model_fields[name].annotation, None)
    return dict(section.model_fields) if section else {}


def _wanted(place: Place, raw: Any) -> str:
    section = section_at(place[:-1], raw)
    field = section.model_fields[str(place[-1])] if section else None
    description = f" ({field.description.rstrip('.')})" if field and field.description else ""
    return f"write `{place[-1]}: ...`{description}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 else f"'{value[:40]}…'"
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value)


def _hint(wanted: str, value: Any) -> str:
    if wanted == "true or false" and isinstance(value, str):
        guess = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
        meant = guess.get(value.lower())
        return f"; write {meant} (YAML 1.2 reads yes, no, on and off as text)" if meant else ""
    if wanted == "text" and isinstance(value, int | float):
        return "; put it in quotes"
    if wanted in ("a whole number", "a number") and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "; write it without quotes"
    if value is None:
        return "; write a value, or remove the key to take the default"
    if wanted == "a list" and isinstance(value, str | dict):
        return "; begin each item with `- `"
    return ""
