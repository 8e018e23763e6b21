"""Bodies that are JSON and yet cannot be read: the client's fault, told as such."""

from collections.abc import Iterator

import pytest

pytest.importorskip("kserve", reason="the extra `serve` is not installed")

from scripted import Live, live, saying

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("served"), saying('{"kind":"spam","count":1}'), recipe=True) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, r'{"messages": [{"role": "user", "content": "\ud83d"}]}'),
        (CHAT, r'{"messages": [{"role": "user", "content": "x"}], "stream": true, "tools": [{"type": "function",'
               r' "function": {"name": "a", "description": "\ude00\ud83d"}}]}'),
        ("/v1/completions", r'{"prompt": "\ud83d"}'),
        ("/v1/completions", r'{"prompt": "x", "model": "\ud83d"}'),
        ("/v1/completions", r'{"prompt": "x", "\ud83d": 1}'),
        ("/v1/completions", r'{"prompt": "x", "logit_bias": {"\ud83d": 1}}'),
        ("/v1/extract", r'{"text": "\ud83d"}'),
        ("/v1/extract", r'{"texts": ["fine", "\ud83d"]}'),
        ("/v1/models/tiny:predict", r'{"instances": ["\ud83d"]}'),
        ("/v2/models/tiny/infer",
         r'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["\ud83d"]}]}'),
        (CHAT, "[" * 100_000),
        (CHAT, '{"messages": [{"role": "user", "content": "x"}], "max_tokens": ' + "9" * 5000 + "}"),
    ],
)  # fmt: skip
def test_it_is_a_400_or_404_in_the_one_shape(server: Live, path: str, body: str) -> None:
    answer = server.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 404), answer.text
    error = answer.json()["error"]
    assert error["message"] and error["code"] and error["type"] == "invalid_request_error"


def test_a_body_that_is_no_utf_8_is_told_as_that(server: Live) -> None:
    for content in (b'{"text": "\xfc"}', b"\x1f\x8b\x08"):  # Latin-1, and what gzip begins with
        answer = server.client.post("/v1/extract", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and "not UTF-8" in answer.json()["error"]["message"]


def test_whole_pairs_and_escapes_of_escapes_are_characters(server: Live) -> None:
    for content in (r'"\ud83d\ude42"', r'"\\ud83d"'):
        body = '{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": ' + content + "}]}"
        answer = server.client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
