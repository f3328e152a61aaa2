"""Every source with something to find, behind one interface."""

from __future__ import annotations

import asyncio
import csv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tellapart import registry
from tellapart.demo.picture_web import PictureWeb
from tellapart.doors import Hit, Source, SourceContext
from tellapart.errors import TellapartError
from tellapart.fetch import Fetcher
from tellapart.plugins.sources.paged import Paged
from tellapart.settings import Settings
from tellapart.steps.collect import find_format
from tellapart.steps.collect.unpacked import Unpack
from tests.sources.services import DATA_SET, Services, picture

Found = tuple[list[Hit], TellapartError | None]
#: Source → a word of which it has pictures.
WORDS = {
    "openverse": "apple",
    "commons": "apple",
    "inaturalist": "red fox",
    "flickr": "apple",
    "pexels": "apple",
    "huggingface": "Apple",
    "urls": "apple",
    "folder": "apple",
    "zip": "apple",
}
SERVICES = ("openverse", "commons", "inaturalist", "flickr", "pexels", "huggingface")
PAGED = ("inaturalist", "flickr", "pexels")
#: Where a service's searches go.
PATHS = {
    "openverse": "/v1/images/",
    "commons": "/w/api.php",
    "inaturalist": "/inat/v1/observations",
    "flickr": "/flickr/rest/",
    "pexels": "/pexels/v1/search",
    "huggingface": "/hub/api/datasets/",
}


@dataclass
class Bench:
    """Searches one source."""

    kind: str
    settings: Settings
    services: Services
    options: dict[str, Any] = field(default_factory=dict)

    def find(self, query: str, limit: int = 1000, start: int = 0, **context: Any) -> Found:
        return self.work(lambda source: gather(source, query, limit, start), **context)

    def work(self, task: Callable[[Source], Any], **context: Any) -> Any:
        async def go() -> Any:
            unpack = Unpack(self.settings.home / "unpacked")
            async with Fetcher(self.settings) as fetcher:
                given = {"options": self.options, **context}
                source = registry.load("source", self.kind)(
                    SourceContext(
                        settings=self.settings,
                        fetcher=fetcher,
                        find_format=lambda path: find_format(path, unpack),
                        **given,
                    )
                )
                return await task(source)

        return asyncio.run(go())


async def gather(source: Source, query: str, limit: int, start: int) -> Found:
    hits: list[Hit] = []
    try:
        async for hit in source.search(query, limit=limit, start=start):
            hits.append(hit)  # noqa: PERF401 - those before a failure count
    except TellapartError as error:
        return hits, error
    return hits, None


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    with Services() as services:
        yield services


@pytest.fixture(scope="module")
def web() -> Iterator[PictureWeb]:
    with PictureWeb(("apple", "boat"), n=30, size=(32, 24), faults=False) as found:
        yield found


@pytest.fixture
def services(running: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    running.reset()
    for name in PAGED:
        kind = registry.load("source", name)
        assert issubclass(kind, Paged)
        monkeypatch.setattr(kind, "pause", 0.0)
    return running


@pytest.fixture
def bench_of(tmp_path: Path, services: Services, web: PictureWeb) -> Callable[..., Bench]:
    def make(kind: str, options: dict[str, Any] | None = None, **settings: Any) -> Bench:
        base = Settings(
            home=tmp_path / "home",
            openverse_url=web.openverse_url,
            commons_url=web.commons_url,
            fetch_timeout=10,
            **{**services.settings(), "allow_hosts": (services.host, web.host)},
        )
        given = options if options is not None else _options(kind, tmp_path)
        return Bench(kind, replace(base, **settings), services, given)

    return make


def _options(kind: str, folder: Path) -> dict[str, Any]:
    if kind == "huggingface":
        return {"name": DATA_SET}
    if kind == "urls":
        return {"file": str(write_list(folder / "list.csv"))}
    if kind == "folder":
        return {"path": str(write_folder(folder / "fruit"))}
    if kind == "zip":
        return {"path": str(write_zip(folder / "fruit.zip"))}
    return {}


def write_folder(folder: Path) -> Path:
    for word in ("apple", "pear"):
        (folder / word).mkdir(parents=True)
        for n in range(12):
            (folder / word / f"{n}.jpg").write_bytes(picture(f"{word}{n}"))
    return folder


def write_list(path: Path) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("url", "label"))
        rows.writerows((f"https://example.org/{n}.jpg", "apple") for n in range(12))
    return path


def write_zip(path: Path, **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for word in ("apple", "pear"):
            for n in range(12):
                archive.writestr(f"fruit/{word}/{n}.jpg", picture(f"{word}{n}"))
        for name, data in more.items():
            archive.writestr(name, data)
    return path
