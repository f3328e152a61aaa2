"""Who is to be seen in pictures: looked at once, kept apart, dropped at will."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tellapart import registry
from tellapart.catalog import people as kept
from tellapart.learn.faces import AgeEstimate, Face, People, SexEstimate, models
from tellapart.learn.faces.stored import from_rows, to_rows
from tellapart.settings import Settings
from tellapart.steps.curate.material import analyzers
from tellapart.steps.people import Faces
from tellapart.store.database import open_database
from tellapart.store.schema_people import people
from tests.faces.conftest import nothing, saying

FACE = Face(
    (1.0, 2.0, 30.0, 40.0),
    tuple((float(i), float(i)) for i in range(5)),
    0.93,
    140.0,
    AgeEstimate(31.5, 7.2, 8.0),
    SexEstimate("female", 0.75),
)


def test_faces_become_rows_and_come_back() -> None:
    bare = replace(FACE, age=None, sex=None)
    assert from_rows(to_rows([FACE, bare])) == [FACE, bare]


def test_rows_are_kept_by_models_and_dropped(settings: Settings) -> None:
    engine = open_database(settings)
    shas = ["a" * 64, "b" * 64]
    kept.save(engine, "v1", {sha: to_rows([FACE]) for sha in shas})
    assert set(kept.stored(engine, "v1", shas)) == set(shas)
    assert kept.stored(engine, "v2", shas) == {}
    kept.save(engine, "v2", {shas[0]: []})
    assert kept.stored(engine, "v1", shas) == {shas[1]: to_rows([FACE])}
    assert kept.drop(engine, [shas[0]]) == 1
    assert kept.drop(engine) == 1
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(people)) == 0
    engine.dispose()


def test_nobody_is_asked_for_faces_unless_that_is_wanted() -> None:
    """Curation takes every analyzer but those that measure people."""
    assert registry.load("analyzer", "faces").private
    assert "faces" in registry.names("analyzer")
    assert "faces" not in {one.name for one in analyzers()}


def test_a_picture_is_looked_at_once(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(saying(nothing(), [1, 3, 64, 64]))
    engine = open_database(settings)
    seeing = Faces(replace(settings, faces=own), engine)
    reads: list[str] = []

    def read(name: str) -> bytes:
        reads.append(name)
        return b"no picture" if name == "broken" else _png()

    pictures = {name: lambda name=name: read(name) for name in ("one", "two", "broken")}
    told: list[tuple[int, int]] = []
    assert seeing.seen(pictures, lambda *done: told.append(done)) == {"one": [], "two": []}
    assert told == [(3, 3)]
    assert seeing.seen(pictures) == {"one": [], "two": []}
    assert sorted(reads) == ["broken", "broken", "one", "two"]
    assert set(seeing.stored(pictures)) == {"one", "two"}
    engine.dispose()


def _png() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.shared
def test_real_people_are_seen(settings: Settings, shared_data: Path, yunet: Path) -> None:
    folder = shared_data / "face_models"
    here = replace(settings, faces=yunet, age_sex=str(folder / "age_sex_112.onnx"))
    models.get_age_sex(here, lambda text: "MIT" in text, folder / "face-api/LICENSE")
    engine = open_database(here)
    seeing = Faces(here, engine)
    assert seeing.estimates
    photo = shared_data / "photos_misc/face.jpg"
    seen = seeing.seen({"four": photo.read_bytes})["four"]
    assert len(seen) == 4
    sizes = [face.box[2] * face.box[3] for face in seen]
    assert sizes == sorted(sizes, reverse=True)
    for face in seen:
        assert face.age is not None and face.sex is not None
        assert 10 < face.age.years < 90 and face.age.error == 7.2
        assert 0.5 <= face.sex.probability <= 1
    # What is stored is what was seen, to a tenth of a pixel.
    from tellapart import images

    (first, *_) = People(here).look(np.asarray(images.decode(photo, hint=640)))
    assert first.age == seen[0].age and first.sex == seen[0].sex
    engine.dispose()
