"""Every route as nobody, with a revoked token, without the scope, and as somebody else.

The table says what each route needs; a route that is not in it fails the test, so that none is
added without a thought of who may use it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tellapart import rest
from tellapart.deck import Deck
from tellapart.runtime.entrance import Access
from tests.rest.conftest import Served, draw, make, upload

#: Routes for everybody: log-in and what leads there, links signed by us, documents, health.
OPEN = {
    ("GET", "/"),  # the older app's greeting; to browsers the start page, which is the pages'
    ("HEAD", "/"),
    ("GET", "/api"),
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/session"),
    ("POST", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/current"),
    ("POST", "/api/v1/accounts"),
    ("POST", "/api/v1/accounts/first"),
    ("POST", "/api/v1/accounts/confirm"),
    ("POST", "/api/v1/accounts/forgot"),
    ("POST", "/api/v1/accounts/reset"),
    ("GET", "/d/{link}"),
    ("HEAD", "/d/{link}"),
}
#: Routes that need a session, and refuse tokens.
IN_PERSON = {
    ("DELETE", "/api/v1/sessions"),
    ("PUT", "/api/v1/me/password"),
    ("PUT", "/api/v1/me/email"),
    ("DELETE", "/api/v1/me"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/{id}"),
}
ADMIN = {
    ("GET", "/api/v1/accounts"),
    ("PATCH", "/api/v1/accounts/{id}"),
    ("GET", "/api/v1/server"),
    ("PATCH", "/api/v1/server"),
}
#: A body that is as described, for those that take one.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/v1/projects"): {"recipe": {"classes": ["x", "y"]}},
    ("POST", "/api/v1/recipes/check"): {"recipe": {"classes": ["x", "y"]}},
    ("PATCH", "/api/v1/projects/{project}"): {"per_class": 5},
    ("POST", "/api/v1/runs"): {"project": "fruit"},
    ("POST", "/api/v1/projects/{project}/pictures/overrule"): {"ids": ["PICTURE"], "keep": True},
    ("POST", "/api/v1/projects/{project}/pictures/relabel"): {"ids": ["PICTURE"], "label": "apple"},
    ("POST", "/api/v1/projects/{project}/groups/{id}/overrule"): {"keep": None},
    ("POST", "/api/v1/projects/{project}/thresholds"): {"thresholds": {"min_side": 20}},
    ("POST", "/api/v1/projects/{project}/curation/diff"): {"after": {"min_side": 20}},
    ("POST", "/api/v1/projects/{project}/curation/acts"): {"verb": "keep", "ids": ["PICTURE"]},
    ("POST", "/api/v1/projects/{project}/curation/acts/undo"): {},
    ("POST", "/api/v1/projects/{project}/curation/acts/redo"): {},
    ("POST", "/api/v1/projects/{project}/curation/queries"): {"label": "apple", "query": "fruit"},
    ("PUT", "/api/v1/me/password"): {"password": "a", "new": "b"},
    ("PUT", "/api/v1/me/email"): {"email": "x@example.org", "password": "a"},
    ("DELETE", "/api/v1/me"): {"password": "a"},
    ("POST", "/api/v1/tokens"): {"name": "mine", "scopes": ["read"]},
    ("PATCH", "/api/v1/accounts/{id}"): {"closed": False},
    ("PATCH", "/api/v1/server"): {},
    ("POST", "/api/v1/decks"): {"name": "mine", "source": "nosuch"},
    ("PATCH", "/api/v1/decks/{deck}"): {"title": "Mine"},
    ("PUT", "/api/v1/decks/{deck}/credentials/{secret}"): {"value": "x"},
    ("PUT", "/api/v1/decks/{deck}/policy"): {"policy": {}},
    ("POST", "/api/v1/decks/{deck}/candidates/{candidate}/label"): {"label": "like"},
    ("POST", "/api/v1/decks/{deck}/candidates/{candidate}/correct"): {"label": "like"},
    ("POST", "/inference/"): {"url": "https://example.org/x.jpg"},
    ("POST", "/inference"): {"url": "https://example.org/x.jpg"},
}
#: Routes about nothing of anybody's: to somebody else they answer about their own.
OWN = re.compile(
    r"^/api/v1/(projects|recipes/check|runs|me|me/export|tokens|uploads|sessions)$"
    r"|^/api/v1/decks(/sources)?$"
    r"|^/(make-model|get-all|picaisso/?|picassio/?)$"
)


@dataclass(frozen=True)
class Route:
    method: str
    path: str

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path


def _routes() -> list[Route]:
    app = rest.build(None, Access())  # type: ignore[arg-type]
    found: dict[Route, None] = {}

    for route in app.routes:
        inner = getattr(route, "effective_route_contexts", None)  # of an included router
        for each in (route,) if inner is None else inner():
            path = re.sub(r":\w+\}", "}", each.path)
            for method in sorted(each.methods or ()):
                if path != "/openapi.json":
                    found[Route(method, path)] = None
    for path, methods in app.openapi()["paths"].items():
        for method in methods:  # whatever way it is included, what is described is there
            found[Route(method.upper(), path)] = None
    return list(found)


ROUTES = _routes()
GUARDED = [route for route in ROUTES if route.key not in OPEN]


@pytest.fixture(scope="module")
def facts(served: Served) -> Iterator[dict[str, str]]:
    """Names and ids of ada's things."""
    desk = served.desks.of(served.people["ada"])
    run = desk.submit(project="fruit")
    yield {
        "project": "fruit",
        "picture": desk.pictures("fruit").items[0].id,
        "run": run.id,
        "token": served.desks.accounts.tokens.of(served.people["ada"])[0].id,
        "account": served.people["ada"].id,
        "deck": "stream",
        "candidate": _stream(served),
    }


def _stream(served: Served) -> str:
    """A deck of ada's called so, that has seen one candidate: its id."""
    desk = served.desks.of(served.people["ada"])
    folder = draw(upload(desk.uploads, "stream"), {"one": 1})
    desk.deck_add("stream", "folder", {"path": str(folder)}, people=False)
    desk.deck_mode("stream", "dry")
    Deck.open(desk.engine, desk.settings, "stream").turn(1)
    return desk.deck_results("stream").items[0].id


def _address(path: str, facts: dict[str, str]) -> str:
    kinds = {"runs": "run", "tokens": "token", "accounts": "account", "pictures": "picture"}
    kinds |= {"groups": "picture"}
    kind = re.search(r"/(\w+)/\{id\}", path)
    id = facts.get(kinds.get(kind[1], ""), "up_0123456789abcdef") if kind else ""
    values = {
        "project": facts["project"],
        "id": id,
        "version": "1",
        "kind": "onnx",
        "name": "confusion.png",
        "link": "nonsense",
        "path": "apple/1.jpg",
        "deck": facts["deck"],
        "candidate": facts["candidate"],
        "position": "0",
        "secret": "token",
        "key": "0123456789ab",
    }
    filled = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)
    extra = {"/api/v1/projects/{project}/compare": "?first=1&second=1"}
    extra |= {"/check-model": "?model_name=fruit", "/get-model": "?model_name=fruit"}
    extra |= {"/stop-model": "?model_name=fruit", "/picaisso/dataset": "?name=fruit"}
    extra |= {"/picaisso/model": "?name=fruit"}
    extra |= {"/api/v1/projects/{project}/pictures": "?label=apple"}
    return filled + extra.get(path, "")


def _ask(client: httpx.Client, route: Route, facts: dict[str, str]) -> httpx.Response:
    body = BODIES.get(route.key)
    if isinstance(body, dict) and body.get("ids"):
        body = {**body, "ids": [facts["picture"]]}
    more: dict[str, Any] = {"json": body} if body is not None else {}
    return client.request(route.method, _address(route.path, facts), **more)


def _ids(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_the_tables_name_routes_that_are_there() -> None:
    known = {route.key for route in ROUTES}
    assert {*OPEN, *IN_PERSON, *ADMIN, *BODIES} <= known


@pytest.mark.parametrize("route", GUARDED, ids=_ids)
def test_nobody_and_revoked_tokens_are_let_in_nowhere(
    route: Route, clients: dict[str, httpx.Client], facts: dict[str, str]
) -> None:
    for who in ("nobody", "revoked", "expired"):
        answer = _ask(clients[who], route, facts)
        assert answer.status_code == 401, f"{who}: {answer.text}"
        assert "fruit" not in answer.text
        if route.method != "HEAD":
            assert set(answer.json()["error"]) >= {"code", "what", "expected", "do"}


@pytest.mark.parametrize("route", GUARDED, ids=_ids)
def test_a_token_without_the_scope_is_refused(
    route: Route, clients: dict[str, httpx.Client], facts: dict[str, str]
) -> None:
    # Tokens of eve's, for one thing each: nothing of ada's is at stake.
    statuses = [
        _ask(clients[one], route, facts).status_code for one in ("read", "write", "predict")
    ]
    assert statuses.count(403) >= 2, statuses


@pytest.fixture(scope="module")
def clients(served: Served) -> Iterator[dict[str, httpx.Client]]:
    """Clients with all kinds of tokens, and with none."""
    tokens, ada, eve = served.desks.accounts.tokens, served.people["ada"], served.people["eve"]
    scopes = ["read", "write", "predict"]
    revoked = tokens.create(ada, "to be revoked", scopes)
    expired = tokens.create(ada, "to expire", scopes, 0.001)
    with contextlib.ExitStack() as stack:
        made = {"nobody": served.client(), "eve": served.client("eve")}
        made["revoked"] = served.client(token=revoked)
        made["expired"] = served.client(token=expired)
        made |= {one: served.client(token=tokens.create(eve, one, [one])) for one in scopes}
        for client in made.values():
            stack.enter_context(client)
        assert made["revoked"].get("/api/v1/me").status_code == 200
        for token in tokens.of(ada):
            if token.name == "to be revoked":
                tokens.revoke(ada, token.id)
        yield made


@pytest.mark.parametrize("route", GUARDED, ids=_ids)
def test_somebody_else_finds_nothing_of_mine(
    route: Route, served: Served, clients: dict[str, httpx.Client], facts: dict[str, str]
) -> None:
    answer = _ask(clients["eve"], route, facts)
    said = answer.text if "application/zip" not in answer.headers.get("content-type", "") else ""
    assert served.people["ada"].id not in said.replace(route.path, "")
    assert "ada@example.org" not in said
    if route.key in ADMIN | IN_PERSON:
        assert answer.status_code == 403, said
    elif OWN.match(route.path):
        assert answer.status_code < 500, said
    else:
        assert answer.status_code == 404, f"{answer.status_code}: {said}"


def test_the_other_one_sees_the_same_for_mine_and_for_nothing(
    served: Served, facts: dict[str, str]
) -> None:
    """What is another's and what is not there at all answer word for word alike."""
    with served.client("eve") as client:
        for mine, nothing in (
            (facts["project"], "nosuch"),
            (facts["run"], "r_00000000000000000000"),
        ):
            kind = "projects" if mine == "fruit" else "runs"
            answers = [client.get(f"/api/v1/{kind}/{one}").text for one in (mine, nothing)]
            assert answers[0].replace(mine, "*") == answers[1].replace(nothing, "*")


def test_a_project_of_the_same_name_is_another_one(served: Served) -> None:
    make(served, "eve", "veg")
    make(served, "kim", "veg")
    with served.client("eve") as eve, served.client("kim") as kim:
        ours, theirs = (c.get("/api/v1/projects/veg/pictures").json() for c in (eve, kim))
        assert ours["total"] == theirs["total"] == 24
        mine = {row["id"] for row in ours["items"]}
        assert not mine & {row["id"] for row in theirs["items"]}
        id = sorted(mine)[0]
        assert kim.get(f"/api/v1/projects/veg/pictures/{id}").status_code == 404
        body = {"ids": [id], "keep": False}
        assert kim.post("/api/v1/projects/veg/pictures/overrule", json=body).status_code == 404
        assert eve.get("/api/v1/projects/veg/counts").json()["kept"] == 24
