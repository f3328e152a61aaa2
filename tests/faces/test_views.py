"""Views of faces: the largest face upright, or the picture and the face, from recipe to bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import tellapart
from tellapart import images
from tellapart.bundle import card_people, face, faces
from tellapart.bundle.overlay import why_overlay
from tellapart.errors import NotFoundError, RecipeError, VerificationError
from tellapart.learn import backbone, doubling
from tellapart.recipe import check
from tellapart.report.people import Faces, Viewed
from tellapart.settings import Settings

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def cutter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], None]]:
    """Says what the views of this test find; whatever was found before comes back."""
    monkeypatch.setattr(images, "_cut_face", None)
    return lambda found: monkeypatch.setattr(images, "_cut_face", found)


def test_a_face_is_seen_alone_or_below_the_picture(cutter: Callable[[Any], None]) -> None:
    cutter(lambda image, side: Image.new("RGB", (side, side), RED))
    picture = Image.new("RGB", (80, 60), BLUE)
    face = images.prepare(picture, 32, "face")
    both = images.prepare(picture, 32, "both")
    assert face.shape == (32, 32, 3) and (face == RED).all()
    assert both.shape == (64, 32, 3) == (*images.seen(32, "both"), 3)
    assert (both[:32] == BLUE).all() and (both[32:] == RED).all()


def test_without_a_face_the_whole_is_seen(cutter: Callable[[Any], None]) -> None:
    cutter(lambda image, side: None)
    picture = Image.new("RGB", (80, 60), BLUE)
    assert (images.prepare(picture, 32, "face") == BLUE).all()
    assert (images.prepare(picture, 32, "both") == BLUE).all()


def test_without_a_detector_it_is_said(cutter: Callable[[Any], None]) -> None:
    with pytest.raises(NotFoundError, match="no detector of faces"):
        images.prepare(Image.new("RGB", (8, 8)), 32, "face")


def test_faces_are_looked_for_in_more_pixels() -> None:
    assert images.hint(224, "squash") == 224
    assert images.hint((224, 448), "face") == 640
    assert images.hint(800, "both") == 800


def test_no_other_detector_makes_a_view() -> None:
    with pytest.raises(VerificationError, match="views of faces"):
        faces.provide(b"another")


@pytest.mark.parametrize("word", ["whole", "squash"])
def test_whole_is_another_word_for_squash(word: str) -> None:
    recipe = check({"name": "x", "classes": ["a", "b"], "train": {"view": word}})
    assert recipe.train.view == "squash"


@pytest.mark.parametrize(
    "more",
    [
        {"effort": "good"},
        {"budget": "60s"},
        {"layers": [{"flatten": {}}, {"dense": {"units": 2}}], "input": [32, 32, 3]},
    ],
)
def test_faces_are_seen_by_frozen_features_alone(more: dict[str, Any]) -> None:
    asked = {"name": "x", "classes": ["a", "b"], "train": {"view": "face"}}
    assert check(asked).train.view == "face"
    with pytest.raises(RecipeError, match=r"train\.view"):
        check({**asked, **more})


def test_two_pictures_are_looked_at_as_one(settings: Settings) -> None:
    net = backbone.embedded(settings.cache_dir, 64)
    single = onnxruntime.InferenceSession(net.onnx.read_bytes())
    double = onnxruntime.InferenceSession(doubling.data_of(net, "both"))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 128, 64, 3), np.uint8)
    features, places = double.run(["features", "feature_map"], {"image": pixels})
    halves = [single.run(["features"], {"image": pixels[:, half]})[0] for half in _halves(64)]
    assert features.shape == (2, doubling.dim_of(net, "both"))
    assert np.abs(features - np.concatenate(halves, axis=1)).max() < 1e-4
    assert np.abs(places.mean(axis=(2, 3)) - features).max() < 1e-4
    # Each half of the map tells of its own picture alone.
    assert not places[:, net.dim :, : places.shape[2] // 2].any()
    assert not places[:, : net.dim, places.shape[2] // 2 :].any()
    assert doubling.model_of(net, "face") == net.onnx


def _halves(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(side, None)


def test_what_spoke_glows_on_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tuple((0.0, 0.0) for _ in range(5))
    found = face.Found((50, 50), 20, 20, marks, 0.9, 45)
    monkeypatch.setattr(faces, "largest", lambda image: found)
    gray = Image.new("RGB", (100, 100), (100, 100, 100))
    on_face = np.asarray(why_overlay(gray, np.ones((7, 7), np.float32), view="face"), int)
    dim = on_face[5, 5].sum()
    assert on_face[50, 50].sum() > 2 * dim
    assert on_face[50, 67].sum() > 2 * dim  # a corner of the square, turned by 45°
    assert on_face[38, 62].sum() == dim  # where that corner would be unturned
    heat = np.zeros((14, 7), np.float32)
    heat[:7] = 1
    both = np.asarray(why_overlay(gray, heat, view="both"), int)
    assert both[5, 5].sum() > 2 * dim


def test_the_views_are_compared_in_plain_words() -> None:
    def viewed(view: Any, right: int, chosen: bool = False) -> Viewed:
        return Viewed(view, right, 100, right / 100 - 0.08, right / 100 + 0.08, chosen)

    won = Faces(10, 10, [viewed("squash", 80), viewed("face", 90, True)])
    near = Faces(10, 10, [viewed("squash", 90), viewed("face", 88, True)])
    lost = Faces(10, 10, [viewed("squash", 95), viewed("face", 60, True)])
    assert "No other view" in won.verdict
    assert "chance" in near.verdict
    assert "`train.view: squash`" in lost.verdict
    assert Faces(10, 10).verdict == ""


@pytest.mark.parametrize(
    ("looked", "found", "said"), [(10, 6, True), (10, 5, False), (0, 0, False)]
)
def test_models_of_people_say_what_they_are_not_for(looked: int, found: int, said: bool) -> None:
    card = card_people.section({"people": {"looked": looked, "with_faces": found}})
    assert ("work, school, housing" in card) is said
    assert Faces(looked, found).mostly is said
    assert card_people.section({}) == ""


@pytest.mark.slow
@pytest.mark.shared
def test_a_bundle_brings_its_detector_along(
    tmp_path: Path, settings: Settings, shared_data: Path, yunet: Path
) -> None:
    portraits = sorted((shared_data / "congress_faces/img").glob("*.jpg"))
    for number, path in enumerate(portraits[:24]):
        # Told apart by their ground alone, which a face does not show.
        folder = tmp_path / "people" / ("left", "right")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    with pytest.raises(NotFoundError, match="face detector"):
        tellapart.train(tmp_path / "people", settings=settings, train={"view": "both"}, name="x")
    here = replace(settings, faces=yunet)
    made = tellapart.train(
        tmp_path / "people", settings=here, train={"view": "both"}, name="people"
    )
    bundle = Path(made.bundle)
    found = tellapart.Bundle.load(bundle)
    assert found.manifest["input"]["view"] == "both"
    assert found.manifest["people"] == {"looked": 24, "with_faces": 24}
    assert found.manifest["licenses"]["faces"] == "Apache-2.0"
    photo = shared_data / "photos_misc/grace_hopper.bmp"
    answer, heat = found.why(photo)
    assert answer.heat().shape == (14, 7) and heat.size
    # By itself, in a process that knows of no detector but its own.
    run = [sys.executable, str(bundle), "predict", str(photo), "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    for label, chance in answer.probabilities.items():
        assert label in done.stdout
        assert f"{chance:.3f}"[:4] in done.stdout
    report = (here.projects_dir / "people/work/report.html").read_text()
    assert "What it must not be used for" in report and 'id="views"' in report
    assert "## What it must not be used for" in _readme(bundle)


def _readme(bundle: Path) -> str:
    import zipfile

    with zipfile.ZipFile(bundle) as archive:
        assert "faces.onnx" in archive.namelist()
        return archive.read("README.md").decode()
