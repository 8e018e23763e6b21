"""One shape for every refusal: OpenAI's `{"error": {"message", "type", "param", "code"}}`, on every path."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.server.logs import note

log = logging.getLogger("stillroom.server")

INVALID, SERVER = "invalid_request_error", "server_error"


class ApiError(Exception):
    """A refusal or failure that the client is told.

    `kind` is OpenAI's `error.type`; `param` names the field at fault; `code` is a stable word for programs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """What is sent, also as an event of a stream."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The whole HTTP answer."""
        return _Json(self.body(), status_code=self.status, headers=self.headers)


class _Json(JSONResponse):
    """JSON that can be sent whatever a client's text, which it may quote, holds."""

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return to_json(content)


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request itself is at fault."""
    return ApiError(400, message, param=param, code=code)


def overloaded(message: str, retry_after: float, status: int = 429, code: str = "overloaded") -> ApiError:
    """429 (or 503): try again after so many seconds, which HTTP wants whole."""
    seconds = max(1, int(-(-retry_after // 1)))
    return ApiError(status, message, kind="overloaded_error", code=code, headers={"Retry-After": str(seconds)})


def install_handlers(app: FastAPI) -> None:
    """Let every exception of this app leave in the one shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(UnicodeEncodeError, _half_a_character)
    app.add_exception_handler(Exception, _internal_error)


def wire(error: BaseException) -> ApiError:
    """Any exception as what the client may be told; the details of an internal one stay in the log."""
    if isinstance(error, ApiError):
        return error
    log.error("internal error", exc_info=error)
    return ApiError(500, "The server failed on this request. It is in its log.", kind=SERVER, code="internal_error")


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    return _told(request, wire(error))


async def _internal_error(request: Request, error: Exception) -> JSONResponse:
    return _told(request, wire(error))


def _told(request: Request, error: ApiError) -> JSONResponse:
    note(request.scope, error=error.code)
    return error.response()


async def _half_a_character(_: Request, __: Exception) -> JSONResponse:
    """JSON can name halves of surrogate pairs, and nothing behind it can read them."""
    return bad_request("A text holds half of a surrogate pair, which is no character.", code="invalid_value").response()


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    message = error.detail
    if error.status_code == 404:
        message = f"There is no {request.method} {request.url.path}."
        if request.url.path.rstrip("/").endswith("/v1/responses"):  # what newer examples of OpenAI's client begin with
            message = "The Responses API is not served here. Use /v1/chat/completions (client.chat.completions)."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
    elif error.status_code == 400:  # FastAPI's, where its parser gives up
        message, code = "The body is JSON that is nested too deep, or has a number of too many digits.", "bad_json"
        if isinstance(error.__cause__, UnicodeDecodeError):
            message = "The body is not UTF-8. Send JSON as plain text, not compressed."
    return _told(request, ApiError(error.status_code, message, code=code, headers=error.headers))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _told(request, validation_fault(error.errors()))


def validation_fault(faults: Any) -> ApiError:
    """pydantic's first fault in OpenAI's words; the others follow from it more often than not."""
    fault = faults[0]
    place = [step for step in fault["loc"] if step != "body"]
    if place[:1] == ["response_format"]:
        del place[1:2]  # its type, by which pydantic chose what to read it as
    # A union tells every member it tried; the steps that are no key or index are those members' names.
    param = ".".join(str(step) for step in place if not _is_member(step)) or None
    kind = fault["type"]
    if kind == "json_invalid":
        return bad_request(f"The body is not JSON: {fault.get('ctx', {}).get('error', fault['msg'])}.", code="bad_json")
    if kind == "missing":
        what = f"Missing required parameter: '{param}'." if param else "The body is empty; send a JSON object."
        return bad_request(what, param, "missing_required_parameter")
    if kind == "none_required":
        hint = _INSTEAD.get(param or "", "")
        return bad_request(f"'{param}' is not supported here.{hint}", param, "unsupported_parameter")
    if kind == "extra_forbidden":
        return bad_request(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    if kind == "model_attributes_type" and param is None:
        return bad_request("The body must be a JSON object, sent as application/json.", code="bad_json")
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return bad_request(
        f"Invalid '{param}': {message}." if param else f"Invalid request: {message}.", param, "invalid_value"
    )


_INSTEAD = {
    "functions": " Use tools.",
    "function_call": " Use tool_choice.",
    "suffix": " The model continues a text; it does not fill gaps.",
}


def _is_member(step: Any) -> bool:
    # A model's class, such as InferenceRequest, or what pydantic calls a plain type.
    return isinstance(step, str) and (
        not step.isidentifier() or step[:1].isupper() or step in ("str", "int", "list", "dict")
    )


def to_json(value: Any) -> bytes:
    """Compact JSON, as one event of a stream carries it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value, separators=(",", ":")).encode()
