"""The app's server and its worker killed with SIGKILL at random moments while runs are queued.

`tellapart up` takes ten runs over REST, each under its idempotency key, with a mail to a real SMTP
server on loopback; `tellapart worker` walks them. Again and again one of the two is killed and
started anew; the picture web counts what is fetched. The events of each run tell whether
a finished step was ever taken again. On SQLite, and on PostgreSQL where there is one.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx

from benchmarks import main, postgres, tellapart
from tellapart.demo.picture_web import PictureWeb
from tellapart.learn.backbone import embedded
from tellapart.runtime import Event, Run, Runs
from tellapart.settings import Settings
from tellapart.store.database import open_database

WORDS = ("apple", "boat", "star")
ADDRESS = "keeper@example.org"
#: Seconds that everything may take before it counts as hanging.
PATIENCE = 5400.0


class Post:
    """A real SMTP server on loopback that keeps what it accepts."""

    def __init__(self) -> None:
        from aiosmtpd.controller import Controller

        self.ids: Counter[str] = Counter()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.url = f"smtp://127.0.0.1:{self._controller.port}"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.ids[str(message_from_bytes(envelope.content)["Message-ID"])] += 1
        return "250 OK"

    def __enter__(self) -> Post:
        self._controller.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._controller.stop()


class App:
    """`tellapart up` and `tellapart worker`, on a home and database of their own."""

    def __init__(self, home: Path, web: PictureWeb, post: Post, database: str | None) -> None:
        self.port = free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TELLAPART_")},
            "TELLAPART_HOME": str(home),
            "TELLAPART_OPENVERSE_URL": web.openverse_url,
            "TELLAPART_COMMONS_URL": web.commons_url,
            "TELLAPART_ALLOW_HOSTS": web.host,
            "TELLAPART_MAIL": post.url,
            "TELLAPART_MAIL_FROM": "tellapart@example.org",
            **({"TELLAPART_DATABASE_URL": database} if database else {}),
        }
        self.settings = Settings.from_env(self.environment)
        self._commands = {
            "server": ("up", "--no-browser", "--workers", "0", "--port", str(self.port)),
            "worker": ("worker",),
        }
        self._logs = {name: home.with_name(f"{home.name}-{name}.log") for name in self._commands}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start these, or all."""
        for name in names or self._commands:
            with self._logs[name].open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    tellapart(*self._commands[name]), env=self.environment, stdout=log, stderr=log
                )

    def check(self) -> None:
        """Raises where one has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                said = self._logs[name].read_text()[-3000:]
                raise RuntimeError(f"the {name} ended by itself:\n{said}")

    def kill(self, name: str) -> None:
        """Kill one of them and start it anew."""
        self.check()
        self._processes[name].kill()
        self._processes[name].wait()
        self.start(name)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, name: str, per_class: int, until: float) -> str:
        """Ask for a run over REST until it is accepted; its id."""
        recipe = {"name": name, "classes": list(WORDS), "per_class": per_class}
        while time.monotonic() < until:
            try:
                answer = httpx.post(
                    f"http://127.0.0.1:{self.port}/api/v1/runs",
                    json={"recipe": recipe, "email": ADDRESS},
                    headers={"Idempotency-Key": f"the run {name}"},
                    timeout=10,
                )
            except httpx.TransportError:
                self.check()
                time.sleep(0.1)
                continue
            if answer.status_code == 202:
                return str(answer.json()["id"])
            raise RuntimeError(f"{answer.status_code}: {answer.text}")
        raise TimeoutError("the server takes no runs")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def looking(app: App) -> Iterator[Runs]:
    engine = open_database(app.settings)
    try:
        yield Runs(engine, app.settings)
    finally:
        engine.dispose()


def wait(runs: Runs, ids: list[str], until: float) -> None:
    """Until all have ended."""
    while any(not runs.get(id).ended_state for id in ids):
        if time.monotonic() > until:
            raise TimeoutError(f"not all runs ended: {[runs.get(id).state for id in ids]}")
        time.sleep(0.2)


def taken(events: list[Event]) -> tuple[Counter[str], int]:
    """How often each step was begun, and how often one that was done already."""
    begun: Counter[str] = Counter()
    done: set[str] = set()
    again = 0
    for event in events:
        text = event.data.get("text") if event.kind == "log" else None
        if text == f"{event.step} begins":
            begun[event.step] += 1
            again += event.step in done
        elif text == f"{event.step} is done":
            done.add(event.step)
    return begun, again


def whole(runs: Runs, id: str) -> list[Event]:
    found: list[Event] = []
    while more := runs.events(id, after=len(found), limit=1000):
        found += more
    return found


def kill_at_random(
    app: App, runs: Runs, ids: list[str], wanted: tuple[int, int, int], mean: float, until: float
) -> tuple[Counter[str], Counter[str]]:
    """Kill server or worker by chance; what was killed, and what was under way.

    Where all runs have ended before there were enough kills, one more is asked for.
    """
    rng = random.Random(11)
    killed: Counter[str] = Counter()
    during: Counter[str] = Counter()
    while killed.total() < wanted[1] and time.monotonic() < until:
        time.sleep(rng.uniform(0.2, 2 * mean))
        if all(runs.get(id).ended_state for id in ids):
            ids.append(app.ask(f"run-{len(ids)}", wanted[2], until))
            continue
        at = next((run.step for run in runs.list(states=("running",))), "") or "between"
        name = rng.choice(("server", "worker"))
        app.kill(name)
        killed[name] += 1
        during[at] += 1
    return killed, during


def measure(
    folder: Path, web: PictureWeb, *, database: str | None, wanted: tuple[int, int, int]
) -> dict[str, Any]:
    """Figures on one database. `wanted`: runs, kills, pictures of a class."""
    count, kills, per_class = wanted
    embedded(folder / "cache")
    until = time.monotonic() + PATIENCE
    with Post() as post:
        app = App(folder, web, post, database)
        app.start()
        try:
            first = app.ask("calm", per_class, until)
            with looking(app) as runs:
                wait(runs, [first], until)
                calm = (runs.get(first).result or {})["seconds"]["total"]
                web.requests.clear()
                ids = [app.ask(f"run-{n}", per_class, until) for n in range(count)]
                mean = max(1.0, count * calm / kills / 1.5)
                killed, during = kill_at_random(app, runs, ids, wanted, mean, until)
                wait(runs, ids, until)
                mails(post, runs, [first, *ids], until)
                found = [runs.get(id) for id in ids]
                events = {id: whole(runs, id) for id in ids}
        finally:
            app.stop()
    return figures(found, events, post, killed, during) | {"undisturbed_run_s": round(calm, 1)}


def mails(post: Post, runs: Runs, ids: list[str], until: float) -> None:
    """Until the outbox says that all are sent."""
    while any(runs.get(id).mail in ("queued", "sending") for id in ids):
        if time.monotonic() > until:
            raise TimeoutError("not all mails were sent")
        time.sleep(0.2)


def figures(
    found: list[Run],
    events: dict[str, list[Event]],
    post: Post,
    killed: Counter[str],
    during: Counter[str],
) -> dict[str, Any]:
    begun = {id: taken(each) for id, each in events.items()}
    steps = sum(len(run.steps) for run in found)
    cuts = sum(run.attempt - 1 for run in found)
    return {
        "runs": len(found),
        "ended": dict(Counter(run.state for run in found)),
        "kills": dict(killed),
        "kills_during": dict(during.most_common()),
        "runs_cut_off": cuts,
        "steps": steps,
        "steps_begun": sum(each.total() for each, _ in begun.values()),
        "finished_steps_taken_again": sum(again for _, again in begun.values()),
        "most_begun_beyond_cuts": max(
            sum(each.values()) - len(run.steps) - (run.attempt - 1)
            for run, (each, _) in ((run, begun[run.id]) for run in found)
        ),
        "events_without_gap": all(
            [event.seq for event in each] == list(range(1, len(each) + 1))
            for each in events.values()
        ),
        "mails": len(post.ids) - 1,
        "mails_that_came_twice": sum(number > 1 for number in post.ids.values()),
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    wanted = (2, 2, 8) if small else (10, 20, 12)
    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        PictureWeb(WORDS, n=wanted[2] + 10, big=30_000_000) as web,
    ):
        home = Path(temporary)
        found["sqlite"] = measure(home / "sqlite", web, database=None, wanted=wanted)
        if not small:
            try:
                with postgres.cluster() as cluster:
                    url = cluster.database()
                    place = home / "postgresql"
                    found["postgresql"] = measure(place, web, database=url, wanted=wanted)
            except postgres.MissingError as reason:
                found["postgresql"] = f"not measured: {reason}"
    return found


if __name__ == "__main__":
    main(run)
