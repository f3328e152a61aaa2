"""The OpenAPI document: whatever it allows to be sent, no answer is a server's failure.

Generated requests, few of each route: hostile texts, numbers at their limits, wrong kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from tellapart import rest
from tellapart.runtime.entrance import Access
from tellapart.settings import Settings
from tests.rest.conftest import Served, join, serving

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: [dev]")

#: What may be said of a server that cannot do it now: no model is loaded here, no mail is set up.
_NOT_NOW = {501, 503}
DOCUMENT = rest.build(None, Access()).openapi()  # type: ignore[arg-type]
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
_few = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def zoe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, httpx.Client]]:
    """Somebody with every right, on a server of her own."""
    with serving(Settings(home=tmp_path_factory.mktemp("home"))) as running:
        join(running, "zoe", "admin")
        with running.client("zoe") as client:
            client.post("/api/v1/runs", json={"recipe": {"classes": ["a", "b"]}})
            yield running, client


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_no_request_that_is_as_described_fails_the_server(
    operation: Any, zoe: tuple[Served, httpx.Client]
) -> None:
    served, client = zoe

    @_few
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        headers = {"Authorization": client.headers["Authorization"]}
        answer = case.call(base_url=served.url, headers=headers, cookies={}, timeout=30)
        assert answer.status_code < 500 or answer.status_code in _NOT_NOW, answer.text
        if answer.status_code >= 400 and case.method != "HEAD":
            assert set(answer.json()["error"]) >= {"code", "what", "expected", "do"}
        operation.validate_response(answer)

    send()


def test_every_route_says_what_it_does() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            assert told.get("description"), f"{method} {path}"
            assert told.get("tags"), f"{method} {path}"
