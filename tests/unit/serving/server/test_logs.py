"""Log lines are JSON, with the request's id and whatever was noted about it."""

import json
import logging

from serving.server.logs import JsonFormatter, note, request_id


def test_a_line() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "levelno": 20, "levelname": "INFO", "msg": "%s ö", "args": ("a",), "path": "/p"}
    )
    token = request_id.set("r-1")
    try:
        line = json.loads(JsonFormatter().format(record))
    finally:
        request_id.reset(token)
    assert (line["message"], line["level"], line["path"], line["request_id"]) == ("a ö", "info", "/p", "r-1")
    assert "request_id" not in json.loads(JsonFormatter().format(record))


def test_an_exception_is_one_line() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (ValueError, error, error.__traceback__)})
    text = JsonFormatter().format(record)
    assert "\n" not in text and "ValueError: no" in json.loads(text)["exception"]


def test_facts_come_together() -> None:
    scope: dict[str, object] = {}
    note(scope, a=1)
    note(scope, b=2)
    assert scope == {"state": {"log": {"a": 1, "b": 2}}}
