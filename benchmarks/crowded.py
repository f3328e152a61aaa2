"""A project with thousands of pictures, made in seconds: for measurements and tests of pages."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from PIL import Image, ImageEnhance

from tellapart.catalog import Catalog, NewPicture, Verdict
from tellapart.demo.drawing import draw
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.store.database import open_database
from tellapart.store.files import FileStore

WORDS = ("apple", "boat", "fish", "star")
#: Drawings of each word; all others are these in another light.
_DRAWN = 12


def crowd(home: Path, pictures: int, *, name: str = "crowd", owner: str = "") -> None:
    """Put a project of so many pictures into `home`, each file different, one in six set aside."""
    settings = replace(Settings(), home=home, owner=owner)
    Project.create(check({"name": name, "classes": list(WORDS)}), settings).close()
    engine = open_database(settings)
    files = FileStore(settings.files_dir)
    catalog = Catalog.open(engine, name, owner)
    rows = [
        NewPicture(
            label=word,
            source="openverse",
            query=word,
            key=f"{word}-{rank}",
            file_url=f"https://pictures.example/{word}/{rank}.jpg",
            page_url=f"https://pictures.example/{word}/{rank}",
            creator="Tellapart",
            license="by",
            license_version="4.0",
            rank=rank,
            status="ok",
            sha256=files.put(data),
            bytes=len(data),
            width=320,
            height=240,
        )
        for word, rank, data in _files(pictures)
    ]
    catalog.add(rows)
    verdicts = []
    for place, row in enumerate(catalog.pictures()):
        aside = place % 6 == 5
        reason = ("off_topic", "near_duplicate", "blurred")[place // 6 % 3] if aside else ""
        verdicts.append(Verdict(id=row.id, kept=not aside, reason=reason))
    catalog.save_verdicts(verdicts)
    engine.dispose()


@cache
def _drawn() -> dict[str, list[Image.Image]]:
    return {word: [draw(word, seed) for seed in range(_DRAWN)] for word in WORDS}


def _files(pictures: int) -> Iterator[tuple[str, int, bytes]]:
    dice, drawn = random.Random(5), _drawn()
    for number in range(pictures):
        word, rank = WORDS[number % len(WORDS)], number // len(WORDS)
        shown: Image.Image = drawn[word][rank % _DRAWN]
        if rank >= _DRAWN:
            shown = ImageEnhance.Brightness(shown).enhance(0.6 + 0.8 * dice.random())
            shown = ImageEnhance.Color(shown).enhance(0.4 + dice.random())
        buffer = io.BytesIO()
        shown.save(buffer, "JPEG", quality=85, comment=f"{word} {rank}".encode())
        yield word, rank, buffer.getvalue()
