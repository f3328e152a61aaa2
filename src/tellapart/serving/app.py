"""What the server answers: routes, errors to answers, counts and logs."""

from __future__ import annotations

import asyncio
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
from tellapart.serving.batching import Ticket
from tellapart.serving.elsewhere import Elsewhere
from tellapart.serving.inference_protocol import InferenceProtocol
from tellapart.serving.jobs import Answer, Outcome, Told
from tellapart.serving.label_studio import LabelStudio
from tellapart.serving.limits import Gate
from tellapart.serving.logs import Log
from tellapart.serving.metrics import Exporter, Metrics
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.predicting import Predictor, number, single
from tellapart.serving.request import (
    JSON,
    TEXT,
    Disconnected,
    Request,
    Response,
    overloaded,
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
        self._logged = log.requests
        self._gated = bool(options.tokens or options.rate)
        self._respond = self.predictor.respond
        self._tasks: set[asyncio.Task[None]] = set()
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

    def begin(self, request: Request) -> None:
        """Take a request whose head has come: answer it, begin it, or wait for its body."""
        request.began = time.monotonic()
        headers = request.headers
        if b"x-request-id" in headers and _ID.fullmatch(headers[b"x-request-id"]):
            request.id = headers[b"x-request-id"].decode("ascii")
        else:
            request.id = f"{self._prefix}-{next(self._ids):x}"
        self.metrics.open += 1
        try:
            request.route, handler, parts = self._find(request)
            # A browser's preflight brings no token.
            if self._gated and request.path not in _OPEN and request.method != "OPTIONS":
                self.gate.admit(request)
        except TellapartError as error:
            self.refuse(request, error)
            return
        except Exception as error:
            self._end(request, self._fault(request, error))
            return
        if handler != self._respond:
            self._start(request, handler, parts)
        elif self.pool.full:
            self.refuse(request, overloaded(self.pool.retry_after))
        elif self.predictor.takes(request):
            request.direct = True  # goes on in `whole`
        else:
            self._start(request, handler, parts)

    def whole(self, request: Request, data: bytes) -> None:
        """The body has come of a request that needs no task unless there is more to it."""
        budget = self.predictor.budget
        try:
            request.hold(len(data), budget)
            begun = self.predictor.begin_direct(request, data, self._told)
        except TellapartError as error:
            self.refuse(request, error)
        except Exception as error:
            self._end(request, self._fault(request, error))
        else:
            if not begun:
                budget.give(request.held)  # whoever reads it counts it
                request.direct, request.held = False, 0
                request.feed(data)
                request.end()
                self._start(request, self._respond, {})

    def _told(self, ticket: Ticket, outcome: Outcome) -> None:
        """What became of a job that is a request's only one."""
        request: Request = ticket.asker
        request.ticket = None
        if not isinstance(outcome, Told):
            if isinstance(outcome, Answer):
                self.metrics.answered(outcome)
            self._end(request, single(ticket.info, outcome))
            return
        status = outcome.status
        headers = tuple(self._cors(request)) if self.options.cors else ()
        self._send(request, Response(status, outcome.body, JSON, headers))
        taken = time.monotonic() - request.began
        self.metrics.open -= 1
        self.predictor.budget.held -= request.held
        self.metrics.told(ticket, outcome, request.route, taken)
        if self._logged or status >= 500:
            self._log(request, status, taken)

    def refuse(self, request: Request, error: TellapartError) -> None:
        """Answer with an error."""
        self._end(request, self._problem(request, error))

    def gone(self, request: Request) -> None:
        """The client has gone before it had its answer."""
        ticket, request.ticket = request.ticket, None
        if ticket is not None:
            self.pool.drop(ticket)
        request.leave()
        if request.task is None:
            self._finish(request, 499)

    def cut_off(self, request: Request) -> None:
        """The server stops and has no patience left."""
        ticket, request.ticket = request.ticket, None
        if ticket is not None:
            self.pool.drop(ticket)
        if request.task is not None:
            request.task.cancel()
        else:
            self.refuse(request, stopping())

    async def close(self) -> None:
        """Close what the app holds beside requests."""
        await self.elsewhere.close()

    def _start(self, request: Request, handler: Handler, parts: dict[str, str]) -> None:
        task = asyncio.get_running_loop().create_task(self._run(request, handler, parts))
        request.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: Request, handler: Handler, parts: dict[str, str]) -> None:
        try:
            response = await handler(request, **parts)
        except TellapartError as error:
            response = self._problem(request, error)
        except Disconnected:
            self._finish(request, 499)
            return
        except asyncio.CancelledError:
            # The server stops and has no patience left: this is the last thing that it does here.
            response = problem(stopping())
        except Exception as error:
            response = self._fault(request, error)
        self._end(request, response)

    def _end(self, request: Request, response: Response) -> None:
        if self.options.cors:
            response = self._shared(request, response)
        self._send(request, response)
        self._finish(request, response.status)

    def _send(self, request: Request, response: Response) -> None:
        """Send an answer. What fails there falls back on nobody, and leaves no client waiting."""
        connection = request.connection
        if connection is None:
            return
        try:
            connection.answer(request, response)
        except Exception as error:
            self._fault(request, error)
            connection.abort()

    def _finish(self, request: Request, status: int) -> None:
        """Count, and log, a request that is answered, or whose client has gone."""
        taken = time.monotonic() - request.began
        self.metrics.open -= 1
        self.predictor.budget.give(request.held)
        self.metrics.requests[request.route, status] += 1
        if request.model:
            self.metrics.seconds["total"].observe(taken)
        if self.log.requests or status >= 500:
            self._log(request, status, taken)

    def _problem(self, request: Request, error: TellapartError) -> Response:
        form = inference_protocol.problem if request.path.startswith("/v2") else problem
        answer = form(error)
        if answer.status == 405:
            allowed = error.expected.replace(" or ", ", ").encode("ascii")
            answer = answer._replace(headers=(*answer.headers, (b"allow", allowed)))
        return answer

    def _fault(self, request: Request, error: Exception) -> Response:
        trace = "".join(traceback.format_exception(error))[-3000:]
        self.log.event("fault", request=request.id, route=request.route, trace=trace)
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

    def _shared(self, request: Request, response: Response) -> Response:
        return response._replace(headers=(*response.headers, *self._cors(request)))

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
