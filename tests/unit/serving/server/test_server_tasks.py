"""The recipe's task: /v1/extract, and KServe's v1 and v2 protocols."""

import asyncio
import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from kserve import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import InferInput, InferRequest, InferResponse, RequestedOutput
from scripted import Emit, Live, live, saying

from serving.engine.request import ConstraintFailed, Failed, Finished, Overloaded, Request, Text, Usage
from serving.server import responses

PREDICT, INFER = "/v1/models/tiny:predict", "/v2/models/tiny/infer"


def counting(request: Request, emit: Emit, cancelled: threading.Event) -> None:
    """Answers with the number that the text ends with."""
    text = bytes(request.prompt).decode().removesuffix("<assistant>")
    count = text.rpartition(" ")[2] if text[-1].isdigit() else "0"
    if "odd" in text:
        emit(Failed(ConstraintFailed("No room."), Usage()))
        return
    answer = json.dumps({"kind": "event", "count": int(count)})
    emit(Text(answer, tuple(answer.encode())))
    emit(Finished("stop", Usage()))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("served"), counting, recipe=True) as server:
        yield server


@pytest.fixture
def server(started: Live) -> Live:
    started.backend.reset(counting)
    return started


def test_one_text(server: Live) -> None:
    answer = server.post("/v1/extract", {"text": "Number 3"})
    assert answer.json()["output"] == {"kind": "event", "count": 3} and answer.json()["time_ms"] > 0
    assert "truncated" not in answer.json()
    responses.Extracted.model_validate(answer.json())
    (request,) = server.backend.requests
    assert bytes(request.prompt).startswith(b"<system>Which kind is it?\nAnswer with one JSON object")
    assert request.constraint is not None and request.sampling.temperature == 0


def test_many_texts_come_back_in_their_order(server: Live) -> None:
    texts = [f"Number {number}" for number in range(30)]
    answer = responses.ExtractedAll.model_validate(server.post("/v1/extract", {"texts": texts}).json())
    assert [output["count"] for output in answer.outputs] == list(range(30))


def test_more_texts_than_the_queue_has_room_for(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once some are taken in, the others wait for their turn; where none is, the client is told at once."""
    submit, refused = server.backend.submit, []

    def busy(request: Request, on_event: Emit) -> Any:
        if len(server.backend.requests) % 3 == 2 and len(refused) < 4:
            refused.append(request)
            raise Overloaded("queued_requests", 2)
        return submit(request, on_event)

    monkeypatch.setattr(server.backend, "submit", busy)
    answer = server.post("/v1/extract", {"texts": [f"Number {number}" for number in range(9)]})
    monkeypatch.undo()
    assert [output["count"] for output in answer.json()["outputs"]] == list(range(9)) and refused
    server.backend.refusal = Overloaded("queued_requests", 2)
    answer = server.post("/v1/extract", {"texts": ["a", "b"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


def test_a_clients_patience_is_for_all_its_texts(server: Live) -> None:
    def slow(request: Request, emit: Emit, cancelled: threading.Event) -> None:
        time.sleep(0.05)
        counting(request, emit, cancelled)

    server.backend.script = slow
    server.post("/v1/extract", {"texts": [f"Number {n}" for n in range(12)]}, **{"X-Request-Timeout": "9"})
    deadlines = {round(request.deadline or 0, 1) for request in server.backend.requests}
    assert len(server.backend.requests) == 12 and len(deadlines) <= 2  # two where a tenth of a second lies between


def test_a_text_that_is_too_long_loses_its_end_and_says_so(server: Live) -> None:
    assert server.post("/v1/extract", {"text": "word " * 200}).json()["truncated"] is True
    assert server.post("/v1/extract", {"texts": ["Number 1", "word " * 200]}).json()["truncated"] == [1]
    assert all(len(request.prompt) + request.max_tokens <= 1000 for request in server.backend.requests)


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "a", "texts": ["b"]}, {"texts": []}, {"text": ""}, {"text": " \n"}, {"text": 1}, {"texts": [1]}],
)
def test_bodies_that_ask_nothing(server: Live, body: dict[str, Any]) -> None:
    answer = server.post("/v1/extract", body)
    assert answer.status_code == 400
    responses.ErrorBody.model_validate(answer.json())


def test_a_text_that_fails_is_named(server: Live) -> None:
    answer = server.post("/v1/extract", {"texts": ["Number 1", "odd"]})
    assert answer.status_code == 500 and answer.json()["error"]["message"] == "Text 1: No room."


def test_an_answer_that_was_cut_off(server: Live) -> None:
    server.backend.script = saying('{"kind":"ev', "length")
    answer = server.post("/v1/extract", {"text": "a"})
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "answer_cut_off"


def test_v1(server: Live) -> None:
    answer = server.post(PREDICT, {"instances": ["Number 1", {"text": "Number 2", "id": 7}]})
    assert [one["count"] for one in answer.json()["predictions"]] == [1, 2]
    for wrong in ({}, {"instances": []}, {"instances": "a"}, {"instances": [{"txt": "a"}]}, {"instances": [1]}):
        assert server.post(PREDICT, wrong).status_code == 400
    assert server.post("/v1/models/none:predict", {"instances": ["a"]}).status_code == 404


def test_the_clients_own_deadline(server: Live) -> None:
    for path, body in ((PREDICT, {"instances": ["a"]}), (INFER, tensor(["a"])), ("/v1/extract", {"text": "a"})):
        assert server.post(path, body, **{"X-Request-Timeout": "0.5"}).status_code == 200
        assert (server.backend.requests[-1].deadline or 0) - time.monotonic() < 0.5
        assert server.post(path, body, **{"X-Request-Timeout": "soon"}).status_code == 400


def tensor(texts: list[str], **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}], **more}


def test_v2(server: Live) -> None:
    answer = server.post(INFER, tensor(["Number 1", "Number 2"], id="x1")).json()
    columns = {output["name"]: output for output in answer["outputs"]}
    assert (answer["id"], answer["model_name"]) == ("x1", "tiny")
    assert columns["count"] == {"name": "count", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    assert columns["kind"]["data"] == ["event", "event"]
    assert json.loads(columns["output"]["data"][1]) == {"kind": "event", "count": 2}
    one = server.post(INFER, tensor(["Number 1"], outputs=[{"name": "kind"}])).json()
    assert [output["name"] for output in one["outputs"]] == ["kind"]


def test_v2_with_binary_tensors_as_kserves_own_client_sends_them(server: Live) -> None:
    given = InferInput("text", [2], "BYTES")
    given.set_data_from_numpy(np.array([b"Number 5", "Zähl 6".encode()], dtype=object), binary_data=True)
    content, length = InferRequest("tiny", [given], parameters={"binary_data_output": True}).to_rest()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(length)}
    answer = server.client.post(INFER, content=content, headers=headers)
    assert answer.status_code == 200
    read = InferResponse.from_bytes(answer.content, int(answer.headers["inference-header-content-length"]))
    assert list(read.get_output_by_name("count").as_numpy()) == [5, 6]


async def with_kserves_client(url: str) -> None:
    config = {"timeout": 20, "verbose": False}
    v1, v2 = (InferenceRESTClient(RESTConfig(protocol=protocol, **config)) for protocol in ("v1", "v2"))
    for client in (v1, v2):
        assert await client.is_model_ready(url, "tiny")
    assert await v2.is_server_ready(url) and await v2.is_server_live(url)
    answer = await v1.infer(url, {"instances": ["Number 1", {"text": "Number 2"}]}, model_name="tiny")
    assert [one["count"] for one in answer["predictions"]] == [1, 2]
    for binary in (False, True):
        rows = InferInput("text", [3, 1], "BYTES")
        texts = np.array([["Number 1"], ["Zähl 2"], ["Number 3"]], dtype=object)
        rows.set_data_from_numpy(texts, binary_data=binary)
        outputs = [RequestedOutput("count", parameters={"binary_data": binary})]
        asked = InferRequest("tiny", [rows], request_id="r-1", request_outputs=outputs)
        found = await v2.infer(url, asked, model_name="tiny")
        assert found.id == "r-1" and [output.name for output in found.outputs] == ["count"]
        assert found.outputs[0].as_numpy().reshape(-1).tolist() == [1, 2, 3]
    numbers = InferInput("text", [2], "INT32")
    numbers.set_data_from_numpy(np.array([1, 2], dtype=np.int32), binary_data=False)
    for wrong, name, words in (
        (InferRequest("tiny", [numbers]), "tiny", "Send one BYTES tensor named text"),
        (InferRequest("none", [rows]), "none", "does not exist here"),
    ):
        with pytest.raises(httpx.HTTPStatusError, match=words):
            await v2.infer(url, wrong, model_name=name)
    with pytest.raises(httpx.HTTPStatusError, match=r"instances\.0"):
        await v1.infer(url, {"instances": [1]}, model_name="tiny")
    for client in (v1, v2):
        await client.close()


def test_kserves_own_client(server: Live) -> None:
    asyncio.run(with_kserves_client(server.url))


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": []},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES"}]},
        {"inputs": [{"name": "text", "shape": [-1], "datatype": "BYTES", "data": ["a"]}]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "INT32", "data": [1]}]},
        {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a"]}]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [1]}]},
        {"inputs": [{"name": "text", "shape": [0], "datatype": "BYTES", "data": []}]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "FP16", "data": [1]}]},
        {"outputs": [{"name": "none"}]},
    ],
)
def test_v2_bodies_that_do_not_fit(server: Live, change: dict[str, Any]) -> None:
    answer = server.post(INFER, {**tensor(["Number 1"]), **change})
    assert answer.status_code == 400
    error = responses.ErrorBody.model_validate(answer.json()).error
    assert "InferenceRequest" not in error.message + str(error.param)


def test_a_v2_body_without_its_type(server: Live) -> None:
    """As curl sends it where nobody says that it is JSON."""
    answer = server.client.post(INFER, content=json.dumps(tensor(["Number 1"])))
    assert answer.status_code == 400 and "as application/json" in answer.json()["error"]["message"]


def test_v2_binary_bodies_that_do_not_fit(server: Live) -> None:
    for content, length in ((b"{}", "2"), (b"", "0"), (b"{}", "x"), (b'{"inputs":[{}]}', "15"), (b"\xff", "1")):
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": length}
        assert server.client.post(INFER, content=content, headers=headers).status_code == 400


def test_a_binary_text_that_is_no_utf_8_is_the_clients_fault(server: Live) -> None:
    raw = struct.pack("<I", 2) + b"\xff\xfe"
    told = {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [told]}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    answer = server.client.post(INFER, content=head + raw, headers=headers)
    assert answer.status_code == 400 and "UTF-8" in answer.json()["error"]["message"]


def test_of_two_tensors_of_texts_none_is_left_out_silently(server: Live) -> None:
    (one,) = tensor(["a"])["inputs"]
    assert server.post(INFER, {"inputs": [one, {**one, "data": ["b"]}]}).status_code == 400


def test_v2_metadata(server: Live) -> None:
    told = server.client.get("/v2/models/tiny").json()
    assert told["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in told["outputs"]] == ["output", "kind", "count"]
    assert server.client.get("/v2/models").json() == {"models": ["tiny"]}
    assert server.client.get("/v2").json()["name"] == "kserve"
    assert server.client.get("/v2/models/none").status_code == 404
    # KServe's own paths to unload a model are no paths here.
    assert server.post("/v2/repository/models/tiny/unload", {}).status_code == 404


def test_a_model_without_a_recipe(tmp_path: Path) -> None:
    with live(tmp_path, saying("Hi")) as server:
        for path, body in (("/v1/extract", {"text": "a"}), (PREDICT, {"instances": ["a"]}), (INFER, tensor(["a"]))):
            answer = server.post(path, body)
            assert answer.status_code == 400 and answer.json()["error"]["code"] == "no_recipe"
