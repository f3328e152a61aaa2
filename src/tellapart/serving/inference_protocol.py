"""The Open Inference Protocol over REST (version 2), with the binary tensor extension.

Pictures go in as a `BYTES` tensor of encoded files or as a `UINT8` tensor of prepared pixels, rows
as numbers or as a `BYTES` tensor of JSON; out come the model's raw outputs and `label`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tellapart.errors import InputError, RequestError, TellapartError
from tellapart.serving import bodies, tensors
from tellapart.serving.answers import encode
from tellapart.serving.jobs import Answer
from tellapart.serving.limits import Gate
from tellapart.serving.models import ModelInfo
from tellapart.serving.predicting import Predictor, number
from tellapart.serving.request import (
    JSON,
    Request,
    Response,
    json_response,
    retry_header,
)
from tellapart.serving.tensors import Output

#: Brackets and commas of a request: a picture of 224 × 224 as JSON has 200,000;
#: binary data has no such bound.
_MOST_MARKS = 1_000_000
_HEADER_LENGTH = b"inference-header-content-length"
_BINARY = b"application/octet-stream"


class InferenceProtocol:
    """The routes below /v2."""

    def __init__(
        self, predictor: Predictor, gate: Gate, reload: Callable[[], Awaitable[Any]]
    ) -> None:
        self._predictor = predictor
        self._pool = predictor.pool
        self._gate = gate
        self._reload = reload

    async def server(self, request: Request) -> Response:
        from importlib.metadata import version as installed

        extensions = ["binary_tensor_data", "classification", "model_repository"]
        return json_response(
            {"name": "tellapart", "version": installed("tellapart"), "extensions": extensions}
        )

    async def live(self, request: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        return json_response({"ready": self._pool.ready}, 200 if self._pool.ready else 503)

    async def model_ready(self, request: Request, name: str, version: str = "") -> Response:
        info = self._model(name, version)
        ready = self._pool.ready
        return json_response({"name": info.name, "ready": ready}, 200 if ready else 503)

    async def model(self, request: Request, name: str, version: str = "") -> Response:
        """A model's metadata. The first shape of its input is the one that needs no preparing."""
        info = self._model(name, version)
        return json_response(metadata(info, self._pool.models.versions(info.name)))

    async def config(self, request: Request, name: str, version: str = "") -> Response:
        """What Triton's own clients ask for beside the metadata."""
        info = self._model(name, version)
        shape = metadata(info, ())
        return json_response(
            {
                "name": info.name,
                "platform": shape["platform"],
                "backend": "tellapart",
                "max_batch_size": 0,
                "input": [_config(one) for one in shape["inputs"]],
                "output": [_config(one) for one in shape["outputs"]],
            }
        )

    async def index(self, request: Request) -> Response:
        await self._predictor.body(request)
        state = "READY" if self._pool.ready else "UNAVAILABLE"
        return json_response(
            [
                {"name": info.name, "version": str(info.version), "state": state, "reason": ""}
                for info in self._pool.models
            ]
        )

    async def load(self, request: Request, name: str) -> Response:
        """Load all bundles anew. Raises `RequestError` (403) for who may not."""
        if not self._gate.trusts(request):
            raise RequestError(
                "Models are loaded anew by whom the server trusts.",
                expected="the request over the Unix socket, or with a token",
                do="Ask so, or send the server SIGHUP.",
                status=403,
            )
        self._model(name, "")
        await self._predictor.body(request)
        try:
            await self._reload()
        except TellapartError:
            # What was wrong is in the log: it may name paths of this machine.
            raise RequestError(
                "The bundles cannot be loaded.",
                expected="bundles that are whole",
                do="Look into the server's log; the models that were there go on answering.",
                status=409,
            ) from None
        return json_response({})

    async def unload(self, request: Request, name: str) -> Response:
        self._model(name, "")
        raise RequestError(
            "Models are not unloaded one by one.",
            expected="a server that is started with the bundles to serve",
            do="Start it with fewer bundles.",
            status=400,
        )

    async def infer(self, request: Request, name: str, version: str = "") -> Response:
        """Answer tensors with tensors. Raises `TellapartError`."""
        info = self._model(name, version)
        request.model = info.name
        self._predictor.begin()
        data = await self._predictor.body(request)
        deadline = self._predictor.deadline()
        # Other bundles may have been loaded while the body came. From here on nothing is awaited
        # until the jobs are with the pool.
        info = self._model(name, version)
        head, tail = _parted(data, request)
        del data
        asked = bodies.parse(head, _MOST_MARKS)
        if not isinstance(asked, dict):
            raise tensors.malformed("The request is no JSON object.", 'an object with "inputs"')
        most = self._predictor.options.max_pictures
        kind, payloads = tensors.read_input(info, asked.get("inputs"), tail, most)
        outputs = tensors.read_outputs(info, asked)
        raw = tuple(dict.fromkeys(one.name for one in outputs if one.name in info.outputs))
        jobs = []
        for payload in payloads:
            job = self._predictor.job(info, request, kind, False, deadline)
            job.payload, job.outputs = payload, raw
            jobs.append(job)
        found = await self._predictor.ask(request, jobs)
        told = good(found)
        return _answered(told[0].info or info, asked.get("id"), told, outputs)

    def _model(self, name: str, version: str) -> ModelInfo:
        return self._pool.models.find(name, number(version) if version else None)


def metadata(info: ModelInfo, versions: tuple[int, ...]) -> dict[str, Any]:
    """A model's metadata, in the protocol's shape."""
    if info.kind == "picture":
        inputs = [{"name": info.input, "datatype": "BYTES", "shape": [-1]}]
    else:
        inputs = [{"name": info.input, "datatype": "FP32", "shape": [-1, *info.shape]}]
    outputs: list[dict[str, Any]] = [{"name": "label", "datatype": "BYTES", "shape": [-1]}]
    for name, (dtype, shape) in info.outputs.items():
        known = tensors.DATATYPES.get(dtype, "FP32")
        outputs.append({"name": name, "datatype": known, "shape": [-1, *shape]})
    return {
        "name": info.name,
        "versions": [str(version) for version in versions],
        "platform": "tellapart_onnx",
        "inputs": inputs,
        "outputs": outputs,
    }


def problem(error: TellapartError) -> Response:
    """An error in the protocol's shape: one text."""
    text = f"{error.what} Expected: {error.expected}. {error.do}"
    return Response(error.http_status, encode({"error": text}), JSON, retry_header(error))


def _config(one: dict[str, Any]) -> dict[str, Any]:
    kind = "TYPE_STRING" if one["datatype"] == "BYTES" else f"TYPE_{one['datatype']}"
    return {"name": one["name"], "data_type": kind, "dims": one["shape"]}


def _parted(data: bytes, request: Request) -> tuple[bytes, memoryview]:
    """The JSON of a body and the binary data behind it."""
    text = request.headers.get(_HEADER_LENGTH)
    if text is None:
        return data, memoryview(b"")
    if not (text.isdigit() and len(text) < 12 and int(text) <= len(data)):
        raise tensors.malformed(
            f"The header Inference-Header-Content-Length is {text[:40].decode('latin-1')!r}.",
            "the length of the JSON, at most that of the body",
        )
    return data[: int(text)], memoryview(data)[int(text) :]


def good(found: list[Answer | TellapartError]) -> list[Answer]:
    """The answers, if all are; the protocol has no place for the error of one of many."""
    good = []
    for place, one in enumerate(found):
        if isinstance(one, TellapartError):
            raise one
        if one.error is not None:
            error = one.error
            which = f"Item {place} of {len(found)}: " if len(found) > 1 else ""
            failed = InputError(which + error["what"], expected=error["expected"], do=error["do"])
            failed.http_status = one.http_status
            raise failed
        good.append(one)
    return good


def _answered(info: ModelInfo, given: Any, found: list[Answer], outputs: list[Output]) -> Response:
    described: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for output in outputs:
        shape, data = tensors.write_output(info, found, output)
        described.append(shape)
        if data is not None:
            binary.append(data)
    answer: dict[str, Any] = {
        "model_name": info.name,
        "model_version": str(info.version),
        "outputs": described,
    }
    if isinstance(given, str):
        answer["id"] = given
    head = encode(answer)
    if not binary:
        return Response(200, head)
    length = ((_HEADER_LENGTH, b"%d" % len(head)),)
    return Response(200, b"".join((head, *binary)), _BINARY, length)
