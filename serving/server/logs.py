"""JSON log lines with the request's id; what people write to the model is in them only where it was asked for."""

import json
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The W3C header of the trace that a request belongs to."""
access = logging.getLogger("stillroom.access")

_KNOWN = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and whatever `extra` was given."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (identity := request_id.get()) is not None:
            line["request_id"] = identity
        line |= {key: value for key, value in record.__dict__.items() if key not in _KNOWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "info") -> None:
    """Send all lines to standard error as JSON; uvicorn's access lines are left out, ours have the request's id."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.getLevelName(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "kserve", "kserve.trace"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).disabled = True
    # KServe sets up its own handlers where its logger has none.
    logging.getLogger("kserve").handlers = [logging.NullHandler()]
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(True)  # libraries' warnings are lines of JSON, too


def note(scope: MutableMapping[str, Any], **facts: Any) -> None:
    """Add facts about a request to its one log line."""
    scope.setdefault("state", {}).setdefault("log", {}).update(facts)


def log_request(scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
    """The one line of a request that is over."""
    facts = scope.get("state", {}).get("log", {})
    told = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 4)}
    access.info("%s %s %d", *list(told.values())[:3], extra={**told, **facts})
