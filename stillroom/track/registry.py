"""The finished specialist in MLflow: a run with its numbers and files, and a version of the registered model.

Only a model that passed its gates is registered. A new version is the `candidate`. It becomes the `champion` too
where there is none yet, or where its exact match is higher than the champion's on the very same test file. Figures
from different test files say nothing about each other, so then the champion stays until a person moves the alias.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.errors import UserError
from stillroom.files import read_json, sha256, write_json, write_text
from stillroom.recipe.load import dump_recipe
from stillroom.recipe.model import Recipe
from stillroom.track.layout import RUN_VARIABLE
from stillroom.track.run import MANIFEST, exact_match, lineage_of
from stillroom.track.step import RECORD

if TYPE_CHECKING:
    from mlflow.tracking.client import MlflowClient

KEY_TAG = "stillroom.key"
TEST_TAG = "stillroom.test_sha256"
EXACT_MATCH_TAG = "stillroom.exact_match"
DATA_TAG = "stillroom.data_version"
LONGEST_PARAMETER = 500
LARGEST_BATCH = 500


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else a SQLite file beside the run folder; raises UserError where there is neither."""
    uri, run = os.environ.get("MLFLOW_TRACKING_URI"), os.environ.get(RUN_VARIABLE)
    if uri:
        return uri
    if not run:
        raise UserError("MLFLOW_TRACKING_URI is not set: it names the MLflow server that the model is registered in.")
    return f"sqlite:///{Path(run).parent}/mlflow.db"


def register(recipe: Recipe, steps: dict[str, Path], uri: str, out: Path) -> dict[str, Any]:
    """Register the chosen GGUF file and write `registration.json` and `lineage.json` into `out`.

    `steps` are the folders of the steps before, by name; "data", "models", "gate" and "report" are needed. A version
    that an interrupted call made already is used again. Raises UserError for a model that was rejected.
    """
    summary = read_json(steps["gate"] / "evaluation.json")
    if not summary["gate"]["passed"]:
        raise UserError(f"{recipe.name} did not pass its gates, so it is not registered.")
    write_json(out / "lineage.json", lineage_of(recipe, steps.values()))
    write_text(out / "recipe.yaml", dump_recipe(recipe))
    files = [
        steps["gate"] / "evaluation.json",
        steps["report"] / "report.html",
        out / "lineage.json",
        out / "recipe.yaml",
    ]
    client = _client(uri)
    key = read_json(steps["gate"] / RECORD)["key"]
    version = _find_version(client, recipe.name, key)
    if version is None:
        chosen = next(entry for entry in summary["formats"] if entry["format"] == summary["chosen"])
        tags = {
            KEY_TAG: key,
            TEST_TAG: sha256(steps["data"] / "test.jsonl"),
            EXACT_MATCH_TAG: repr(float((exact_match(summary) or {})["value"])),
            "stillroom.format": summary["chosen"],
            "stillroom.file": chosen["file"],
            **_data_version(steps["data"]),
        }
        run_id, source = _log_run(client, recipe, summary, [*files, steps["models"] / chosen["file"]], uri)
        version = _create_version(client, recipe.name, source, run_id, tags)
    client.set_registered_model_alias(recipe.name, "candidate", version.version)
    aliases = ["candidate"]
    if _beats_champion(client, recipe.name, version):
        client.set_registered_model_alias(recipe.name, "champion", version.version)
        aliases.append("champion")
    registration = {
        "name": recipe.name,
        "version": str(version.version),
        "aliases": aliases,
        "run_id": version.run_id,
        "tracking_uri": uri,
        "source": version.source,
    }
    write_json(out / "registration.json", registration)
    return registration


def metrics_of(summary: dict[str, Any]) -> dict[str, float]:
    """Every figure of the summary under a path-like name; an interval gives its value, `/low` and `/high`."""
    figures: dict[str, float] = {}
    for model, evaluation in summary["models"].items():
        for name, group in evaluation["groups"].items():
            figures |= dict(_figures(f"{model}/{name}", group))
    for entry in summary["formats"]:
        figures |= dict(_figures(f"{entry['format']}", entry))
    figures |= dict(_figures("comparison", summary.get("comparisons", {})))
    return {re.sub(r"[^\w\-. :/]", "_", name): value for name, value in figures.items()}


def parameters_of(recipe: Recipe) -> dict[str, str]:
    """The recipe's settings by their dotted names; long texts and the sources are in the recipe file itself."""
    document = recipe.model_dump(mode="json", exclude={"profiles": True, "output_schema": True, "data": {"sources"}})
    return {name: value[:LONGEST_PARAMETER] for name, value in _settings("", document)}


def _client(uri: str) -> "MlflowClient":
    # MLflow phones home on import unless told not to, and speaks of its own table migrations.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import logging

    from mlflow.tracking.client import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _data_version(data: Path) -> dict[str, str]:
    manifest = data / MANIFEST
    return {DATA_TAG: str(read_json(manifest)["version"])} if manifest.is_file() else {}


def _find_version(client: "MlflowClient", name: str, key: str) -> Any:
    versions = client.search_model_versions(f"name='{name}' and tags.`{KEY_TAG}`='{key}'")
    return versions[0] if versions else None


def _log_run(
    client: "MlflowClient", recipe: Recipe, summary: dict[str, Any], files: list[Path], uri: str
) -> tuple[str, str]:
    """Log a run with parameters, metrics and files (the last is the model); returns its id and the model's URI."""
    from mlflow.entities import Metric, Param

    run = client.create_run(_experiment(client, recipe.name, uri), run_name=f"{recipe.name} {summary['chosen']}")
    run_id = run.info.run_id
    try:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in metrics_of(summary).items()]
        for start in range(0, len(metrics), LARGEST_BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + LARGEST_BATCH])
        client.log_batch(run_id, params=[Param(name, value) for name, value in parameters_of(recipe).items()])
        *documents, model = files
        for document in documents:
            client.log_artifact(run_id, str(document))
        client.log_artifact(run_id, str(model), "model")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id, f"{run.info.artifact_uri}/model"


def _create_version(client: "MlflowClient", name: str, source: str, run_id: str, tags: dict[str, str]) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(name, source=source, run_id=run_id, tags=tags)


def _experiment(client: "MlflowClient", name: str, uri: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    database = uri.removeprefix("sqlite:///")
    # A server chooses its own store; for the file beside the runs the artifacts lie beside it too.
    location = Path(database).with_name("mlartifacts").absolute().as_uri() if database != uri else None
    return str(client.create_experiment(name, artifact_location=location))


def _beats_champion(client: "MlflowClient", name: str, version: Any) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        champion = client.get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code not in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return True
    if champion.version == version.version:
        return True
    if champion.tags.get(TEST_TAG) != version.tags[TEST_TAG]:
        return False
    return float(version.tags[EXACT_MATCH_TAG]) > float(champion.tags[EXACT_MATCH_TAG])


def _figures(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict) and "value" in value and "low" in value:
        yield from _figures(name, value["value"])
        yield from _figures(f"{name}/low", value["low"])
        yield from _figures(f"{name}/high", value["high"])
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _figures(f"{name}/{key}", inner)
    elif isinstance(value, int | float):
        yield name, float(value)


def _settings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _settings(f"{name}.{key}" if name else key, inner)
    else:
        yield name, str(value)
