"""Who is to be seen in pictures, as the rules ask for it: looked at once, kept by content."""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError
from tellapart.learn import measuring
from tellapart.learn.faces import Face
from tellapart.learn.labelling import Seen
from tellapart.recipe import Rules
from tellapart.steps import Progress, StepContext
from tellapart.steps.people import Faces
from tellapart.store.files import FileStore


def see(context: StepContext, rules: Rules, rows: Sequence[PictureRow]) -> dict[str, Seen]:
    """Look at pictures for people, by picture id; what cannot be read is not in it.

    Raises `NotFoundError` where there is no detector of faces, or no model of ages and sexes and a
    rule asks for one.
    """
    if not rows:
        return {}
    faces = Faces(context.settings, context.catalog.engine)
    if rules.asks_estimates and not faces.estimates:
        raise NotFoundError(
            "The rules ask for ages or sexes, and there is no model that estimates them.",
            expected="a model of ages and sexes",
            do="Name one (TELLAPART_AGE_SEX), or take `age` and `male` out of `rules.order`.",
        )
    files = FileStore(context.settings.files_dir)
    readers = {row.sha256: measuring.reader(files, row.sha256, row.path) for row in rows}

    def tell(done: int, total: int) -> None:
        context.progress(Progress("collect", done, total, "looking for faces"))

    found = faces.seen(readers, tell)
    return {row.id: seen(found[row.sha256], faces.estimates) for row in rows if row.sha256 in found}


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
