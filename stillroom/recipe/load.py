"""From a YAML file to a checked recipe, and back.

A loaded recipe is resolved: one profile is applied and none are left, paths are absolute, and dpo.rules holds the
rules that fit the task. So the copy in a run's folder says everything, wherever it lies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stillroom.recipe.checks import absolute_paths, check, rules_that_fit
from stillroom.recipe.document import Document, read_document
from stillroom.recipe.faults import Fault, Finding, Place, RecipeError, path_text
from stillroom.recipe.messages import findings
from stillroom.recipe.model import Recipe

__all__ = ["Fault", "RecipeError", "dump_recipe", "load_recipe"]


def load_recipe(path: Path, profile: str | None = None, *, sources_must_exist: bool = True) -> Recipe:
    """Read a recipe and apply a profile. RecipeError holds every fault of the recipe and of all its profiles.

    A run's own copy is read with `sources_must_exist=False`: once the data is prepared, its sources may be gone.
    UserError when there is no such file.
    """
    document = read_document(path)
    faults = list(document.faults)
    if not isinstance(document.data, dict):
        if not faults:
            message = "a recipe is a mapping of keys; `stillroom new NAME` writes one to start from"
            faults.append(Fault(*document.position(()), "", message))
        raise RecipeError(str(path), faults)
    raw = absolute_paths(document.data, path.parent)
    base = _findings(raw, sources_must_exist)
    faults += [_fault(document, finding) for finding in base]
    changed = {name: deep_merge(raw, change) for name, change in _profiles(raw).items()}
    for name, merged in changed.items():
        merged.pop("profiles", None)
        merged = absolute_paths(merged, path.parent)
        found = [finding for finding in _findings(merged, sources_must_exist) if finding not in base]
        faults += [_profile_fault(document, name, finding) for finding in found]
        if "profiles" in _profiles(raw)[name]:
            faults.append(_fault(document, Finding(("profiles", name, "profiles"), "a profile has no profiles", True)))
    if profile is not None and profile not in changed:
        known = f"the profiles are {', '.join(changed)}" if changed else "the recipe has no profiles"
        faults.append(Fault(*document.position(("profiles",), of_key=True), "profiles", f"no '{profile}'; {known}"))
    if faults:
        raise RecipeError(str(path), faults)
    return _resolved(absolute_paths(changed[profile], path.parent) if profile is not None else raw)


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every default written out; `load_recipe` reads an equal one from it."""
    import io

    from ruamel.yaml import YAML

    data = recipe.model_dump(mode="json", exclude={"profiles"})
    if recipe.output_schema is None:  # these two may not be written for free text
        data["gates"] = {name: value for name, value in data["gates"].items() if not name.startswith("schema_valid")}
    yaml = YAML(typ="rt")
    yaml.width = 110
    yaml.allow_unicode = True
    stream = io.StringIO()
    yaml.dump(_readable(data), stream)
    return stream.getvalue()


def changed(recipe: Recipe, change: Mapping[tuple[str, ...], Any], folder: Path) -> tuple[Recipe | None, list[str]]:
    """A loaded recipe with other values at some places, and no faults; or None and what is wrong with it then.

    Relative paths among the values are meant from `folder`.
    """
    raw = recipe.model_dump(mode="json", exclude_unset=True)
    for place, value in change.items():
        section = raw
        for step in place[:-1]:
            section = section.setdefault(step, {})
        section[place[-1]] = value
    raw = absolute_paths(raw, folder)
    found = _findings(raw, sources_must_exist=True)
    return (None, [_said(finding) for finding in found]) if found else (_resolved(raw), [])


def deep_merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `change`: a mapping is merged into a mapping, anything else is put in its place."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        # A schema or an answer is one thing: half of it from a profile would be neither the one nor the other.
        together = isinstance(old, dict) and isinstance(value, dict) and key not in ("output_schema", "values")
        merged[key] = deep_merge(old, value) if together and old is not None else value
    return merged


def _profiles(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    profiles = raw.get("profiles")
    return {k: v for k, v in profiles.items() if isinstance(v, dict)} if isinstance(profiles, dict) else {}


def _findings(raw: dict[str, Any], sources_must_exist: bool) -> list[Finding]:
    found: list[Finding] = []
    try:
        Recipe.model_validate(raw)
    except ValidationError as error:
        found += findings(error, raw)
    places = {finding.place for finding in found}
    checked = check(raw, sources_must_exist=sources_must_exist)
    return list(dict.fromkeys(found + [finding for finding in checked if finding.place not in places]))


def _said(finding: Finding) -> str:
    return f"{path_text(finding.place)}: {finding.message}"


def _fault(document: Document, finding: Finding) -> Fault:
    line, column = document.position(finding.place, of_key=finding.of_key)
    return Fault(line, column, path_text(finding.place), finding.message)


def _profile_fault(document: Document, name: str, finding: Finding) -> Fault:
    """At the profile's own line when the profile wrote it; else at the line that no longer fits the profile."""
    own = ("profiles", name, *finding.place)
    if _written(document, own) or not _written(document, finding.place):
        return _fault(document, Finding(own, finding.message, finding.of_key))
    fault = _fault(document, finding)
    return Fault(fault.line, fault.column, fault.path, f"with profile '{name}': {fault.message}")


def _written(document: Document, place: Place) -> bool:
    """Whether the document has this place, or (for a missing key in a profile's list) what it should lie in."""
    return place in document.values or (len(place) > 3 and place[:-1] in document.values and place[0] == "profiles")


def _resolved(raw: dict[str, Any]) -> Recipe:
    raw = {key: value for key, value in raw.items() if key != "profiles"}
    dpo = raw.get("dpo", {})
    if dpo is not None:
        raw["dpo"] = {"rules": rules_that_fit(raw.get("output_schema")), **dpo}
    return Recipe.model_validate(raw)


def _readable(value: Any) -> Any:
    """The data with texts of several lines as YAML blocks, and quoted where a block would not hold them unchanged."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, dict):
        return {_readable(key): _readable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_readable(inner) for inner in value]
    if not isinstance(value, str) or value.isprintable():
        return value
    lines = value.removesuffix("\n").split("\n")
    if "\n" in value and all(line and line.isprintable() and line == line.strip() for line in lines):
        return LiteralScalarString(value)
    return DoubleQuotedScalarString(value)
