"""What all routes share: the refusals that OpenAPI tells of, and the client's own patience."""

import math
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from serving.server.errors import bad_request
from serving.server.responses import ErrorBody

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request is at fault: `error.param` names the field."},
    401: {"model": ErrorBody, "description": "No API key, or a wrong one."},
    404: {"model": ErrorBody, "description": "No such model."},
    408: {"model": ErrorBody, "description": "The body did not come in time."},
    413: {"model": ErrorBody, "description": "The body is too large."},
    429: {"model": ErrorBody, "description": "Too much to do; Retry-After says when to come back, in seconds."},
    500: {"model": ErrorBody, "description": "The server failed."},
    503: {"model": ErrorBody, "description": "The server is starting or going down; Retry-After."},
    504: {"model": ErrorBody, "description": "The deadline passed while the answer was written."},
}

PATIENCE = "x-request-timeout"
"""Header with the seconds after which the client no longer wants the answer."""


def patience(request: Request) -> float | None:
    """The client's own deadline in seconds from now, None where it names none. Raises ApiError for nonsense."""
    return patience_in(request.headers)


def patience_in(headers: Mapping[str, str]) -> float | None:
    """The same of headers with names in small letters."""
    text = headers.get(PATIENCE)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise bad_request(f"The header {PATIENCE} must be a number of seconds above 0, not '{text}'.", PATIENCE)
    return seconds
