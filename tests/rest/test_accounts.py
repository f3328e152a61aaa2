"""Accounts over REST: becoming somebody, tokens, my data taken along and deleted, the keeper's."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tellapart.errors import RequestError
from tellapart.rest import idempotency
from tellapart.runtime.entrance import Visitor
from tellapart.settings import Settings
from tests.rest.conftest import PASSWORD, Served, draw, join, serving, upload

NEW = "another long pass phrase 9"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with accounts and no projects."""
    with serving(Settings(home=tmp_path_factory.mktemp("home"))) as running:
        join(running, "kim", "admin")
        join(running, "ada")
        yield running


@pytest.fixture
def ada(served: Served) -> Iterator[httpx.Client]:
    with contextlib.closing(served.browser("ada")) as client:
        yield client


@pytest.fixture
def kim(served: Served) -> Iterator[httpx.Client]:
    with served.client("kim") as client:
        yield client


def test_the_first_admin_has_the_link_of_the_terminal(tmp_path: Any) -> None:
    with serving(Settings(home=tmp_path)) as fresh, fresh.client() as client:
        link = fresh.desks.accounts.first_admin_link()
        assert link is not None
        body = {"name": "kim", "email": "kim@example.org", "password": PASSWORD}
        url = "/api/v1/accounts/first"
        assert client.post(url, json={**body, "token": "guessed"}).status_code == 403
        token = link.rpartition("/")[2]
        weak = client.post(url, json={**body, "token": token, "password": "short"})
        assert weak.status_code == 422
        made = client.post(url, json={**body, "token": token})
        assert made.status_code == 201 and made.json()["account"]["role"] == "admin"
        assert client.get("/api/v1/me").json()["account"]["name"] == "kim"
        again = {**body, "name": "tom", "email": "tom@example.org", "token": token}
        assert client.post(url, json=again).status_code in (403, 410)


def test_sign_up_is_closed_until_the_keeper_opens_it(served: Served, kim: httpx.Client) -> None:
    body = {"name": "new", "email": "new@example.org", "password": PASSWORD}
    with served.client() as stranger:
        assert stranger.post("/api/v1/accounts", json=body).status_code == 403
        assert stranger.get("/api/v1/session").json()["sign_up_open"] is False
        assert kim.patch("/api/v1/server", json={"sign_up_open": True}).status_code == 200
        asked = stranger.post("/api/v1/accounts", json=body)
        other = {**body, "name": "other", "email": "ada@example.org"}
        taken = stranger.post("/api/v1/accounts", json=other)
        # Whether an address has an account is nobody's business.
        assert asked.status_code == taken.status_code == 202 and asked.text == taken.text
        log_in = {"name": "new", "password": PASSWORD}
        assert stranger.post("/api/v1/sessions", json=log_in).status_code == 401  # not confirmed
        account = next(a for a in kim.get("/api/v1/accounts").json()["items"] if a["name"] == "new")
        kim.patch(f"/api/v1/accounts/{account['id']}", json={"confirmed": True})
        assert stranger.post("/api/v1/sessions", json=log_in).status_code == 201
    kim.patch("/api/v1/server", json={"sign_up_open": False})


def test_tokens_are_told_once_and_end_at_once(served: Served, ada: httpx.Client) -> None:
    made = ada.post("/api/v1/tokens", json={"name": "laptop", "scopes": ["read"], "days": 1})
    plain = made.json()["token"]
    listed = ada.get("/api/v1/tokens").json()["items"]
    mine = next(one for one in listed if one["name"] == "laptop")
    assert plain not in json.dumps(listed) and plain.endswith(mine["hint"])
    with served.client(token=plain) as program:
        assert program.get("/api/v1/projects").status_code == 200
        assert program.post("/api/v1/recipes/check", json={"recipe": {}}).status_code == 422
        assert program.post("/api/v1/projects", json={"recipe": {}}).status_code == 403
        assert ada.delete(f"/api/v1/tokens/{mine['id']}").status_code == 204
        assert program.get("/api/v1/projects").status_code == 401
    admin = ada.post("/api/v1/tokens", json={"name": "more", "scopes": ["admin"]})
    assert admin.status_code == 422


def test_a_changed_password_ends_other_sessions(served: Served, ada: httpx.Client) -> None:
    with contextlib.closing(served.browser("ada")) as other:
        wrong = ada.put("/api/v1/me/password", json={"password": "wrong", "new": NEW})
        assert wrong.status_code == 401
        changed = ada.put("/api/v1/me/password", json={"password": PASSWORD, "new": NEW})
        assert changed.status_code == 200
        ada.headers["X-CSRF-Token"] = changed.json()["csrf"]
        assert ada.get("/api/v1/me").status_code == 200
        assert other.get("/api/v1/me").status_code == 401
    back = ada.put("/api/v1/me/password", json={"password": NEW, "new": PASSWORD})
    assert back.status_code == 200


def test_forgetting_tells_nothing(served: Served) -> None:
    with served.client() as stranger:
        answers = [
            stranger.post("/api/v1/accounts/forgot", json={"name": name})
            for name in ("ada", "nobody", "ada@example.org")
        ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}


def test_a_closed_account_is_let_in_nowhere(served: Served, kim: httpx.Client) -> None:
    join(served, "tim")
    with contextlib.closing(served.browser("tim")) as browser, served.client("tim") as program:
        url = f"/api/v1/accounts/{served.people['tim'].id}"
        assert kim.patch(url, json={"closed": True}).json()["closed"] is True
        assert browser.get("/api/v1/me").status_code == 401
        assert program.get("/api/v1/me").status_code == 401
        kim.patch(url, json={"closed": False, "quota": {"pictures": 7}})
        assert program.get("/api/v1/me").json()["account"]["quota"]["pictures"] == 7
        assert kim.patch(url, json={"quota": {"account": 1}}).status_code == 422
        wrong = kim.patch(url, json={"quota": {"pictures": -1}})
        assert wrong.status_code == 422
    last = kim.patch(f"/api/v1/accounts/{served.people['kim'].id}", json={"role": "user"})
    assert last.status_code == 422  # the last admin stays one


def test_i_take_my_data_along_and_delete_them(served: Served) -> None:
    join(served, "liv")
    desk = served.desks.of(served.people["liv"])
    data = draw(upload(desk.uploads, "mine"), {"a": 2, "b": 2})
    with contextlib.closing(served.browser("liv")) as liv:
        made = desk.create_project({"name": "mine", "data": str(data)})
        assert made.recipe["data"] == f"upload:{data.name}"
        desk.open("mine").collect()
        liv.post("/api/v1/runs", json={"project": "mine"})
        answer = liv.get("/api/v1/me/export")
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        names = set(archive.namelist())
        assert {"account.json", "runs.json", "projects/mine/recipe.json"} <= names
        rows = archive.read("projects/mine/pictures.jsonl").decode().splitlines()
        assert len(rows) == 4 and json.loads(rows[0])["label"] == "a"
        assert len(json.loads(archive.read("runs.json"))) == 1
        told = b"".join(archive.read(name) for name in names)
        assert b"argon2" not in told and served.tokens["liv"].encode() not in told

        picture = desk.pictures("mine").items[0]
        small = liv.get(f"/api/v1/projects/mine/pictures/{picture.id}/thumbnail?size=96")
        assert small.status_code == 200
        kept = desk.settings.cache_dir / "thumbs"
        assert list(kept.rglob(f"{picture.sha256}-*"))

        wrong = liv.request("DELETE", "/api/v1/me", json={"password": "wrong"})
        assert wrong.status_code == 401 and desk.project("mine").name == "mine"
        gone = liv.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
        assert gone.status_code == 204, gone.text
        assert liv.get("/api/v1/me").status_code == 401
    with served.client("liv") as program:
        assert program.get("/api/v1/me").status_code == 401
    assert not desk.settings.owner_dir.exists()
    assert desk.projects().total == 0 and not desk.runs().items
    assert not list(kept.rglob(f"{picture.sha256}-*"))


def test_one_persons_own_server_has_no_accounts(tmp_path: Any) -> None:
    with serving(Settings(home=tmp_path), single_user=True) as alone, alone.client() as client:
        known = client.get("/api/v1/session").json()
        assert known["single_user"] and known["account"]["name"] == "you"
        for method, path, body in (
            ("POST", "/sessions", {"name": "a", "password": "b"}),
            ("POST", "/accounts", {"name": "a", "email": "a@b.example", "password": "c"}),
            ("DELETE", "/me", {"password": "x"}),
        ):
            answer = client.request(method, f"/api/v1{path}", json=body)
            assert answer.status_code == 409, answer.text
        assert client.get("/api/v1/health").json()["disk_free_mb"] > 0


def test_my_data_are_written_to_the_disk_once_at_a_time(served: Served) -> None:
    """Else whoever reads slowly fills it, beside every quota."""
    ada, kim = (served.desks.of(served.people[who]) for who in ("ada", "kim"))
    pieces = ada.export()
    assert next(pieces).startswith(b"PK")
    with pytest.raises(RequestError, match="Another copy"):
        ada.export()
    assert list(kim.export())
    del pieces  # went away amid the download
    assert b"".join(ada.export()).startswith(b"PK")
    assert b"".join(ada.export()).startswith(b"PK")


def test_one_account_cannot_drive_out_the_answers_of_others() -> None:
    """Nor fill the memory with its own."""
    size = idempotency._LARGEST // 2

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size})

    once = idempotency.Once(app)

    async def ask(who: str, name: str) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            pass

        headers = [(b"idempotency-key", name.encode())]
        scope = {"type": "http", "method": "POST", "path": "/api/v1/projects", "headers": headers}
        scope |= {"query_string": b"", "state": {"visitor": Visitor(key=who)}}
        await once(scope, receive, send)

    async def story() -> None:
        await ask("u_ada", "mine")
        for number in range(idempotency._MOST + 10):
            await ask("u_eve", str(number))

    asyncio.run(story())
    whose = [key[0] for key in once._kept]
    assert "u_ada" in whose
    held = sum(one.bytes for one in once._kept.values())
    assert held <= idempotency._EACH_BYTES + 2 * size
