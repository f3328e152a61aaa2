"""From a request to the pool and back: what all routes that answer pictures and rows share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tellapart.errors import (
    DeadlineError,
    InputError,
    OverloadedError,
    RequestError,
    TellapartError,
)
from tellapart.serving import answers, bodies
from tellapart.serving.answers import encode
from tellapart.serving.batching import Done
from tellapart.serving.bodies import Item
from tellapart.serving.elsewhere import Elsewhere
from tellapart.serving.jobs import Answer, Job
from tellapart.serving.metrics import Metrics
from tellapart.serving.models import ModelInfo
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.request import (
    Budget,
    Request,
    Response,
    flag,
    json_response,
    overloaded,
    problem,
    too_large,
)

#: Media types of bodies that need no closer look.
_PICTURES = frozenset((b"image/jpeg", b"image/png", b"image/webp"))
#: Bodies of the largest size that there is room for beside what waits.
_BODIES = 4

OnTasks = Callable[[Request, dict[str, Any], float, str, int | None], Awaitable[Response]]


class Predictor:
    """Answers requests for predictions."""

    def __init__(
        self, pool: Pool, options: Options, elsewhere: Elsewhere, metrics: Metrics
    ) -> None:
        self.pool = pool
        self.options = options
        self.elsewhere = elsewhere
        self.metrics = metrics
        self._max_body = options.max_body
        waiting = int(options.max_queue_mb * 1_000_000)
        self.budget = Budget(waiting + _BODIES * options.max_body)
        #: What answers a body of Label Studio's tasks.
        self.on_tasks: OnTasks | None = None

    async def respond(
        self, request: Request, name: str = "", version: int | None = None
    ) -> Response:
        """`POST /predict`, in its own shape. Raises `TellapartError`."""
        query = request.query("model", "version", "why")
        why = flag("why", query.get("why"))
        name = name or query.get("model", "")
        if version is None and "version" in query:
            version = number(query["version"])
        info = self.pool.models.find(name, version)
        self.begin()
        data = await self.body(request)
        deadline = self.deadline()
        request.model = info.name
        asked = bodies.read(data, request, self.options.max_pictures)
        del data  # the picture alone is kept while it waits
        if asked.tasks is not None and self.on_tasks is not None:
            return await self.on_tasks(request, asked.tasks, deadline, name, version)
        items = [
            one if isinstance(one, TellapartError) else fitting(info, one) for one in asked.items
        ]
        contents = await self.contents(request, items, deadline)
        # Other bundles may have been loaded while the body and the pictures came.
        info = self.pool.models.find(name, version)
        if why:
            self._check_why(info)
        found = await self.run(request, info, contents, deadline, why=why)
        if asked.many:
            return json_response(answers.several(info, found))
        return single(info, found[0])

    def takes(self, request: Request) -> bool:
        """Whether a `POST /predict` may well hold one picture, and nothing needs a closer look."""
        length = request.length
        return length is not None and 0 < length <= self._max_body and request.bare

    def begin_direct(self, request: Request, data: bytes, done: Done) -> bool:
        """Give the pool a request's body as it came, if it is one picture and no more.

        False: it must be looked at. Raises as `Pool.begin`.
        """
        info = self.pool.default
        kind = request.headers.get(b"content-type", b"")
        if info.kind != "picture" or not (kind in _PICTURES or bodies.plain(data, request)):
            return False
        deadline = time.monotonic() + self.options.deadline
        job = Job(
            data, deadline, info.name, info.version, "picture", False, (), request.id, told=True
        )
        request.model = info.name
        request.ticket = self.pool.begin(job, done, request, info)
        self.metrics.body_bytes += len(data)
        return True

    def begin(self) -> None:
        """Raises `OverloadedError` where the pool is full: before the body is read."""
        if self.pool.full:
            raise overloaded(self.pool.retry_after)

    def deadline(self) -> float:
        """When a request that has come whole by now must be answered."""
        return time.monotonic() + self.options.deadline

    async def body(self, request: Request) -> bytes:
        """The request's body, within bounds."""
        coding = request.header(b"content-encoding").strip().lower()
        if coding not in ("", "identity"):
            raise RequestError(
                f"The body is encoded as {coding!r:.80}.",
                expected="a body without Content-Encoding: pictures are compressed already",
                do="Send it as it is.",
                status=415,
            )
        data = await request.body(self.options.max_body, self.budget)
        self.metrics.body_bytes += len(data)
        return data

    def job(self, info: ModelInfo, request: Request, kind: Any, why: bool, deadline: float) -> Job:
        """A job whose payload is still to be set."""
        return Job(
            b"",
            deadline,
            model=info.name,
            version=info.version,
            kind=kind,
            why=why,
            id=request.id,
        )

    async def run(
        self,
        request: Request,
        info: ModelInfo,
        contents: Sequence[bytes | TellapartError],
        deadline: float,
        *,
        why: bool = False,
    ) -> list[Answer | TellapartError]:
        """Each content's answer, or its error. Raises `OverloadedError`.

        `info` must have been looked up since the last `await`: jobs name its version.
        """
        jobs = []
        for content in contents:
            if isinstance(content, bytes):
                job = self.job(info, request, info.kind, why, deadline)
                job.payload = content
                jobs.append(job)
        told = iter(await self.ask(request, jobs) if jobs else [])
        return [next(told) if isinstance(one, bytes) else one for one in contents]

    async def ask(self, request: Request, jobs: Sequence[Job]) -> list[Answer | TellapartError]:
        """The pool's answers. Raises `OverloadedError`, and `DeadlineError` where all were late."""
        if len(jobs) == 1:
            futures = [self.pool.enqueue(jobs[0])]
        else:
            futures = self.pool.enqueue_all(jobs)
        found: list[Answer | TellapartError] = []
        for one in await request.wait(futures):
            if isinstance(one, Answer):
                self.metrics.answered(one)
                found.append(one)
            elif isinstance(one, DeadlineError):
                found.append(one)
            else:
                raise one
        if found and all(isinstance(one, DeadlineError) for one in found):
            raise found[0] if isinstance(found[0], TellapartError) else AssertionError
        return found

    async def contents(
        self, request: Request, items: Sequence[Item | TellapartError], deadline: float
    ) -> list[bytes | TellapartError]:
        """The bytes of each item; those by URL or path are got. Raises `OverloadedError`.

        All of a request's together have the size of a body at most.
        """
        if not any(isinstance(one, Item) and one.kind in ("url", "path") for one in items):
            return [one.content if isinstance(one, Item) else one for one in items]
        places = [
            place
            for place, one in enumerate(items)
            if isinstance(one, Item) and one.kind in ("url", "path")
        ]
        getting: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._get(request, items[place], deadline)) for place in places
        ]
        got = dict(zip(places, await request.wait(getting), strict=True))
        found: list[bytes | TellapartError] = []
        for place, one in enumerate(items):
            content = got.get(place, one.content if isinstance(one, Item) else one)
            if isinstance(content, OverloadedError) or not isinstance(
                content, bytes | TellapartError
            ):
                raise content
            found.append(content)
        return found

    async def _get(
        self, request: Request, item: Item | TellapartError, deadline: float
    ) -> bytes | TellapartError:
        if isinstance(item, TellapartError):
            return item
        left = self.options.max_body - request.got
        if left <= 0:
            return too_large(self.options.max_body)
        content = await self.elsewhere.content(item, local=request.local, deadline=deadline)
        if isinstance(content, bytes):
            request.got += len(content)
            if request.got > self.options.max_body:
                return too_large(self.options.max_body)
            request.hold(len(content), self.budget)
        return content

    def _check_why(self, info: ModelInfo) -> None:
        if not self.options.why or info.kind == "row":
            raise InputError(
                f"The model {info.name!r} is asked why."
                if self.options.why
                else "This server answers no `why`.",
                expected="a model that answers pictures" if self.options.why else "no ?why=1",
                do="Ask without `why`.",
            )


def fitting(info: ModelInfo, item: Item) -> Item | TellapartError:
    """The item, if it is what the model answers."""
    if (item.kind == "row") == (info.kind == "row"):
        return item
    rows = info.kind == "row"
    return InputError(
        f"The model {info.name!r} was given {'a picture' if rows else 'a row'}.",
        expected='JSON such as {"row": {"column": value, …}}' if rows else "a picture",
        do="Send that, or name another model: ?model=NAME.",
    )


def single(info: ModelInfo, found: Answer | TellapartError) -> Response:
    """The response to a request for one: the answer, or its error with the error's status."""
    if isinstance(found, TellapartError):
        return problem(found)
    if found.error is not None:
        return Response(found.http_status, encode({"error": found.error}))
    return json_response(answers.single(info, found))


def number(text: str) -> int:
    """A version as a number. Raises `InputError`."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise InputError(
        f"The version is {text!r:.80}.",
        expected="a whole number, such as 1",
        do="Correct it, or leave it out for the highest.",
    )
