"""KServe's face: the model that its registry knows, and its v1 and v2 protocols for callers with tables.

v1: `{"instances": ["text", {"text": "…"}]}` → `{"predictions": [{…}, …]}`. v2: one BYTES tensor of texts in; out come
`output`, the whole answers as JSON, and one tensor for each top-level field of the recipe's schema.
"""

import json
from collections.abc import Sequence
from typing import Any

from kserve.errors import InvalidInput
from kserve.model import InferenceModel, InferenceVerb
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse

from serving.server.errors import bad_request
from serving.server.extract import whole
from serving.server.extraction import Extractor
from serving.server.requests import MOST_TEXTS
from serving.server.routing import patience_in
from stillroom.recipe.schema import fields

TEXT, OUTPUT = "text", "output"
_DATATYPES = {"integer": "INT64", "number": "FP64", "boolean": "BOOL"}


class KServeModel(InferenceModel):
    """The served model as KServe's registry and data plane see it."""

    def __init__(self, extractor: Extractor) -> None:
        self.service, self._extractor = extractor.service, extractor
        super().__init__(self.service.name)
        self.ready = True

    async def healthy(self) -> bool:
        """Whether new work is admitted."""
        return self.service.lifecycle.ready

    def load(self) -> bool:
        """It is loaded before it is registered; a model that drains is not loaded again."""
        return self.service.lifecycle.ready

    def get_input_types(self) -> list[dict[str, Any]]:
        """The v2 metadata of what goes in."""
        return [{"name": TEXT, "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The v2 metadata of what comes out."""
        columns = [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in self._columns().items()]
        return [{"name": OUTPUT, "datatype": "BYTES", "shape": [-1]}, *columns]

    async def __call__(
        self, body: Any, headers: dict[str, str] | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> tuple[Any, dict[str, str]]:
        """Answer a v1 (dict) or v2 (InferRequest) body. Raises ApiError."""
        if verb is not InferenceVerb.PREDICT:
            raise NotImplementedError("This model gives no explanations.")
        seconds = patience_in(headers or {})
        if isinstance(body, InferRequest):
            return await self._infer(body, seconds), {}
        return {"predictions": await self._answers(instances(body), seconds)}, {}

    async def _infer(self, request: InferRequest, seconds: float | None) -> InferResponse:
        outputs = await self._answers(texts_of(request), seconds)
        shape, columns = [len(outputs)], self._columns()
        tensors = [InferOutput(OUTPUT, shape, "BYTES", data=[json.dumps(one, ensure_ascii=False) for one in outputs])]
        for name, datatype in columns.items():
            values = [one.get(name) if isinstance(one, dict) else None for one in outputs]
            data = values if datatype != "BYTES" else [_text(value) for value in values]
            tensors.append(InferOutput(name, shape, datatype, data=data))
        return InferResponse(
            request.id, self.name, tensors,
            requested_outputs=request.request_outputs, use_binary_outputs=request.use_binary_outputs,
        )  # fmt: skip

    async def _answers(self, texts: list[str], seconds: float | None) -> list[Any]:
        return [answer.output for answer in await whole(self._extractor, texts, None, seconds)]

    def _columns(self) -> dict[str, str]:
        """The schema's top-level fields and their v2 datatypes; what a tensor cannot hold is JSON text."""
        recipe = self.service.package.recipe
        if recipe is None or recipe.output_schema is None:
            return {}
        columns = {}
        for field in fields(recipe.output_schema):
            kind = field.schema.get("type")
            plain = field.kind == "scalar" and field.required and not field.nullable and isinstance(kind, str)
            if field.name != OUTPUT:
                columns[field.name] = _DATATYPES.get(str(kind), "BYTES") if plain else "BYTES"
        return columns


def instances(body: Any) -> list[str]:
    """The texts of a v1 body: each a text, or an object with `text`. Raises ApiError."""
    given = body.get("instances") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given:
        raise bad_request('Send {"instances": ["a text", …]}.', "instances", "invalid_value")
    _bounded(given, "instances")
    texts: list[Any] = [one.get(TEXT) if isinstance(one, dict) else one for one in given]
    wrong = next((number for number, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise bad_request(
            f'Instance {wrong} is neither a text nor an object with a text under "{TEXT}".',
            f"instances.{wrong}",
            "invalid_value",
        )
    return texts


def texts_of(request: InferRequest) -> list[str]:
    """The texts of a v2 request: its tensor `text`, or its only one. Raises ApiError."""
    named = [tensor for tensor in request.inputs if tensor.name == TEXT] or request.inputs
    found: InferInput | None = named[0] if len(named) == 1 else None  # of several, none may be left out silently
    if found is None or found.datatype != "BYTES":
        raise bad_request(f"Send one BYTES tensor named {TEXT}.", "inputs", "invalid_value")
    try:
        values = found.as_numpy().reshape(-1).tolist() if found.data is None else _flat(found.data)
        texts = [value.decode() if isinstance(value, bytes) else value for value in values]
    except (InvalidInput, ValueError, AttributeError) as error:
        raise bad_request(f"The tensor {found.name} cannot be read: {error}.", "inputs", "invalid_value") from error
    if not texts or not all(isinstance(text, str) for text in texts):
        raise bad_request(f"The tensor {found.name} must hold texts.", "inputs", "invalid_value")
    if len(texts) != _size(found.shape):
        raise bad_request(
            f"The tensor's shape {found.shape} does not fit its {len(texts)} texts.", "inputs", "invalid_value"
        )
    _bounded(texts, "inputs")
    return texts


def _bounded(given: Sequence[Any], param: str) -> None:
    if len(given) > MOST_TEXTS:
        raise bad_request(f"At most {MOST_TEXTS} texts are taken at once, not {len(given)}.", param, "invalid_value")


def _flat(data: Any) -> list[Any]:
    values: list[Any] = []
    for value in data:
        values.extend(_flat(value)) if isinstance(value, list) else values.append(value)
    return values


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
