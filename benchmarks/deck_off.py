"""A live deck switched off from another host amid a turn: when does the last act begin?

A worker takes turns of a deck whose service answers slowly. Another host switches the deck off at
a random moment: a process in a network namespace of its own, with a home of its own, that reaches
nothing but the PostgreSQL database, over a virtual network. The service's own log says when acts
came. Then the worker is killed and started anew: the deck stays off. Where there may be no network
namespaces the other host is a process with a home of its own, and the figures say so.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, postgres, spread, tellapart
from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.settings import Settings
from tellapart.store.database import open_database

#: Seconds that what happens at once may take on a busy machine.
PATIENCE = 120.0
#: Seconds that are watched after the switch, and after the worker's new start.
WATCH = 3.0
#: The two ends of the virtual network.
_HERE, _THERE = "10.231.77.1", "10.231.77.2"
SWITCH = """
import json, sys
from pathlib import Path
from tellapart.deck import Deck
from tellapart.settings import Settings
from tellapart.store.database import open_database
given = json.loads(sys.argv[1])
settings = Settings(home=Path(given["home"]), database_url=given["url"])
deck = Deck.open(open_database(settings), settings, given["deck"])
print("ready", flush=True)
sys.stdin.readline()
print(deck.off("from another host").switched_at, flush=True)
"""


@dataclass
class Elsewhere:
    """The other host: how commands are run there, and how it reaches the database."""

    words: tuple[str, ...]
    url: str
    #: `network namespace` or `process`.
    kind: str


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@contextlib.contextmanager
def elsewhere(url: str) -> Iterator[Elsewhere]:
    """A network namespace joined to this host by a virtual cable, else a plain process."""
    name = f"tellapart{os.getpid()}"
    near, far = f"ta{os.getpid() % 100000}a", f"ta{os.getpid() % 100000}b"
    try:
        _ip("netns", "add", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _ip("addr", "add", f"{_HERE}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{_THERE}/30", "dev", far)
        _ip("-n", name, "link", "set", far, "up")
    except (OSError, subprocess.SubprocessError):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _ip("netns", "delete", name)
        yield Elsewhere((), url, "process")
        return
    try:
        port = int(url.rpartition(":")[2].partition("/")[0])
        with relay(port) as passed:
            there = url.replace(f"127.0.0.1:{port}", f"{_HERE}:{passed}")
            yield Elsewhere(("ip", "netns", "exec", name), there, "network namespace")
    finally:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _ip("netns", "delete", name)  # its end of the cable goes with it
            _ip("link", "delete", near)


@contextlib.contextmanager
def relay(port: int) -> Iterator[int]:
    """Pass what comes over the virtual cable on to the database, which listens on loopback."""
    server = socket.create_server((_HERE, 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = server.accept()
                other = socket.create_connection(("127.0.0.1", port))
                for pair in ((one, other), (other, one)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(server.getsockname()[1])
    finally:
        server.close()


class Worker:
    """`tellapart worker` on a home of its own."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TELLAPART_")},
            "TELLAPART_HOME": str(settings.home),
            "TELLAPART_DATABASE_URL": str(settings.database_url),
            "TELLAPART_ALLOW_HOSTS": ",".join(settings.allow_hosts),
            "TELLAPART_SECRET_KEY": key,
        }
        self._log = settings.home / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                tellapart("worker"), env=self._environment, stdout=log, stderr=log
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def waits(self, times: int) -> bool:
        """Whether a worker has said so often that it waits for runs."""
        with contextlib.suppress(OSError):
            return self._log.read_text().count("waits for runs") >= times
        return False


def _until(what: str, ready: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"it never came to this: {what}")
        time.sleep(0.01)


class Trial:
    """One deck, switched off once."""

    def __init__(self, settings: Settings, service: Standin, worker: Worker, other: Elsewhere):
        self.settings, self.service = settings, service
        self.worker, self.other = worker, other
        self.starts = 1

    def take(self, number: int, rng: random.Random) -> dict[str, Any]:
        engine = open_database(self.settings)
        name = f"deck-{number}"
        options = {"url": self.service.deck_url}
        policy = {"accept_all": True}
        deck = Deck.add(engine, self.settings, name, "http", options, people=True, policy=policy)
        deck.credential("token", self.service.token)
        before = len(self.service.acts())
        with self._switch(name) as switch:
            deck.on()
            few = rng.randint(3, 12)
            _until("a turn under way", lambda: len(self.service.acts()) >= before + few)
            time.sleep(rng.uniform(0.0, 0.3))
            asked = time.time()
            assert switch.stdin is not None and switch.stdout is not None
            switch.stdin.write("off\n")
            switch.stdin.flush()
            said = switch.stdout.readline().strip()
            back = time.time()
        time.sleep(WATCH)
        acts = self.service.asked("act")
        at = datetime.fromisoformat(said).timestamp()
        late = max([one.at - at for one in acts if one.at > asked], default=0.0)
        reached = len(acts)
        self.worker.kill()
        self.starts += 1
        self.worker.start()
        _until("the worker's new start", lambda: self.worker.waits(self.starts))
        time.sleep(WATCH)
        found = {
            "acts_before": len([one for one in acts if one.at <= at]) - before,
            "last_act_after_s": round(max(0.0, late), 4),
            "switching_took_s": round(back - asked, 4),
            "acts_after_restart": len(self.service.asked("act")) - reached,
            "still_off": deck.row.mode == "off",
            "judged_later": deck.counts().candidates < len(self.service.people),
        }
        engine.dispose()
        return found

    @contextlib.contextmanager
    def _switch(self, name: str) -> Iterator[subprocess.Popen[str]]:
        """A process on the other host that waits for the word."""
        with tempfile.TemporaryDirectory() as home:
            given = json.dumps({"home": home, "url": self.other.url, "deck": name})
            process = subprocess.Popen(
                [*self.other.words, sys.executable, "-c", SWITCH, given],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert process.stdout is not None
                if process.stdout.readline().strip() != "ready":
                    raise RuntimeError("the other host does not reach the database")
                yield process
            finally:
                process.kill()
                process.wait()


def run(data: Path, small: bool) -> dict[str, Any]:
    trials = 1 if small else 10
    rng = random.Random(7)
    try:
        with postgres.cluster() as cluster:
            return _measure(cluster.database(), trials, rng)
    except postgres.MissingError as error:
        raise Skipped(str(error)) from None


def _measure(url: str, trials: int, rng: random.Random) -> dict[str, Any]:
    key = secrets.token_hex(32)
    with (
        tempfile.TemporaryDirectory() as folder,
        Standin(crowd(400, pictures=1), likes=100_000, size=(32, 32)) as service,
        elsewhere(url) as other,
    ):
        service.tell("slow", "act", seconds=0.02)
        home = Path(folder) / "home"
        home.mkdir()
        settings = replace(
            service.settings(home=home, fetch_timeout=5.0), database_url=url, secret_key=key
        )
        worker = Worker(settings, key)
        worker.start()
        try:
            _until("the worker's start", lambda: worker.waits(1))
            trial = Trial(settings, service, worker, other)
            each = [trial.take(number, rng) for number in range(trials)]
        finally:
            worker.kill()
        twice = len(service.twice())
    late = [one["last_act_after_s"] for one in each]
    return {
        "other_host": other.kind,
        "trials": trials,
        "last_act_after_s": spread(late),
        "all_within_1_s": max(late) <= 1.0,
        "acts_after_restart": sum(one["acts_after_restart"] for one in each),
        "stayed_off": all(one["still_off"] for one in each),
        "acted_twice": twice,
        "each": each,
    }


if __name__ == "__main__":
    main(run)
