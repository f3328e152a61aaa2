"""Who is to be seen in pictures: looked at once, kept by content."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tellapart import images
from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError, PictureError
from tellapart.learn.faces import Face, People
from tellapart.learn.labelling import Seen
from tellapart.recipe import Rules
from tellapart.steps import Progress, StepContext

_TOLD_EVERY = 64


def see(context: StepContext, rules: Rules, rows: Sequence[PictureRow]) -> dict[str, Seen]:
    """Look at pictures for people, by picture id; what cannot be read is not in it.

    Raises `NotFoundError` where there is no detector of faces, or no model of ages and sexes and a
    rule asks for one.
    """
    if not rows:
        return {}
    people = People(context.settings)
    if rules.asks_estimates and not people.estimates:
        raise NotFoundError(
            "The rules ask for ages or sexes, and there is no model that estimates them.",
            expected="a model of ages and sexes",
            do="Name one (TELLAPART_AGE_SEX), or take `age` and `male` out of `rules.order`.",
        )
    of_sha: dict[str, list[PictureRow]] = {}
    for row in rows:
        of_sha.setdefault(row.sha256, []).append(row)
    found: dict[str, Seen] = {}

    def look(path: str) -> Seen | None:
        try:
            return seen(people.look(images.decode(Path(path).read_bytes())), people.estimates)
        except (PictureError, OSError):
            return None

    paths = [same[0].path for same in of_sha.values()]
    with ThreadPoolExecutor(context.settings.worker_threads, "tellapart-faces") as pool:
        for done, (same, one) in enumerate(
            zip(of_sha.values(), pool.map(look, paths), strict=True), start=1
        ):
            if one is not None:
                found.update((row.id, one) for row in same)
            if done % _TOLD_EVERY == 0 or done == len(paths):
                context.progress(Progress("collect", done, len(paths), "looking for faces"))
    return found


def seen(faces: Sequence[Face], estimated: bool) -> Seen:
    """What a look at a picture gave, as the rules ask for it."""
    if not estimated:
        return Seen(people=len(faces))
    males = [
        face.sex.probability if face.sex.sex == "male" else 1 - face.sex.probability
        for face in faces
        if face.sex is not None
    ]
    ages = tuple(face.age for face in faces if face.age is not None)
    return Seen(people=len(faces), male=max(males, default=0.0), ages=ages)
