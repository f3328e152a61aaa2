"""The outbox against a real SMTP server: sent once, tried again, given up, and said."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.accounts import Accounts
from tellapart.errors import InputError
from tellapart.mail import Outbox, Success, compose, delivery
from tellapart.mail.allowing import ACCOUNT_A_DAY, RUN_A_DAY
from tellapart.mail.delivery import FIRST_S, GIVE_UP_S
from tellapart.settings import Settings
from tellapart.store import schema_accounts as schema
from tests.accounts.scene import Clock
from tests.mail.postbox import Postbox, read

HELLO = compose.test("https://app.example")
TO = "you@example.org"


def _put(outbox: Outbox, key: str = "run:1", to: str = TO, **more: object) -> str:
    return outbox.put(key, to, HELLO, owner="", **more).state  # type: ignore[arg-type]


def _state(outbox: Outbox, key: str = "run:1") -> tuple[str, str]:
    posted = outbox.get(key)
    assert posted is not None
    return posted.state, posted.reason


def test_a_mail_is_sent_once_with_headers_of_ours(outbox: Outbox, postbox: Postbox) -> None:
    assert _put(outbox) == "queued"
    assert outbox.deliver_due() == 1
    assert _put(outbox) == "sent"  # put again: nothing new
    assert outbox.deliver_due() == 0
    ((data,), recipients) = postbox.accepted, postbox.recipients
    message = read(data)
    assert recipients == [TO] == [message["To"]]
    assert message["From"] == "Tellapart <app@app.example>"
    assert message["Subject"] == "Mail works · Tellapart"
    assert message["Message-ID"].endswith("@app.example>")
    assert message["Auto-Submitted"] == "auto-generated" and message["Date"]
    assert data.isascii() and max(map(len, data.splitlines())) <= 998
    assert _state(outbox) == ("sent", "")
    with outbox.engine.connect() as connection:  # its text is not kept
        assert connection.scalar(sa.select(schema.outbox.c.body)) == ""


def test_the_message_id_follows_from_the_key(
    outbox: Outbox, settings: Settings, postbox: Postbox, tmp_path: Path
) -> None:
    _put(outbox)
    outbox.deliver_due()
    with outbox.engine.begin() as connection:
        connection.execute(schema.outbox.delete())
    _put(outbox)
    _put(outbox, "run:2")
    outbox.deliver_due()
    assert sorted(postbox.ids.values()) == [1, 2]


def test_a_bundle_goes_along_under_a_fixed_name(
    outbox: Outbox, postbox: Postbox, tmp_path: Path, settings: Settings
) -> None:
    bundle = tmp_path / "secret class-3.zip"
    bundle.write_bytes(b"PK" + bytes(range(256)) * 20)
    message = compose.success(
        Success("secret class", 3, ["secret class"], 0.9, (0.8, 1.0), 0.5, 9, 9, 0, attached=True)
    )
    assert outbox.attachable(bundle)
    outbox.put("run:1", TO, message, bundle, owner="")
    bundle.unlink()  # its project is deleted before the mail is sent
    outbox.deliver_due()
    sent = read(postbox.accepted[0])
    (file,) = sent.iter_attachments()
    assert file.get_content() == b"PK" + bytes(range(256)) * 20
    assert file.get_filename() == "tellapart-model.zip"
    assert file.get_content_type() == "application/zip"
    headers = b"".join(
        part.as_bytes().partition(b"\n\n")[0] for part in (sent, *sent.walk()) if part is not None
    )
    assert b"secret class" not in headers.partition(b"\n\n")[0]
    assert not list((settings.home / "outbox").iterdir())


def test_a_large_bundle_stays_out(outbox: Outbox, settings: Settings, tmp_path: Path) -> None:
    bundle = tmp_path / "b.zip"
    bundle.write_bytes(b"x" * 2000)
    small = Outbox(outbox.engine, replace(settings, mail_attach_mb=0.001))
    assert not small.attachable(bundle) and not outbox.attachable(tmp_path / "none.zip")
    small.put("run:1", TO, HELLO, bundle, owner="")
    assert not (settings.home / "outbox").exists()


def test_a_server_that_takes_no_file_of_this_size_gets_the_mail_without_it(
    home: object, engine: sa.Engine, settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    bundle = tmp_path / "b.zip"
    bundle.write_bytes(b"x" * 200_000)
    with Postbox(data_size_limit=50_000) as small:  # announces SIZE
        outbox = Outbox(engine, replace(settings, mail_url=small.url), clock=clock)
        outbox.put("run:1", TO, HELLO, bundle, owner="")
        assert outbox.deliver_due() == 1
        assert not list(read(small.accepted[0]).iter_attachments())
    with Postbox(data_size_limit=None) as silent:  # says it only afterwards
        outbox = Outbox(engine, replace(settings, mail_url=silent.url), clock=clock)
        silent.refuse["data"] = "552 5.3.4 too big"
        outbox.put("run:2", TO, HELLO, bundle, owner="")
        silent.meanwhile["mail"] = lambda: len(silent.came) and silent.refuse.clear()
        assert outbox.deliver_due() == 1
        assert len(silent.came) == 2 and len(silent.came[1]) < 10_000


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_refusal_for_now_is_tried_again(
    outbox: Outbox, postbox: Postbox, clock: Clock, stage: str
) -> None:
    postbox.refuse[stage] = "451 greylisted, try again"
    _put(outbox)
    assert outbox.deliver_due() == 0
    state, reason = _state(outbox)
    assert state == "queued" and "greylisted" in reason
    assert outbox.state().trouble == reason and outbox.state().waiting == 1
    postbox.refuse.clear()
    assert outbox.deliver_due() == 0  # not yet
    clock.pass_(FIRST_S * 1.3)
    assert outbox.deliver_due() == 1
    assert outbox.state().trouble == "" and outbox.state().last_sent


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_refusal_for_good_is_given_up_and_holds_up_no_other(
    outbox: Outbox, postbox: Postbox, stage: str
) -> None:
    postbox.refuse[stage] = "550 5.1.1 no such user\x07"
    _put(outbox, "run:1")
    postbox.meanwhile["accepted"] = lambda: None
    assert outbox.deliver_due() == 0
    state, reason = _state(outbox)
    assert state == "failed" and "no such user" in reason and reason.isprintable()
    postbox.refuse.clear()
    _put(outbox, "run:2")
    assert outbox.deliver_due() == 1
    assert outbox.state().failed == 1


def test_a_server_that_is_down_is_tried_ever_later_for_three_days(
    outbox: Outbox, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 7200.0
    monkeypatch.setattr(delivery, "LONGEST_S", longest)
    down = Outbox(outbox.engine, replace(settings, mail_url="smtp://127.0.0.1:1"), clock=clock)
    _put(down)
    begun, tries, last = clock.at, 0, 0
    while _state(down)[0] == "queued":
        down.deliver_due()
        posted = down.get("run:1")
        assert posted is not None
        tries, last = posted.tries, tries
        clock.pass_(longest * 1.3)
        assert tries == last + 1
    assert GIVE_UP_S <= clock.at - begun < GIVE_UP_S + 3 * longest
    state, reason = _state(down)
    assert state == "failed" and "127.0.0.1:1" in reason and "three days" in reason


def test_a_server_that_is_down_is_not_asked_once_for_each_mail(
    outbox: Outbox, postbox: Postbox, clock: Clock
) -> None:
    postbox.refuse["mail"] = "421 closing"
    calls: list[int] = []
    postbox.meanwhile["mail"] = lambda: calls.append(1)
    for i in range(5):
        _put(outbox, f"run:{i}")
    for _ in range(3):
        outbox.deliver_due()
    assert len(calls) == 1
    postbox.refuse.clear()
    clock.pass_(FIRST_S * 1.3)
    assert outbox.deliver_due() == 5


def test_an_answer_lost_after_the_mail_means_the_same_mail_again(
    outbox: Outbox, postbox: Postbox, clock: Clock
) -> None:
    """The one case besides a kill: the server has it, and nobody here can know."""
    postbox.lost = 1
    _put(outbox)
    assert outbox.deliver_due() == 0
    assert _state(outbox)[0] == "queued"
    clock.pass_(FIRST_S * 1.3)
    assert outbox.deliver_due() == 1
    assert list(postbox.ids.values()) == [2]
    assert postbox.accepted[0] == postbox.accepted[1]


def test_a_silent_server_is_left_after_a_while(
    outbox: Outbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from tellapart.mail import smtp

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(smtp.SendError) as caught:
            smtp.send(
                smtp.Server.parse(url),
                "app@app.example",
                TO,
                lambda limit: b"",
                still_ours=lambda: True,
                answer_s=0.2,
            )
    assert caught.value.kind == "server"


def test_a_server_that_drips_is_left_too(postbox: Postbox) -> None:
    """Each answer comes in time, all together do not."""
    from tellapart.mail import smtp

    over = threading.Event()
    postbox.meanwhile["rcpt"] = lambda: over.wait(20)
    try:
        with pytest.raises(smtp.SendError):
            smtp.send(
                smtp.Server.parse(postbox.url),
                "app@app.example",
                TO,
                lambda limit: b"x",
                still_ours=lambda: True,
                answer_s=30,
                all_s=0.3,
            )
    finally:
        over.set()
    assert postbox.accepted == []


class TestWhoGetsMail:
    @pytest.fixture
    def accounts(self, engine: sa.Engine, settings: Settings, clock: Clock) -> Accounts:
        return Accounts(engine, settings, clock=clock)

    def test_an_account_tells_its_runs_to_its_own_confirmed_address_alone(
        self, outbox: Outbox, postbox: Postbox, accounts: Accounts
    ) -> None:
        ann = accounts.add("Ann", "ann@example.org")
        uma = accounts.add("Uma", "uma@example.org", confirmed=False)

        def refused(key: str, to: str, owner: str) -> str:
            posted = outbox.put(key, to, HELLO, owner=owner)
            assert posted.state == "refused"
            return posted.reason

        assert "own address" in refused("1", "victim@example.org", ann.id)
        assert "not confirmed" in refused("2", "uma@example.org", uma.id)
        assert "no such account" in refused("3", "ann@example.org", "u_gone")
        assert outbox.put("4", "ANN@example.org", HELLO, owner=ann.id).state == "queued"
        accounts.set_closed(ann, True)
        assert "no such account" in refused("5", "ann@example.org", ann.id)
        assert outbox.deliver_due() == 1
        assert len(postbox.accepted) == 1
        assert [posted.key for posted in outbox.of(uma.id)] == ["2"]

    def test_a_day_has_a_limit_for_each_address(self, outbox: Outbox, clock: Clock) -> None:
        for i in range(RUN_A_DAY):
            assert _put(outbox, f"run:{i}", to=TO.upper() if i % 2 else TO) == "queued"
        assert _put(outbox, "run:more") == "refused"
        assert _put(outbox, "run:other", to="other@example.org") == "queued"
        assert f"{RUN_A_DAY} mails within a day" in _state(outbox, "run:more")[1]
        clock.pass_(86_401)
        assert _put(outbox, "run:next day") == "queued"

    def test_mails_of_accounts_have_one_of_their_own(self, outbox: Outbox) -> None:
        for i in range(ACCOUNT_A_DAY):
            assert _put(outbox, f"account:{i}", purpose="account") == "queued"
        assert _put(outbox, "account:more", purpose="account") == "refused"
        assert _put(outbox, "run:1") == "queued"

    @pytest.mark.parametrize(
        "to",
        ["a@b.c\r\nBcc: d@e.f", "a@b.c,d@e.f", "<a@b.c>", "a b@c.d", "", "@", "a@", "a@b.c\x00"],
    )
    def test_what_is_no_address_is_refused(self, outbox: Outbox, to: str) -> None:
        with pytest.raises(InputError, match="no e-mail address"):
            _put(outbox, to=to)

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"mail_url": None}, "TELLAPART_MAIL is not set"),
            ({"mail_from": ""}, "TELLAPART_MAIL_FROM"),
            ({"mail_from": "a@b.c\nBcc: d@e.f"}, "TELLAPART_MAIL_FROM"),
        ],
    )
    def test_a_server_without_mail_says_so(
        self, engine: sa.Engine, settings: Settings, changes: dict[str, str | None], part: str
    ) -> None:
        mute = Outbox(engine, replace(settings, **changes))  # type: ignore[arg-type]
        assert _put(mute) == "refused"
        assert part in _state(mute)[1]
        assert mute.deliver_due() == 0
        assert mute.state().configured is bool(mute.settings.mail_url)


def test_old_ones_are_forgotten_and_waiting_ones_are_not(
    outbox: Outbox, clock: Clock, settings: Settings
) -> None:
    _put(outbox, "sent")
    outbox.deliver_due()
    _put(outbox, "waits")
    orphan = settings.home / "outbox" / "left.zip"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x")
    clock.pass_(91 * 86_400)
    outbox.prune()
    assert outbox.get("sent") is None and outbox.get("waits") is not None
    assert orphan.exists()  # just written: its row may be on its way
    outbox.delete("")
    assert outbox.get("waits") is None


def test_a_mail_that_no_key_opens_any_more_is_given_up(
    outbox: Outbox, settings: Settings, postbox: Postbox
) -> None:
    _put(outbox)
    other = Outbox(outbox.engine, replace(settings, secret_key="k" * 40), clock=outbox.clock)
    assert other.deliver_due() == 0
    assert _state(outbox)[0] == "failed" and "secret.key" in _state(outbox)[1]


def test_long_keys_are_keys_too(outbox: Outbox) -> None:
    _put(outbox, "k" * 500)
    assert outbox.get("k" * 500) is not None and outbox.get("k" * 501) is None
