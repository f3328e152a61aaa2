"""A picture and a candidate that lie everywhere are forgotten, and searched for.

A home in which everything has happened once: collected from a picture web, packaged, asked again by
a worker with the picture itself as test, shown small, a deck with verdict, label and head, an old
copy of the database. The search for what is left is plain: every file, every member of every zip,
every text of every table, for hash, address and bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Semaphore
from typing import Any

import sqlalchemy as sa
from PIL import Image

from benchmarks import main
from tellapart.demo.picture_web import PictureWeb
from tellapart.forgetting import Asked, Certificate, forget
from tellapart.project import Project
from tellapart.runtime import Request, Run, Runs
from tellapart.runtime.desk import thumbs
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store import schema_decks as decks

NAME = "apple-boat"
WORDS = ("apple", "boat")
REF = "service-name-of-someone"
URL = "https://service.example/people/someone-0815"
BIO = "A sentence that nobody else has written about themselves."
#: Seconds that a run may take before it counts as hanging.
PATIENCE = 600.0
_START = """import json, sys
from pathlib import Path
from tellapart.runtime.worker import main
from tellapart.settings import Settings
given = json.loads(sys.argv[1])
main(Settings(home=Path(given.pop("home")), allow_hosts=tuple(given.pop("hosts")), **given))
"""


@dataclass(frozen=True)
class House:
    """A home of one's own, and what lies in it of one picture and one candidate."""

    settings: Settings
    #: Of a training picture that every place has: its id, content, address, bytes, creator.
    id: str
    sha256: str
    url: str
    data: bytes
    creator: str
    #: A candidate with a picture of its own.
    candidate: str
    candidate_sha256: str
    candidate_bytes: bytes

    @contextmanager
    def engine(self) -> Iterator[sa.Engine]:
        engine = database.open_database(self.settings)
        try:
            yield engine
        finally:
            engine.dispose()

    def found(self, *needles: str | bytes) -> list[str]:
        """Files below the home that hold one of these, zips' members and tables' texts too."""
        from tellapart.forgetting.searching import Search

        raw = [one.encode() if isinstance(one, str) else one for one in needles]
        return [str(p) for p in Search(raw).below(self.settings.home)]


def full(home: Path, web: PictureWeb, per_class: int = 14) -> House:
    """Make such a home, with a real worker."""
    settings = Settings(
        home=home,
        openverse_url=web.openverse_url,
        commons_url=web.commons_url,
        allow_hosts=(web.host,),
    )
    engine = database.open_database(settings)
    runs = Runs(engine, settings)
    recipe = {"name": NAME, "classes": list(WORDS), "per_class": per_class}
    given = {
        "home": str(home),
        "hosts": [web.host],
        "openverse_url": web.openverse_url,
        "commons_url": web.commons_url,
    }
    worker = subprocess.Popen([sys.executable, "-c", _START, json.dumps(given)])
    try:
        _ended(runs, runs.submit(Request(recipe=recipe)).id)
        with Project.open(NAME, settings) as project:
            row = next(r for r in project.pictures(split="train") if r.creator)
        path = settings.files_dir / row.sha256[:2] / row.sha256
        # Asked about itself: the test picture lies with the run.
        again = Request(kind="retrain", project=NAME, recipe=recipe, test_picture=path.read_bytes())
        _ended(runs, runs.submit(again).id)
    finally:
        worker.terminate()
        worker.wait(60)
    thumbs.thumbnail(settings.cache_dir, row.sha256, path, 96, Semaphore(1))
    (home / "tellapart.sqlite.before-0006").write_bytes(b"old" + row.sha256.encode())
    candidate, picture = _deck(engine, settings)
    engine.dispose()
    content = hashlib.sha256(picture).hexdigest()
    seen = (row.id, row.sha256, row.file_url, path.read_bytes(), row.creator)
    return House(settings, *seen, candidate, content, picture)


def _ended(runs: Runs, id: str) -> Run:
    until = time.monotonic() + PATIENCE
    while not (run := runs.get(id)).ended_state:
        if time.monotonic() > until:
            raise RuntimeError(f"the run hangs at {run.step}")
        time.sleep(0.1)
    if run.state != "done":
        raise RuntimeError(f"the run failed: {run.error}")
    return run


def _deck(engine: sa.Engine, settings: Settings) -> tuple[str, bytes]:
    """A deck with a labelled candidate, a verdict and a head, as a turn leaves them."""

    deck, candidate = "d_" + "a" * 20, "c_" + "b" * 20
    folder = settings.home / "decks" / deck / "pictures"
    folder.mkdir(parents=True)
    file = folder / "draft.png"
    Image.effect_noise((40, 40), 90).save(file)
    data = file.read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    file.rename(folder / sha)
    (folder.parent / "labels.csv").write_text(f"path,label\n{folder / sha},like\n/other.jpg,pass\n")
    at = "2026-01-01T00:00:00.000Z"
    rows: list[tuple[sa.Table, dict[str, object]]] = [
        (
            decks.decks,
            {"id": deck, "name": "d", "source": "http", "options": {}, "policy": {}, "mode": "on"},
        ),
        (
            decks.deck_candidates,
            {
                "id": candidate,
                "deck_id": deck,
                "ref": REF,
                "name": "Someone",
                "bio": BIO,
                "fields": {},
                "url": URL,
                "part": "train",
            },
        ),
        (
            decks.deck_pictures,
            {
                "id": 1,
                "candidate_id": candidate,
                "position": 0,
                "url": "https://service.example/pictures/someone-0815.png",
                "sha256": sha,
            },
        ),
        (decks.deck_features, {"picture_id": 1, "base": "lite0", "features": data[:64]}),
        (
            decks.deck_actions,
            {
                "id": "a_" + "c" * 20,
                "deck_id": deck,
                "candidate_id": candidate,
                "mode": "on",
                "action": "like",
                "rule": "model",
                "recorded": {},
                "at": at,
            },
        ),
        (
            decks.deck_feedback,
            {"deck_id": deck, "candidate_id": candidate, "label": "like", "at": at},
        ),
        (
            decks.deck_heads,
            {
                "id": "h_" + "d" * 20,
                "deck_id": deck,
                "state": "champion",
                "weights": b"w" * 40,
                "evaluation": {},
                "created_at": at,
            },
        ),
        (
            decks.deck_log,
            {
                "deck_id": deck,
                "at": at,
                "kind": "turn",
                "text": f"liked {candidate}",
                "data": {"ref": REF},
            },
        ),
    ]
    with database.writing(engine) as connection:
        for table, row in rows:
            connection.execute(table.insert().values(**row))
    return candidate, data


def left(home: Path, needles: Sequence[bytes]) -> list[str]:
    """Where any of these stands, by a search of its own: files, zips' members, tables' cells."""
    found = []
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        parts = [os.fsencode(path.name), data]
        if data[:4] == b"PK\3\4":
            with zipfile.ZipFile(BytesIO(data)) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        if path.name.endswith(".sqlite"):
            parts += _cells(path)
        if any(needle in part for needle in needles for part in parts):
            found.append(path.relative_to(home).as_posix())
    return found


def _cells(path: Path) -> list[bytes]:
    found: list[bytes] = []
    with closing(sqlite3.connect(path)) as base:
        base.text_factory = bytes
        names = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            for row in base.execute(f'SELECT * FROM "{name.decode()}"'):
                found += [cell for cell in row if isinstance(cell, bytes)]
    return found


def _forget(house: House, asked: Asked, needles: Sequence[bytes]) -> dict[str, Any]:
    before = left(house.settings.home, needles)
    began = time.monotonic()
    with house.engine() as engine:
        told: Certificate = forget(house.settings, engine, asked)
    seconds = time.monotonic() - began
    after = left(house.settings.home, needles)
    return {
        "places_before": len(before),
        "before": before,
        "places_after": len(after),
        "after": after,
        "gone": told.gone,
        "removed": told.removed,
        "withdrawn": len(told.withdrawn),
        "seconds": round(seconds, 2),
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    """Forget a picture and a candidate; collect again and look for them."""
    number = 14 if small else 100
    with (
        tempfile.TemporaryDirectory() as folder,
        PictureWeb(WORDS, n=number + 10, size=(64, 48), faults=False) as web,
    ):
        house = full(Path(folder) / "home", web, number)
        middle = len(house.data) // 2
        picture = (
            *(house.sha256.encode(), bytes.fromhex(house.sha256), house.url.encode()),
            *(house.id.encode(), house.data[middle : middle + 48]),
        )
        middle = len(house.candidate_bytes) // 2
        candidate = (
            *(house.candidate.encode(), house.candidate_sha256.encode(), REF.encode()),
            *(URL.encode(), BIO.encode(), house.candidate_bytes[middle : middle + 48]),
        )
        figures = {
            "picture": _forget(house, Asked("picture", house.id), picture),
            "candidate": _forget(house, Asked("candidate", house.candidate), candidate),
        }
        with Project.open(NAME, house.settings) as project:
            again = project.run(spawn=False)
        figures["after_the_next_run"] = {
            "version": again.version,
            "pictures": again.pictures["found"],
            "places": len(left(house.settings.home, picture)),
        }
    return figures


if __name__ == "__main__":
    main(run)
