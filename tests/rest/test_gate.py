"""The gate: foreign hosts, foreign pages, sessions and their tokens, bodies, headers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tellapart.rest.gate import MOST_BODY, Gate
from tellapart.runtime.entrance import Access
from tellapart.settings import Settings
from tests.rest.conftest import PASSWORD, Served, join, serving


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A single-user server."""
    with serving(Settings(home=tmp_path_factory.mktemp("alone")), single_user=True) as running:
        yield running


@pytest.fixture
def ada(served: Served) -> Iterator[httpx.Client]:
    with contextlib.closing(served.browser("ada")) as client:
        yield client


RECIPE = {"recipe": {"classes": ["x", "y"]}}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_is_not_ours_is_answered_nothing(alone: Served, host: str) -> None:
    """A page of evil.example whose name leads to 127.0.0.1 is in the same place as we are."""
    with alone.client() as client:
        for path in ("/api/v1/projects", "/openapi.json", "/assets/app.js", "/nowhere"):
            answer = client.get(path, headers={"Host": host})
            assert answer.status_code in (400, 421), answer.text
            assert "items" not in answer.text
        port = urlsplit(alone.url).port
        ours = client.get("/api/v1/projects", headers={"Host": f"LOCALHOST:{port}"})
        assert ours.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_page_changes_nothing(
    alone: Served, ada: httpx.Client, headers: dict[str, str]
) -> None:
    with alone.client() as client:
        assert client.post("/api/v1/recipes/check", json=RECIPE).status_code == 200
        assert client.post("/api/v1/recipes/check", json=RECIPE, headers=headers).status_code == 403
        assert client.get("/stop-model?model_name=x", headers=headers).status_code == 403
    ada.headers.pop("Origin")
    assert ada.post("/api/v1/recipes/check", json=RECIPE).status_code == 200
    assert ada.post("/api/v1/recipes/check", json=RECIPE, headers=headers).status_code == 403
    wrong = ada.post(
        "/api/v1/sessions", json={"name": "ada", "password": PASSWORD}, headers=headers
    )
    assert wrong.status_code == 403  # nobody is logged in under another's name


def test_forms_of_foreign_pages_are_no_json(alone: Served) -> None:
    with alone.client() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            text = json.dumps(RECIPE)
            answer = client.post("/api/v1/projects", content=text, headers={"Content-Type": kind})
            assert answer.status_code == 422


def test_a_session_changes_nothing_without_its_token(served: Served, ada: httpx.Client) -> None:
    good = ada.headers.pop("X-CSRF-Token")
    assert ada.get("/api/v1/projects").status_code == 200
    assert ada.post("/api/v1/recipes/check", json=RECIPE).status_code == 403
    with contextlib.closing(served.browser("eve")) as eve:
        other = eve.headers["X-CSRF-Token"]
    for given in (other, "", good[:-1], "ä"):
        answer = ada.post(
            "/api/v1/recipes/check", json=RECIPE, headers={"X-CSRF-Token": given.encode()}
        )
        assert answer.status_code == 403
    answer = ada.post("/api/v1/recipes/check", json=RECIPE, headers={"X-CSRF-Token": good})
    assert answer.status_code == 200


def test_the_session_cookie_is_guarded_and_ends(served: Served) -> None:
    with contextlib.closing(served.browser("ada")) as client:
        before = client.cookies.get("tellapart_session")
        known = client.get("/api/v1/session").json()
        assert known["account"]["name"] == "ada" and known["via"] == "session"
        again = client.post("/api/v1/sessions", json={"name": "ada", "password": PASSWORD})
        cookie = again.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie
        assert client.cookies.get("tellapart_session") != before  # rotated at log-in
        client.headers["X-CSRF-Token"] = again.json()["csrf"]
        last = client.cookies.get("tellapart_session")
        assert client.delete("/api/v1/sessions/current").status_code == 204
    with served.client() as stranger:
        for cookie in (before, last, "nonsense", "a" * 5000):
            headers = {"Cookie": f"tellapart_session={cookie}"}
            assert stranger.get("/api/v1/projects", headers=headers).status_code == 401
        wrong = stranger.post("/api/v1/sessions", json={"name": "ada", "password": "wrong"})
        unknown = stranger.post("/api/v1/sessions", json={"name": "nobody", "password": "wrong"})
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.json() == unknown.json()


def test_two_cookies_of_one_name_let_nobody_in(served: Served, ada: httpx.Client) -> None:
    cookie = ada.cookies.get("tellapart_session")
    with served.client() as client:
        headers = {"Cookie": f"tellapart_session={cookie}; tellapart_session=planted"}
        assert client.get("/api/v1/projects", headers=headers).status_code == 401


def test_a_bad_token_is_not_made_good_by_a_cookie(ada: httpx.Client) -> None:
    headers = {"Authorization": "Bearer ta_nonsense"}
    answer = ada.get("/api/v1/projects", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_bodies_are_limited(served: Served) -> None:
    with served.client("ada") as client:
        large = client.post("/api/v1/projects", content=b" " * (MOST_BODY + 1))
        assert large.status_code == 413
        pieces = (b" " * 2**20 for _ in range(MOST_BODY // 2**20 + 2))
        try:
            dripped = client.post("/api/v1/projects", content=pieces).status_code
        except (httpx.WriteError, httpx.ReadError):  # the answer came before all was sent
            dripped = 413
        assert dripped == 413
    with served.client() as stranger:
        assert stranger.post("/api/v1/sessions", content=b" " * 100_000).status_code == 413
    deep = b'{"recipe":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with served.client("ada") as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/api/v1/projects", content=deep, headers=headers)
        assert answer.status_code in (400, 422)


def test_every_answer_has_the_headers_browsers_obey(served: Served) -> None:
    with served.client() as client:
        for path in ("/api/v1/session", "/api/v1/projects", "/nowhere", "/openapi.json", "/api"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "same-origin"
        assert client.get("/api/v1/session").headers["cache-control"] == "no-store"
        page = client.get("/api").text
        assert "<script" not in page and "src=" not in page
        assert re.findall(r'href="([^"]*)"', page) == ["/openapi.json"]


def test_errors_have_one_shape(served: Served) -> None:
    with served.client("ada") as client:
        answers = [
            client.get("/nowhere"),
            client.put("/api/v1/projects"),
            client.post("/api/v1/projects", content=b"{"),
            client.post("/api/v1/projects", json={"recipe": {"classes": ["one"], "seeds": 1}}),
            client.get("/api/v1/projects", params={"limit": 0}),
            client.get("/api/v1/projects/no such"),
            client.get("/api/v1/runs/nonsense"),
        ]
    assert [answer.status_code for answer in answers] == [404, 405, 422, 422, 422, 404, 422]
    for answer in answers:
        assert set(answer.json()["error"]) >= {"code", "what", "expected", "do"}, answer.text
    problems = answers[3].json()["error"]["problems"]
    assert {problem["path"] for problem in problems} >= {"classes", "seeds"}
    assert [one["path"] for one in answers[4].json()["error"]["problems"]] == ["query.limit"]


def test_requests_that_are_no_http_end_in_no_traceback(served: Served) -> None:
    parts = urlsplit(served.url)
    assert parts.hostname is not None
    for raw in (
        b"GET /api/v1/projects HTTP/1.1\r\n\r\n",
        b"GET /api/v1/projects HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/v1/projects HTTP/1.1\r\nHost: %b\r\nContent-Length: -4\r\n\r\n"
        % parts.netloc.encode(),
        b"GET /%%ff%%fe%%00 HTTP/1.1\r\nHost: %b\r\n\r\n" % parts.netloc.encode(),
    ):
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as line:
            line.sendall(raw)
            answer = http.client.HTTPResponse(line)
            answer.begin()
            assert 400 <= answer.status < 500


def test_behind_a_proxy_its_own_last_word_counts(tmp_path: Path) -> None:
    """The proxy adds the client's address; what the client wrote before it is a tale."""
    access = Access(hosts=frozenset(("classes.example",)), secure=True, behind_proxy=True)
    with serving(Settings(home=tmp_path), access=access) as running:
        join(running, "ada")
        forwarded = {
            "Host": "classes.example",
            "Origin": "https://classes.example",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "1.2.3.4, 203.0.113.7",
        }
        body = {"name": "ada", "password": PASSWORD}
        with running.client() as client:
            client.headers.update(forwarded)
            answer = client.post("/api/v1/sessions", json=body)
            assert answer.status_code == 201
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-") and "secure" in cookie.lower()
            assert answer.headers["strict-transport-security"]
            client.headers["Origin"] = "http://classes.example"
            assert client.post("/api/v1/sessions", json=body).status_code == 403
            client.headers["Origin"] = "https://classes.example"
            # Tries from one address run out, whatever else the client says of where it is.
            wrong = {"name": "ada", "password": "wrong"}
            statuses = []
            for place in range(40):
                client.headers["X-Forwarded-For"] = f"10.0.0.{place}, 203.0.113.9"
                statuses.append(client.post("/api/v1/sessions", json=wrong).status_code)
                if statuses[-1] == 429:
                    break
            assert statuses[-1] == 429, statuses


def test_websockets_go_through_the_gate_too(alone: Served) -> None:
    """No handshake from foreign pages or for foreign names."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["state"]["visitor"].via == "single"
        await send({"type": "websocket.accept"})

    gate = Gate(page, desks=alone.desks, access=Access(hosts=frozenset(("127.0.0.1:8080",))))

    def knock(host: str, origin: str) -> str:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", host.encode()), (b"origin", origin.encode())]
        scope = {"type": "websocket", "scheme": "ws", "path": "/live", "headers": headers}
        asyncio.run(gate(scope, receive, send))
        return str(sent[0]["type"])

    assert knock("127.0.0.1:8080", "http://127.0.0.1:8080") == "websocket.accept"
    assert knock("127.0.0.1:8080", "https://evil.example") == "websocket.close"
    assert knock("127.0.0.1:8080", "null") == "websocket.close"
    assert knock("evil.example", "http://evil.example") == "websocket.close"


def test_strangers_whose_bodies_do_not_come_keep_nobody_waiting(tmp_path: Path) -> None:
    """Not even from many addresses: there are as many as one likes."""
    with serving(Settings(home=tmp_path)) as own:
        join(own, "ada")
        with own.client("ada") as ada:
            _wait_behind_strangers(own, ada)


def _wait_behind_strangers(own: Served, ada: httpx.Client) -> None:
    parts = urlsplit(own.url)
    head = (
        f"POST /api/v1/sessions HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: 60\r\n\r\n{"
    )
    with contextlib.ExitStack() as lines:
        for at in range(80):
            line = lines.enter_context(socket.socket())
            try:
                line.bind((f"127.0.1.{1 + at}", 0))
            except OSError:
                pytest.skip("this system has one loopback address only")
            line.connect((parts.hostname, parts.port))
            line.sendall(head.encode())
        for _ in range(3):
            assert ada.get("/api/v1/projects", timeout=15).status_code == 200
            assert ada.post("/api/v1/recipes/check", json=RECIPE, timeout=15).status_code == 200
    # They have gone without an answer, and keep no turn.
    assert ada.get("/api/v1/projects", timeout=15).status_code == 200


def test_a_stranger_is_never_taken_for_an_account(served: Served) -> None:
    """Whatever a proxy that hands on the client's own words says of its address."""
    seen = served.desks.visitor
    known = served.people["ada"].id
    assert seen(address=known).key != known
    assert seen(address=known, bearer="ta_wrong").key != known
    assert seen(address="2001:db8::1").key == seen(address="2001:db8::ffff:2").key
    assert seen(address="2001:db8::1").key != seen(address="2001:db8:0:1::1").key


def test_a_proxy_nobody_told_of_opens_no_single_users_server(alone: Served, served: Served) -> None:
    """It would let everybody in whom it serves; its requests name our own host."""
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    with alone.client() as client:
        assert client.get("/api/v1/projects").status_code == 200
        for path in ("/api/v1/projects", "/", "/openapi.json"):
            answer = client.get(path, headers=forwarded)
            assert answer.status_code == 403 and "--behind-proxy" in answer.text
    with served.client("ada") as client:
        assert client.get("/api/v1/projects", headers=forwarded).status_code == 200
