"""What the server tells of itself: health, models, figures, its page and its description."""

from __future__ import annotations

from tellapart.serving import openapi, page
from tellapart.serving.metrics import Exporter
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.serving.request import TEXT, Request, Response, json_response


class About:
    """The routes that answer without a picture."""

    def __init__(self, pool: Pool, options: Options, exporter: Exporter) -> None:
        self._pool = pool
        self._options = options
        self._exporter = exporter

    async def health(self, request: Request) -> Response:
        """200 while the event loop lives. Label Studio reads `status`."""
        models = [
            {"name": info.name, "version": info.version, "kind": info.kind}
            for info in self._pool.models
        ]
        return json_response(
            {
                "status": "UP",
                "ready": self._pool.ready,
                "token": bool(self._options.tokens),
                "models": models,
            }
        )

    async def models(self, request: Request) -> Response:
        """What each model answers, and from what."""
        request.query()
        found = [
            {
                "name": info.name,
                "version": info.version,
                "kind": info.kind,
                "labels": info.labels,
                "size": info.shape[:2] if info.kind == "picture" else None,
                "columns": info.columns if info.kind == "row" else None,
                "outputs": list(info.outputs),
                "min_familiarity": info.min_familiarity,
                "min_probability": info.min_probability,
                "finished": info.finished,
                "runs_on": dict(info.runs_on),
            }
            for info in self._pool.models
        ]
        return json_response({"models": found})

    async def ready(self, request: Request) -> Response:
        return json_response({"ready": self._pool.ready}, 200 if self._pool.ready else 503)

    async def metrics(self, request: Request) -> Response:
        kind = b"text/plain; version=0.0.4; charset=utf-8"
        return Response(200, self._exporter.text(), kind)

    async def openapi(self, request: Request) -> Response:
        return json_response(openapi.document(self._options))

    async def docs(self, request: Request) -> Response:
        return page.response()

    async def root(self, request: Request) -> Response:
        return Response(307, b"", TEXT, ((b"location", b"/docs"),))
