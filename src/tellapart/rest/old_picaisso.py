"""The routes of the first earlier program: class words in, data set, model and verdict out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import PlainTextResponse

from tellapart.errors import InputError, NotFoundError, RequestError
from tellapart.rest.auth import Predicting, Reading, Writing
from tellapart.rest.downloads import File, answer
from tellapart.rest.predictions import HELD
from tellapart.runtime.desk import Desk, Download, FileKind

router = APIRouter(tags=["earlier programs"])

_MOST_REQUEST = 100_000
_MOST_URL = 25_000_000
_NUMBERED = re.compile(r"q(\d{1,6})", re.IGNORECASE)
_WORDS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "q1": {"type": "string"},
                        "q2": {"type": "string"},
                        "email": {"type": "string"},
                        "url": {"type": "string"},
                    },
                    "additionalProperties": {"type": "string"},
                }
            }
        },
    }
}
_URL: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"url": {"type": "string"}},
                    "required": ["url"],
                }
            }
        },
    }
}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}, "description": "The zip"},
    206: {"content": {"application/zip": {}}, "description": "The range asked for"},
    404: {"description": "Nothing is finished yet"},
}
Named = Annotated[str, Query(max_length=64, pattern=r"^[a-z0-9._-]*$")]
RunId = Annotated[str, Query(pattern=r"^(r_[0-9a-z]{1,40})?$")]


@router.post("/picaisso", openapi_extra=_WORDS, include_in_schema=False)
@router.post("/picaisso/", openapi_extra=_WORDS)
@router.post("/picassio", openapi_extra=_WORDS, include_in_schema=False)
@router.post("/picassio/", openapi_extra=_WORDS, include_in_schema=False)
async def ask(request: Request, desk: Writing) -> dict[str, Any]:
    """Queue a run for class words: every key but `email` and `url` (a test picture) is a class."""
    async with HELD.body(request, _MOST_URL) as data:
        given = _object(data, request.headers.get("content-type", ""))
    words, email, url = read_words(given)
    run = await asyncio.to_thread(_submit, desk, words, email, url)
    return {
        "message": "Request received",
        "classes": words,
        "run": run.id,
        "project": run.project,
        "state": run.state,
        "ahead": run.ahead,
    }


@router.head("/picaisso/dataset", include_in_schema=False)
@router.get("/picaisso/dataset", response_class=Response, responses=_FILES)
async def dataset(
    request: Request, desk: Reading, project: Named = "", run: RunId = ""
) -> Response:
    """The data set of a project, or of the newest finished run."""
    found = await asyncio.to_thread(_file, desk, project, run, "dataset")
    return await answer(request, File.of(found))


@router.head("/picaisso/model", include_in_schema=False)
@router.get("/picaisso/model", response_class=Response, responses=_FILES)
async def model(request: Request, desk: Reading, project: Named = "", run: RunId = "") -> Response:
    """The bundle (model, report, data set) of a project, or of the newest finished run."""
    found = await asyncio.to_thread(_file, desk, project, run, "bundle")
    return await answer(request, File.of(found))


@router.post("/inference", openapi_extra=_URL, include_in_schema=False)
@router.post("/inference/", openapi_extra=_URL)
async def inference(
    request: Request, desk: Predicting, project: Named = "", run: RunId = ""
) -> Response:
    """The class of a picture by `url` (http or `data:`): its number, and what `predict` says.

    Whoever accepts `text/plain` alone gets the number by itself.
    """
    async with HELD.body(request, _MOST_URL) as data:
        url = _object(data, request.headers.get("content-type", "")).get("url")
        if not isinstance(url, str) or not url.strip():
            raise InputError(
                "The request names no picture.",
                expected='{"url": "https://…"}, or a data: URI',
                do="Add the key `url`.",
            )
        name, version = await asyncio.to_thread(_newest, desk, project, run)
        body = json.dumps({"url": url.strip()}).encode()
        status, said = await desk.predict(name, body, "application/json", version=version)
    if status != 200:
        return Response(said, status, media_type="application/json")
    answered = json.loads(said)
    place = list(answered["probabilities"]).index(answered["best"])
    if request.headers.get("accept", "").strip().lower() == "text/plain":
        return PlainTextResponse(str(place))
    text = json.dumps({"class": place, "project": name, **answered})
    return Response(text, media_type="application/json")


def read_words(given: Mapping[str, Any]) -> tuple[list[str], str, str]:
    """Class words in the order of their numbers, e-mail address, test picture.

    Every key but `email` and `url` is a class; empty ones are not. Raises `InputError`.
    """
    for key, value in given.items():
        if not isinstance(value, str) and value is not None:
            raise InputError(
                f"The key {key!r:.80} holds {value!r:.80}.",
                expected="text",
                do='Send {"q1": "cat", "q2": "dog", "email": "…", "url": "…"}.',
            )
    texts = {key: str(value or "").strip() for key, value in given.items()}
    email, url = texts.pop("email", ""), texts.pop("url", "")
    words = [texts[key] for key in sorted(texts, key=_place) if texts[key]]
    if len(words) < 2:
        raise InputError(
            f"The request names {len(words)} classes.",
            expected="two or more: q1, q2, …",
            do='Send {"q1": "cat", "q2": "dog", "email": "…", "url": "…"}.',
        )
    return words, email, url


def _place(key: str) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(key)
    return (int(match[1]) if match else 10**6, key)


def _object(data: bytes, kind: str) -> dict[str, Any]:
    """A request's object, of JSON or of a form. Raises `RequestError`."""
    found: Any = None
    try:
        declared = kind.partition(";")[0].strip().lower()
        # curl calls any body a form.
        if declared == "application/x-www-form-urlencoded" and not data.lstrip().startswith(b"{"):
            return dict(parse_qsl(data[:_MOST_REQUEST].decode(), max_num_fields=1100))
        found = json.loads(data)
    except (ValueError, RecursionError):
        pass
    if not isinstance(found, dict):
        raise RequestError(
            "The body is no JSON object.",
            expected='{"q1": "cat", "q2": "dog", "email": "…", "url": "…"}',
            do="Send it as JSON in UTF-8.",
        )
    return found


def _submit(desk: Desk, words: list[str], email: str, url: str) -> Any:
    recipe = desk.recipe_of_words(words)
    return desk.submit(recipe, email=email, test_picture=url or None)


def _newest(desk: Desk, project: str, run: str) -> tuple[str, int | None]:
    """The project and version that is meant. Raises `NotFoundError`."""
    if project:
        return desk.project(project).name, None
    if run:
        found = desk.run(run)
        if found.state != "done":
            raise NotFoundError(
                f"The run {run} is {found.state}.",
                expected="a run that is done",
                do=f"Watch it: GET /api/v1/runs/{run}",
            )
    else:
        done = desk.runs(states=("done",), limit=1).items
        if not done:
            raise NotFoundError(
                "No run is finished yet.",
                expected="a run that is done",
                do="Ask for one: POST /picaisso/ with q1 and q2",
            )
        found = done[0]
    return found.project, (found.result or {}).get("version")


def _file(desk: Desk, project: str, run: str, kind: FileKind) -> Download:
    name, version = _newest(desk, project, run)
    return desk.file(name, kind, version)
