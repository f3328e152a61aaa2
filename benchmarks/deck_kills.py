"""A deck's turn killed with SIGKILL at random moments, against the stand-in service.

A process takes turns of a live deck; again and again it is killed amid one and another goes on.
In the end the ledger is compared with the service's own log of what it did: no act sent twice,
none lost that is not shown as unknown, and counts that agree. With the deck protocol, where an
unknown outcome can be asked for, and with a source where it cannot.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import main
from benchmarks.standin import Standin, crowd
from tellapart.deck import Deck
from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import Filters
from tellapart.settings import Settings
from tellapart.store.database import open_database

NAME = "killed"
#: Takes one turn after the other, as a worker does, and says when each begins.
TAKER = """
import json, sys
from pathlib import Path
from tellapart.deck import Deck
from tellapart.settings import Settings
from tellapart.steps.decide import preparing, turn  # so that the kills fall into the turn itself
from tellapart.store.database import open_database
given = json.loads(sys.argv[1])
settings = Settings(home=Path(given["home"]), allow_hosts=(given["host"],),
                    tinder_url=given["tinder"], fetch_timeout=5.0)
deck = Deck.open(open_database(settings), settings, "killed")
print("begins", flush=True)
report = deck.turn()
print(json.dumps(report.to_dict()), flush=True)
"""
#: Seconds that everything may take before it counts as hanging.
PATIENCE = 1800.0


def deck_of(service: Standin, settings: Settings, kind: str) -> Ledger:
    """A live deck that likes everybody; what a person must do first is taken for done."""
    engine = open_database(settings)
    if kind == "tinder":
        listing.confirm(engine, "", kind, _terms(kind))
        options: dict[str, Any] = {"pause": 0}
    else:
        options = {"url": service.deck_url}
    policy = {"accept_all": True, "limits": {"session": None}}
    deck = Deck.add(engine, settings, NAME, kind, options, people=True, policy=policy)
    deck.credential("token", service.token)
    deck.ledger.switch("on", "to be killed")
    return deck.ledger


def _terms(kind: str) -> str:
    from tellapart import registry

    return registry.load("deck", kind).confirm


def start(settings: Settings, service: Standin) -> subprocess.Popen[str]:
    given = {
        "home": str(settings.home),
        "host": service.host,
        "tinder": service.tinder_url,
    }
    command = [sys.executable, "-c", TAKER, json.dumps(given)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_amid_a_turn(
    process: subprocess.Popen[str], service: Standin, rng: random.Random, within: float
) -> bool:
    """Kill it at a random moment after its turn began, every second time after its first act;
    whether it was amid one."""
    assert process.stdout is not None
    before = len(service.asked("act"))
    if not process.stdout.readline().startswith("begins"):
        _, said = process.communicate()
        raise RuntimeError(f"the turn never began:\n{said}")
    if rng.random() < 0.5:
        while len(service.asked("act")) == before and process.poll() is None:
            time.sleep(0.002)
    time.sleep(rng.uniform(0.0, within))
    amid = process.poll() is None
    process.kill()
    process.communicate()
    return amid


def measure(kind: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill so many times, let it come to its end, and compare."""
    rng = random.Random(seed)
    within = 0.4
    with (
        tempfile.TemporaryDirectory() as folder,
        Standin(
            crowd(30 + kills * 6, seed=seed, pictures=1), likes=100_000, size=(32, 32)
        ) as service,
    ):
        service.tell("slow", "act", seconds=0.08)
        settings = service.settings(home=Path(folder) / "home", fetch_timeout=5.0)
        ledger = deck_of(service, settings, kind)
        end = time.monotonic() + PATIENCE
        done, tries, moments = 0, 0, Counter[str]()
        while done < kills and time.monotonic() < end:
            tries += 1
            process = start(settings, service)
            if not kill_amid_a_turn(process, service, rng, within):
                continue
            done += 1
            cut = ledger.counts().states.get("intended", 0)
            moments["amid an act" if cut else "between acts"] += 1
        if done < kills:
            raise TimeoutError(f"{done} of {kills} kills in {PATIENCE:.0f} s")
        service.mend()
        until_done(settings, end)
        figures = compare(service, ledger)
        ledger.engine.dispose()
    return {"source": kind, "kills": done, "processes": tries, "moments": dict(moments), **figures}


def until_done(settings: Settings, end: float) -> None:
    """Take turns until several in a row find nothing to judge: one of the service's tongues goes
    on where it was asked last, and begins anew when it has come to its end."""
    deck = Deck.open(open_database(settings), settings, NAME)
    idle = 0
    while time.monotonic() < end:
        report = deck.turn()
        idle = idle + 1 if report.end == "exhausted" and report.judged == 0 else 0
        if idle == 4:
            return
        if report.error is not None:
            raise RuntimeError(f"the last turns failed: {report.error}")
    raise TimeoutError("the turns never came to an end")


def compare(service: Standin, ledger: Ledger) -> dict[str, Any]:
    """The ledger beside the service's own log."""
    rows, after = {}, ""
    while True:
        page = ledger.page(Filters(limit=500, after=after))
        rows |= {row.ref: row.action.state if row.action else "new" for row in page.items}
        after = page.next
        if not after:
            break
    served = {one.ref for one in service.acts()}
    asked = Counter(one.ref for one in service.asked("act"))
    by_state: dict[str, set[str]] = {}
    for ref, state in rows.items():
        by_state.setdefault(state, set()).add(ref)
    done, unknown = by_state.get("done", set()), by_state.get("unknown", set())
    missed, refused = by_state.get("missed", set()), by_state.get("refused", set())
    return {
        "candidates": len(service.people),
        "service_acted": len(served),
        "ledger": {state: len(refs) for state, refs in sorted(by_state.items())},
        "acted_twice": len(service.twice()),
        "sent_twice": sum(times > 1 for times in asked.values()),
        "done_but_not_by_the_service": len(done - served),
        "acted_but_not_shown": len(served - done - unknown),
        "missed_but_acted": len(missed & served),
        "lost": len(set(service.people) - done - unknown - missed - refused),
        "agrees": len(done) + len(unknown & served) == len(served),
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    kills = 3 if small else 50
    return {
        "http": measure("http", kills, 1),
        "tinder": measure("tinder", 2 if small else 25, 2),
    }


if __name__ == "__main__":
    main(run)
