"""One error shape: what happened, what was expected, what to do next, whatever went wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from tellapart.errors import NotFoundError, RequestError, TellapartError

_log = logging.getLogger("tellapart.rest")
#: Problems of one request that are listed.
_MOST = 20
_STATUSES: dict[int, tuple[str, str, str]] = {
    400: ("The request cannot be read.", "what /openapi.json describes", "Correct the request."),
    404: (
        "There is nothing at this address.",
        "an address that /openapi.json lists",
        "Check the address for mistakes.",
    ),
    413: (
        "The body is too large.",
        "at most 32 MB",
        "Upload large files to /api/v1/uploads, and name them by `upload:ID`.",
    ),
    405: (
        "The address does not take this method.",
        "a method that /openapi.json lists for it",
        "Use one of those.",
    ),
}


def response(error: TellapartError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that an error becomes."""
    more = dict(headers or {})
    after = getattr(error, "retry_after", None)
    if after is not None:
        more["Retry-After"] = str(max(1, math.ceil(after)))
    if error.http_status == 401:
        more.setdefault("WWW-Authenticate", 'Bearer realm="tellapart"')
    if error.http_status >= 400:
        more.setdefault("Cache-Control", "no-store")
    status = error.http_status if 400 <= error.http_status <= 599 else 500
    return JSONResponse(error.to_dict(), status, headers=more)


def install(app: FastAPI) -> None:
    """Let every error of the application's routes become that shape."""
    app.add_exception_handler(TellapartError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TellapartError)
    if error.http_status >= 500:
        _log.warning("%s %s: %s", request.method, request.url.path, error.what)
    return response(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [_problem(item) for item in error.errors()[:_MOST]]
    first = problems[0] if problems else {"path": "", "what": "it is not as described"}
    where = f"{first['path']}: " if first["path"] else ""
    shape = RequestError(
        f"The request is not as described: {where}{first['what']}.",
        expected="what /openapi.json describes for this address",
        do="Correct what `problems` lists.",
        status=422,
    ).to_dict()
    shape["error"]["problems"] = problems
    return JSONResponse(shape, 422, headers={"Cache-Control": "no-store"})


def _problem(item: Mapping[str, Any]) -> dict[str, str]:
    path = ".".join(str(part) for part in item.get("loc", ()) if part != "body")
    return {"path": path[:200], "what": str(item.get("msg", "not as described"))[:300]}


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    what, expected, do = _STATUSES.get(
        error.status_code, (str(error.detail)[:300], "what /openapi.json describes", "Correct it.")
    )
    if error.status_code == 404:
        found: TellapartError = NotFoundError(what, expected=expected, do=do)
    else:
        found = RequestError(what, expected=expected, do=do, status=error.status_code)
    return response(found, error.headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    """What nobody foresaw: told in the log, not to strangers."""
    _log.exception("%s %s", request.method, request.url.path, exc_info=error)
    return response(unforeseen())


def unforeseen() -> TellapartError:
    return TellapartError(
        "The server failed in an unforeseen way.",
        expected="an answer",
        do="Try again; if it happens again, tell the server's keeper when it happened.",
    )
