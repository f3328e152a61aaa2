"""The server's face: routes, errors to answers, counts and logs. A plain ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
import traceback
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from tellapart.errors import NotFoundError, RequestError, TellapartError
from tellapart.serving import inference_protocol
from tellapart.serving.about import About
from tellapart.serving.elsewhere import Elsewhere
from tellapart.serving.inference_protocol import InferenceProtocol
from tellapart.serving.label_studio import LabelStudio
from tellapart.serving.limits import Gate
from tellapart.serving.logs import Log
from tellapart.serving.metrics import Exporter, Metrics
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.predicting import Predictor, number
from tellapart.serving.request import (
    TEXT,
    Disconnected,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    problem,
    stopping,
)
from tellapart.settings import Settings

Handler = Callable[..., Awaitable[Response]]

_MODEL = r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?"
_OWN_MODEL = r"/v1/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/predict"
#: What probes and a browser ask for: no token is needed.
_OPEN = frozenset(
    ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json")
)
#: A request's own id is taken over if it is harmless in a log and in a header.
_ID = re.compile(rb"[!-~]{1,128}")
#: Bytes of an unwanted body that are read on, so that the client sees the answer before the end.
_LINGER = 4_000_000


class App:
    """Answers requests out of a pool. One event loop's."""

    def __init__(
        self,
        pool: Pool,
        options: Options,
        log: Log,
        metrics: Metrics,
        reload: Callable[[], Awaitable[Any]],
    ) -> None:
        """`reload`: loads what lies at the bundles' paths now."""
        self.pool = pool
        self._reload = reload
        self.options = options
        self.log = log
        self.metrics = metrics
        self.elsewhere = Elsewhere(options, Settings.from_env())
        self.predictor = Predictor(pool, options, self.elsewhere, self.metrics)
        self.gate = Gate(options)
        self._ids = count(1)
        self._prefix = os.urandom(4).hex()
        self._fixed, self._patterns = self._routes()

    def _routes(
        self,
    ) -> tuple[dict[str, dict[str, Handler]], list[tuple[re.Pattern[str], str, str, Handler]]]:
        """Routes by path, and those with a model's name in it: pattern, name, method, handler."""
        v2 = InferenceProtocol(self.predictor, self.gate, self._reload)
        about = About(self.pool, self.options, Exporter(self.metrics, self.pool.stats))
        studio = LabelStudio(self.predictor, self.log)
        self.predictor.on_tasks = studio.predict
        fixed: dict[str, dict[str, Handler]] = {
            "/predict": {"POST": self.predictor.respond},
            "/v1/models": {"GET": about.models},
            "/health": {"GET": about.health},
            "/ready": {"GET": about.ready},
            "/metrics": {"GET": about.metrics},
            "/openapi.json": {"GET": about.openapi},
            "/docs": {"GET": about.docs},
            "/": {"GET": about.root},
            "/setup": {"POST": studio.setup},
            "/webhook": {"POST": studio.webhook},
            "/versions": {"GET": studio.versions, "POST": studio.versions},
            "/v2": {"GET": v2.server},
            "/v2/health/live": {"GET": v2.live},
            "/v2/health/ready": {"GET": v2.ready},
            "/v2/repository/index": {"POST": v2.index},
        }
        patterns: list[tuple[str, str, str, Handler]] = [
            (_OWN_MODEL, "/v1/models/{name}/predict", "POST", self._predict_with),
            (_MODEL + "/infer", "/v2/models/{name}/infer", "POST", v2.infer),
            (_MODEL + "/ready", "/v2/models/{name}/ready", "GET", v2.model_ready),
            (_MODEL + "/config", "/v2/models/{name}/config", "GET", v2.config),
            (_MODEL, "/v2/models/{name}", "GET", v2.model),
            (r"/v2/repository/models/(?P<name>[^/]+)/load", "/v2/repository/load", "POST", v2.load),
            (
                r"/v2/repository/models/(?P<name>[^/]+)/unload",
                "/v2/repository/unload",
                "POST",
                v2.unload,
            ),
        ]
        return fixed, [(re.compile(p), name, method, each) for p, name, method, each in patterns]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.monotonic()
        request = Request(scope, receive)
        request.id = self._id(request)
        self.metrics.open += 1
        status = 499  # what remains where the client goes
        try:
            response = await self._answer(request)
            status = response.status
            await self._send(request, response, send)
        except Disconnected:
            pass
        except asyncio.CancelledError:
            # The server stops and has no patience left: this is the last thing that it does here.
            if not request.answered:
                status = 503
                request.read = True  # no time is left to read on
                await self._send(request, problem(stopping()), send)
        finally:
            taken = time.monotonic() - began
            self.metrics.open -= 1
            self.predictor.budget.give(request.held)
            self.metrics.requests[request.route, status] += 1
            if request.model:
                self.metrics.seconds["total"].observe(taken)
            if self.log.requests or status >= 500:
                self._log(request, status, taken)

    async def _answer(self, request: Request) -> Response:
        """What its route answers; every error an answer too."""
        try:
            request.route, handler, parts = self._find(request)
            # A browser's preflight brings no token.
            if request.path not in _OPEN and request.method != "OPTIONS":
                self.gate.admit(request)
            return await handler(request, **parts)
        except TellapartError as error:
            form = inference_protocol.problem if request.path.startswith("/v2") else problem
            answer = form(error)
            if answer.status == 405:
                allowed = error.expected.replace(" or ", ", ").encode("ascii")
                answer = answer._replace(headers=(*answer.headers, (b"allow", allowed)))
            return answer
        except Disconnected:
            raise
        except Exception as error:
            trace = traceback.format_exception(error)
            self.log.event(
                "fault", request=request.id, route=request.route, trace="".join(trace)[-3000:]
            )
            return problem(
                TellapartError(
                    "The server failed in a way that was not foreseen.",
                    expected="an answer",
                    do=f"Report it with the server's log of the request {request.id}.",
                )
            )

    def _find(self, request: Request) -> tuple[str, Handler, dict[str, str]]:
        """The route of a request. Raises `NotFoundError`, and `RequestError` (405)."""
        path = request.path
        method = "GET" if request.method == "HEAD" else request.method
        found: dict[str, Handler] = self._fixed.get(path) or {}
        if method in found:
            return path, found[method], {}
        allowed = list(found)
        if method == "OPTIONS" and (found or path.startswith(("/v1/", "/v2/"))):
            return "options", self._preflight, {}
        for pattern, name, wanted, handler in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                allowed.append(wanted)
                if wanted == method:
                    return name, handler, {k: v for k, v in match.groupdict().items() if v}
        if allowed:
            raise RequestError(
                f"The method {request.method} is not for {path[:200]!r}.",
                expected=" or ".join(allowed),
                do="Use that method.",
                status=405,
            )
        raise NotFoundError(
            f"There is nothing at {path[:200]!r}.",
            expected="one of the addresses that /docs lists",
            do="POST a picture to /predict, or open /docs.",
        )

    def _id(self, request: Request) -> str:
        given = request.headers.get(b"x-request-id")
        if given is not None and _ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}-{next(self._ids):x}"

    async def _send(self, request: Request, response: Response, send: Send) -> None:
        headers = [
            (b"content-type", response.kind),
            (b"content-length", b"%d" % len(response.body)),
            (b"x-request-id", request.id.encode("ascii")),
            (b"x-content-type-options", b"nosniff"),
            *response.headers,
        ]
        if self.options.cors:
            headers += self._cors(request)
        linger = not request.read and self._unread(request)
        if linger:
            headers.append((b"connection", b"close"))
        request.answered = True
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send(start)
        if linger:
            # A client that is still sending would see its connection reset instead of the answer.
            await send({"type": "http.response.body", "body": response.body, "more_body": True})
            with contextlib.suppress(Disconnected):
                await request.skip(_LINGER)
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": response.body})

    def _unread(self, request: Request) -> bool:
        """Whether a body comes, or may come, that nobody has read and that is not short."""
        length = request.length
        return b"expect" in request.headers or length is None or length > self.options.max_body

    def _cors(self, request: Request) -> list[tuple[bytes, bytes]]:
        origin = request.headers.get(b"origin")
        if origin is None:
            return []
        text = origin.decode("latin-1")
        if text in self.options.cors:
            allowed = origin
        elif "*" in self.options.cors:
            allowed = b"*"
        else:
            return []
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", b"x-request-id, retry-after"),
            (b"vary", b"origin"),
        ]

    async def _preflight(self, request: Request) -> Response:
        if not (self.options.cors and self._cors(request)):
            return Response(204, b"", TEXT, ((b"allow", b"GET, POST, OPTIONS"),))
        return Response(
            204,
            b"",
            TEXT,
            (
                (b"access-control-allow-methods", b"GET, POST"),
                (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
                (b"access-control-max-age", b"3600"),
            ),
        )

    async def _predict_with(self, request: Request, name: str, version: str = "") -> Response:
        return await self.predictor.respond(request, name, number(version) if version else None)

    def _log(self, request: Request, status: int, taken: float) -> None:
        facts: dict[str, Any] = {
            "request": request.id,
            "client": request.client,
            "method": request.method,
            "route": request.route,
            "status": status,
            "seconds": round(taken, 6),
            "bytes": request.length,
            "model": request.model or None,
        }
        self.log.request(facts)
