"""A home in which everything has happened once: collected, packaged, queued, looked at, decided."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Semaphore

import pytest
import sqlalchemy as sa

from tellapart.demo.picture_web import PictureWeb
from tellapart.project import Project
from tellapart.runtime import Request, Runs
from tellapart.runtime.desk import thumbs
from tellapart.settings import Settings
from tellapart.store import database
from tellapart.store import schema_decks as decks
from tests.runtime.conftest import START, ended

NAME = "apple-boat"


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


@pytest.fixture(scope="module")
def web() -> Iterator[PictureWeb]:
    with PictureWeb(("apple", "boat"), n=24, size=(64, 48), faults=False) as running:
        yield running


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, web: PictureWeb) -> House:
    """Made once by a real worker; tests get copies."""
    settings = Settings(
        home=tmp_path_factory.mktemp("full") / "home",
        openverse_url=web.openverse_url,
        commons_url=web.commons_url,
        allow_hosts=(web.host,),
    )
    engine = database.open_database(settings)
    runs = Runs(engine, settings)
    recipe = {"name": NAME, "classes": ["apple", "boat"], "per_class": 14}
    run = runs.submit(Request(recipe=recipe))
    start = START.replace(
        "main(Settings(",
        "main(Settings("
        f"openverse_url={web.openverse_url!r},commons_url={web.commons_url!r},"
        f"allow_hosts=({web.host!r},),",
    )
    given = {"home": str(settings.home), "url": None}
    worker = subprocess.Popen([sys.executable, "-c", start, json.dumps(given)])
    try:
        done = ended(runs, run.id)
        assert done.state == "done", done.error
        with Project.open(NAME, settings) as project:
            row = next(r for r in project.pictures(split="train") if r.creator)
        data = (settings.files_dir / row.sha256[:2] / row.sha256).read_bytes()
        # Asked about itself: the test picture lies with the run.
        again = Request(kind="retrain", project=NAME, recipe=recipe, test_picture=data)
        assert ended(runs, runs.submit(again).id).state == "done"
    finally:
        worker.terminate()
        worker.wait(60)
    path = settings.files_dir / row.sha256[:2] / row.sha256
    thumbs.thumbnail(settings.cache_dir, row.sha256, path, 96, Semaphore(1))
    (settings.home / "tellapart.sqlite.before-0006").write_bytes(b"old" + row.sha256.encode())
    candidate, picture = _deck(engine, settings)
    engine.dispose()
    return House(
        settings,
        row.id,
        row.sha256,
        row.file_url,
        data,
        row.creator,
        candidate,
        hashlib.sha256(picture).hexdigest(),
        picture,
    )


def _deck(engine: sa.Engine, settings: Settings) -> tuple[str, bytes]:
    """A deck with a labelled candidate, a verdict and a head, as a turn leaves them."""
    from PIL import Image

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
                "ref": "service-name-of-someone",
                "name": "Someone",
                "bio": "A sentence that nobody else has written about themselves.",
                "fields": {},
                "url": "https://service.example/people/someone-0815",
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
                "data": {"ref": "service-name-of-someone"},
            },
        ),
    ]
    with database.writing(engine) as connection:
        for table, row in rows:
            connection.execute(table.insert().values(**row))
    return candidate, data


@pytest.fixture
def house(full: House, tmp_path: Path) -> House:
    """A copy, to forget things in."""
    home = tmp_path / "home"
    shutil.copytree(full.settings.home, home)
    return replace(full, settings=replace(full.settings, home=home))
