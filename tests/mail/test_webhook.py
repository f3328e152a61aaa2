"""Webhooks: signed, guarded, tried again, each with an id of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.accounts import LOCAL, Accounts
from tellapart.mail import Outbox, webhook
from tellapart.mail.delivery import LONGEST_S
from tellapart.settings import Settings
from tests.accounts.scene import Clock


@dataclass
class Receiver:
    """What somebody else's server got."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    location: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(state.status)
            if state.location:
                self.send_header("location", state.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/hook?x=1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def outbox(engine: sa.Engine, settings: Settings, receiver: Receiver, clock: Clock) -> Outbox:
    host = receiver.url.split("/")[2]
    return Outbox(engine, replace(settings, allow_hosts=(host,)), clock=clock)


def _state(outbox: Outbox, key: str = "run:1") -> tuple[str, str]:
    posted = outbox.get(key)
    assert posted is not None
    return posted.state, posted.reason


def test_the_receiver_can_prove_who_sent_it(
    outbox: Outbox,
    receiver: Receiver,
    clock: Clock,
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payload = {"run": "r_1", "classes": ["Äpfel"], "accuracy": 0.96}
    outbox.put_webhook("run:1", receiver.url, payload, owner="")
    assert outbox.deliver_due() == 1 and outbox.deliver_due() == 0
    ((headers, body),) = receiver.got
    assert json.loads(body) == payload
    assert headers["content-type"] == "application/json"
    assert headers["x-tellapart-delivery"] == "run:1"
    # As docs/mail.md tells the receiver to do it.
    page = (Path(__file__).parents[2] / "docs" / "mail.md").read_text(encoding="utf-8")
    told: dict[str, Callable[[str, str, bytes], bool]] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], told)  # type: ignore[arg-type]
    monkeypatch.setattr("time.time", clock)
    secret = Accounts(engine, outbox.settings).webhook_secret(LOCAL)
    mark = headers["x-tellapart-signature"]
    assert told["is_ours"](secret, mark, body)
    assert not told["is_ours"](secret, mark, body + b" ")
    assert not told["is_ours"](secret[:-1] + "x", mark, body)
    clock.pass_(301)
    assert not told["is_ours"](secret, mark, body)


def test_each_account_and_each_key_of_the_server_has_a_secret_of_its_own(
    settings: Settings,
) -> None:
    assert webhook.secret(settings, "u_a") != webhook.secret(settings, "u_b")
    turning = replace(settings, secret_key=f"{'n' * 40},{'o' * 40}")
    old = webhook.secret(replace(settings, secret_key="o" * 40), "u_a")
    marks = webhook.signature(turning, "u_a", b"{}", 7).split(",")[1:]
    mark = hmac.new(old.encode(), b"7.{}", hashlib.sha256).hexdigest()
    assert len(marks) == 2 and f"v1={mark}" in marks


@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_is_no_yes_is_tried_again_under_the_same_id(
    outbox: Outbox, receiver: Receiver, clock: Clock, status: int
) -> None:
    receiver.status, receiver.location = status, "http://127.0.0.1:1/elsewhere"
    outbox.put_webhook("run:1", receiver.url, {}, owner="")
    assert outbox.deliver_due() == 0
    assert _state(outbox) == ("queued", f"the receiver answered {status}")
    receiver.status = 204
    clock.pass_(LONGEST_S)
    assert outbox.deliver_due() == 1
    assert [headers["x-tellapart-delivery"] for headers, _ in receiver.got] == ["run:1"] * 2


def test_mails_and_webhooks_are_sent_apart_so_that_neither_waits_for_the_other(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.put_webhook("run:1", receiver.url, {}, owner="")
    assert outbox.deliver_due(kind="mail") == 0 and receiver.got == []
    assert outbox.deliver_due(kind="webhook") == 1


def test_gone_is_gone(outbox: Outbox, receiver: Receiver) -> None:
    receiver.status = 410
    outbox.put_webhook("run:1", receiver.url, {}, owner="")
    assert outbox.deliver_due() == 0
    assert _state(outbox)[0] == "failed"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://localhost/",
        "ftp://a.b/",
        "x",
        "",
        "\0\ud800",
    ],
)
def test_the_guard_stands_before_private_networks(outbox: Outbox, url: str) -> None:
    outbox.put_webhook("run:1", url, {}, owner="")
    assert outbox.deliver_due() == 0
    assert _state(outbox)[0] == "failed"


def test_an_account_uses_https_and_must_be_there(
    outbox: Outbox, receiver: Receiver, engine: sa.Engine
) -> None:
    ann = Accounts(engine, outbox.settings).add("Ann", "ann@example.org")
    assert outbox.put_webhook("1", receiver.url, {}, owner=ann.id).state == "refused"
    assert "https" in _state(outbox, "1")[1]
    assert outbox.put_webhook("2", "https://a.example/", {}, owner="u_gone").state == "refused"
    assert outbox.put_webhook("3", "https://a.example/", {}, owner=ann.id).state == "queued"


def test_a_slow_receiver_holds_up_no_mail(
    outbox: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from tellapart.mail import compose

    monkeypatch.setattr(webhook, "ALL_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        slow = Outbox(
            outbox.engine, replace(outbox.settings, allow_hosts=(place,)), clock=outbox.clock
        )
        slow.put_webhook("run:1", f"http://{place}/", {}, owner="")
        slow.put("run:2", "you@example.org", compose.test("https://x.example"), owner="")
        assert slow.deliver_due() == 1
    assert _state(slow, "run:1")[0] == "queued" and "no answer" in _state(slow, "run:1")[1]
