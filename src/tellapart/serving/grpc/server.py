"""The gRPC service: the same models, limits and numbers as over HTTP, in the same event loop."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version as installed
from itertools import count
from typing import Any
from urllib.parse import unquote

from tellapart.errors import InputError, MissingExtraError, TellapartError
from tellapart.serving import inference_protocol, tensors
from tellapart.serving.app import App
from tellapart.serving.limits import Gate
from tellapart.serving.models import ModelInfo
from tellapart.serving.predicting import number
from tellapart.serving.request import Disconnected, Request, too_large

# The library's own lines are not of the log's shape; what matters comes as an error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
try:
    import grpc

    from tellapart.serving.grpc import contents
    from tellapart.serving.grpc.messages import HEALTH, HEALTH_CHECK, INFERENCE, METHODS, SERVICE
except ImportError as error:
    raise MissingExtraError(
        f"gRPC needs {error.name}, which is not installed.",
        expected="the extra [grpc]",
        do="Run `pip install 'tellapart[grpc]'`, or serve without --grpc-port.",
    ) from error

_SERVING, _NOT_SERVING = 1, 2
#: What a message may hold beside pictures: names, shapes, parameters.
_ENVELOPE = 65536
_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
#: What probes ask: no token is needed.
_OPEN = frozenset(("ServerLive", "ServerReady", "HealthCheck"))
Call = Callable[[Any, Request, float | None], Awaitable[Any]]


class GrpcFace:
    """A gRPC server for what `app` serves over HTTP."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._pool = app.pool
        self._predictor = app.predictor
        self._ids = count(1)
        options = app.options
        largest = options.max_body + _ENVELOPE
        self._server = grpc.aio.server(
            interceptors=[_Door(app.gate, self._turned_away)],
            options=[
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # a port that another server has is an error
            ],
            maximum_concurrent_rpcs=options.max_connections,
        )
        calls = {name: getattr(self, f"_{_snake(name)}") for name in METHODS}
        handlers = {
            name: self._handler(f"{SERVICE}/{name}", call, INFERENCE, name)
            for name, call in calls.items()
        }
        check = self._handler(f"{HEALTH}/Check", self._check, HEALTH_CHECK, "HealthCheck")
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, handlers),
                grpc.method_handlers_generic_handler(HEALTH, {"Check": check}),
            )
        )

    async def start(self) -> str:
        """Listen; return the address, such as `grpc://127.0.0.1:8081`. Raises `InputError`."""
        options = self._app.options
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            port = self._server.add_insecure_port(f"{host}:{options.grpc_port or 0}")
        except RuntimeError as error:
            raise InputError(
                f"The address {host!r}, port {options.grpc_port}, cannot be listened on for gRPC.",
                expected="an address of this machine and a free port",
                do="Give another --grpc-port (0: any free one).",
            ) from error
        await self._server.start()
        return f"grpc://{host}:{port}"

    async def stop(self, seconds: float) -> None:
        """Take nothing new; calls under way get `seconds`."""
        await self._server.stop(seconds)

    def _handler(self, route: str, call: Call, messages: dict[str, Any], name: str) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            partial(self._answer, route, call, name in _OPEN),
            request_deserializer=messages[f"{name}Request"].FromString,
            response_serializer=messages[f"{name}Response"].SerializeToString,
        )

    async def _answer(
        self, route: str, call: Call, is_open: bool, message: Any, context: Any
    ) -> Any:
        """One call: who may, the answer or its error, counted and logged as over HTTP."""
        app, began = self._app, time.monotonic()
        request = _request(route, context)
        request.id = f"grpc-{next(self._ids):x}"
        app.metrics.open += 1
        status = 499  # what remains where the client goes
        try:
            if not is_open:
                app.gate.admit(request)
            answer = await call(message, request, context.time_remaining())
            status = 200
            return answer
        except TellapartError as error:
            status = error.http_status
            await _abort(context, error)
        except Disconnected:
            await context.abort(grpc.StatusCode.CANCELLED, "The client has gone.")
        except Exception as error:
            status = 500
            trace = "".join(traceback.format_exception(error))[-3000:]
            app.log.event("fault", request=request.id, route=route, trace=trace)
            text = f"The server failed in a way that was not foreseen; its log has {request.id}."
            await context.abort(grpc.StatusCode.INTERNAL, text)
        finally:
            app.metrics.open -= 1
            app.predictor.budget.give(request.held)
            self._finished(request, route, status, time.monotonic() - began)

    def _finished(self, request: Request, route: str, status: int, taken: float) -> None:
        app = self._app
        app.metrics.requests[route, status] += 1
        app.metrics.seconds["total"].observe(taken)
        if app.log.requests or status >= 500:
            app.log.request(
                {
                    "request": request.id,
                    "client": request.client,
                    "method": "gRPC",
                    "route": route,
                    "status": status,
                    "seconds": round(taken, 6),
                    "model": request.model or None,
                }
            )

    def _turned_away(self, method: str) -> Any:
        """What answers a call whose token does not fit; it looks at no message."""
        route = method.removeprefix("/")
        return grpc.stream_unary_rpc_method_handler(partial(self._answer, route, _never, False))

    async def _check(self, asked: Any, request: Request, left: float | None) -> Any:
        """gRPC's own health check, which Kubernetes asks."""
        status = _SERVING if self._pool.ready else _NOT_SERVING
        return HEALTH_CHECK["HealthCheckResponse"](status=status)

    async def _server_live(self, asked: Any, request: Request, left: float | None) -> Any:
        return INFERENCE["ServerLiveResponse"](live=True)

    async def _server_ready(self, asked: Any, request: Request, left: float | None) -> Any:
        return INFERENCE["ServerReadyResponse"](ready=self._pool.ready)

    async def _model_ready(self, asked: Any, request: Request, left: float | None) -> Any:
        try:
            self._model(asked.name, asked.version)
        except TellapartError:  # a model that is not there is not ready
            return INFERENCE["ModelReadyResponse"](ready=False)
        return INFERENCE["ModelReadyResponse"](ready=self._pool.ready)

    async def _server_metadata(self, asked: Any, request: Request, left: float | None) -> Any:
        return INFERENCE["ServerMetadataResponse"](
            name="tellapart", version=installed("tellapart"), extensions=["classification"]
        )

    async def _model_metadata(self, asked: Any, request: Request, left: float | None) -> Any:
        info = self._model(asked.name, asked.version)
        versions = self._pool.models.versions(info.name)
        return INFERENCE["ModelMetadataResponse"](**inference_protocol.metadata(info, versions))

    async def _repository_index(self, asked: Any, request: Request, left: float | None) -> Any:
        ready = self._pool.ready
        state = "READY" if ready else "UNAVAILABLE"
        return INFERENCE["RepositoryIndexResponse"](
            models=[
                {"name": info.name, "version": str(info.version), "state": state}
                for info in self._pool.models
                if ready or not asked.ready
            ]
        )

    async def _model_infer(self, asked: Any, request: Request, left: float | None) -> Any:
        info = self._model(asked.model_name, asked.model_version)
        request.model = info.name
        self._predictor.begin()
        self._take(asked.ByteSize(), request)
        deadline = self._predictor.deadline()
        if left is not None:  # a client that has given up waits for nothing
            deadline = min(deadline, time.monotonic() + left)
        kind, payloads = self._input(info, asked)
        outputs = tensors.read_outputs(info, contents.outputs_asked(asked))
        raw = tuple(dict.fromkeys(one.name for one in outputs if one.name in info.outputs))
        jobs = []
        for payload in payloads:
            job = self._predictor.job(info, request, kind, False, deadline)
            job.payload, job.outputs = payload, raw
            jobs.append(job)
        found = inference_protocol.good(await self._predictor.ask(request, jobs))
        return contents.answered(
            info, asked, [tensors.write_output(info, found, one) for one in outputs]
        )

    def _model(self, name: str, version: str) -> ModelInfo:
        return self._pool.models.find(name, number(version) if version else None)

    def _take(self, size: int, request: Request) -> None:
        """Count a message that has come against what may be held at once, as HTTP's bodies."""
        if size > self._app.options.max_body + _ENVELOPE:
            raise too_large(self._app.options.max_body)
        self._app.metrics.body_bytes += size
        self._predictor.budget.take(size)
        request.held = size

    def _input(self, info: ModelInfo, asked: Any) -> Any:
        most = self._app.options.max_pictures
        if len(asked.inputs) != 1:
            return tensors.read_input(info, [None] * len(asked.inputs), memoryview(b""), most)
        one, raw = asked.inputs[0], contents.raw_input(asked)
        described = {
            "name": one.name,
            "datatype": one.datatype,
            "shape": list(one.shape),
            "parameters": {"binary_data_size": len(raw)},
        }
        return tensors.read_input(info, [described], memoryview(raw), most)


class _Door(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Turns calls away that bring no token, before their messages are read."""

    def __init__(self, gate: Gate, turned_away: Callable[[str], Any]) -> None:
        self._gate = gate
        self._turned_away = turned_away

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        if name not in _OPEN and name != "Check":
            for key, value in details.invocation_metadata or ():
                if key == "authorization":
                    given = value if isinstance(value, bytes) else value.encode()
                    break
            else:
                given = b""
            if not self._gate.knows(given):
                return self._turned_away(details.method)
        return await continuation(details)


async def _never(message: Any, request: Request, left: float | None) -> Any:
    raise AssertionError("a call without a token was let in")


def _request(route: str, context: Any) -> Request:
    """A call as the limits see requests."""
    headers = {
        key.encode(): value if isinstance(value, bytes) else value.encode()
        for key, value in context.invocation_metadata() or ()
    }
    return Request("POST", f"/{route}", headers=headers, peer=_address(context.peer()))


def _address(peer: str) -> str:
    """The address in gRPC's `ipv4:1.2.3.4:5` or `ipv6:%5B::1%5D:5`."""
    return unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]")


async def _abort(context: Any, error: TellapartError) -> None:
    """End a call with an error's three parts."""
    code = _CODES.get(error.http_status)
    if code is None:
        code = _INVALID if 400 <= error.http_status < 500 else grpc.StatusCode.INTERNAL
    after = getattr(error, "retry_after", None)
    trailing: tuple[tuple[str, str], ...] = ()
    if after is not None:
        # What gRPC's own retries wait for.
        trailing = (("grpc-retry-pushback-ms", str(math.ceil(after * 1000))),)
    await context.abort(code, f"{error.what} Expected: {error.expected}. {error.do}", trailing)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
