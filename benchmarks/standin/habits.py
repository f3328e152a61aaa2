"""How the stand-in service misbehaves."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.standin.wire import Asked, written

Reply = tuple[int, Any]
#: What `tell` takes: instead of the right answer the service …
FAULTS = {
    "token_dead": "says 401",
    "forbidden": "says 403",
    "rate_limited": "says 429 with Retry-After",
    "rate_limited_words": "says RATE_LIMITED with status 200",
    "rate_limited_id": "offers a candidate whose id says that there are too many requests",
    "exhausted": "has no more candidates, or no more likes",
    "error": "says 500 and echoes the request's headers",
    "gone": "says 404",
    "garbage": "says 200 and sends a page that echoes the request's headers",
    "empty": "says 200 and sends nothing",
    "schema": "sends JSON of another shape",
    "redirect": "sends the client elsewhere",
    "half": "cuts the connection amid its answer",
    "drop": "cuts the connection instead of an answer",
    "hang": "never answers",
    "slow": "answers rightly, after `seconds`",
}
_STATUS = {"token_dead": 401, "forbidden": 403, "rate_limited": 429, "gone": 404, "error": 500}
#: Faults that come from an entrance before the service: it does not do what it was asked, unless
#: `done` says that the entrance turned away the answer.
ENTRANCE = ("token_dead", "forbidden", "rate_limited")


@dataclass
class Fault:
    kind: str
    where: str
    times: int | None
    after: int
    done: bool
    seconds: float


class CutError(Exception):
    """End the connection after these bytes of the answer."""

    def __init__(self, sent: bytes = b"") -> None:
        super().__init__("cut")
        self.sent = sent


async def misbehave(
    fault: Fault, right: Reply, asked: Asked, where: str, over: asyncio.Event
) -> Reply:
    """What the service answers instead of `right`. Raises `CutError`."""
    kind = fault.kind
    if kind in _STATUS:
        return _STATUS[kind], f"no; you sent {dict(asked.headers)}".encode()
    if kind == "drop":
        raise CutError
    if kind == "half":
        raise CutError(written(*right)[:-1])
    if kind == "hang":
        await over.wait()
        raise CutError
    if kind == "slow":
        await asyncio.sleep(fault.seconds)
        return right
    if kind == "garbage":
        return 200, f"<html><body>{dict(asked.headers)}</body></html>".encode()
    if kind == "empty":
        return 200, b""
    if kind == "redirect":
        return 302, b""
    if kind == "schema":
        return 200, {"v3": {"items": [{"uid": 7, "media": []}]}}
    if kind == "rate_limited_words":
        return 200, {"meta": {"status": 200}, "error": "RATE_LIMITED"}
    if asked.path.startswith("/deck/v1/") and where == "act":
        return 409, {"error": "exhausted", "retry_after": 3600, "likes_left": 0}
    return 200, _exhausted(kind, where, asked)


def _exhausted(kind: str, where: str, asked: Asked) -> Any:
    if kind == "rate_limited_id":
        user = {"_id": "tinder_rate_limited_id_1", "name": "Tinder", "photos": []}
        return {"meta": {"status": 200}, "data": {"results": [{"type": "user", "user": user}]}}
    if asked.path.startswith("/deck/v1/"):
        return {"candidates": [], "next": None}
    if where == "act":
        until = int((time.time() + 3600) * 1000)
        return {"match": False, "likes_remaining": 0, "rate_limited_until": until}
    return {"meta": {"status": 200}, "data": {"message": "recs exhausted"}}
