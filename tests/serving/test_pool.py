"""A pool answers as the bundle itself does: pictures, rows, tensors, maps, and what is unusable."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tellapart import Bundle, images
from tellapart.errors import InputError, NotFoundError
from tellapart.serving.jobs import Tensor

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def later_colors(tmp_path_factory: pytest.TempPathFactory, make_bundle: Any) -> Path:
    path: Path = make_bundle(tmp_path_factory.mktemp("later"), "colors", version=2, gain=2.0)
    return path


@pytest.fixture(scope="module")
def running(
    start_pool: Start,
    colors_bundle: Path,
    later_colors: Path,
    shades_bundle: Path,
    sizes_bundle: Path,
) -> Any:
    return start_pool(
        colors_bundle, later_colors, shades_bundle, sizes_bundle, workers=2, max_pixels=1_000_000
    )


def array(tensor: Tensor) -> np.ndarray:
    return np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)


def test_the_front_knows_the_models(running: Any) -> None:
    models = running.pool.models
    assert [info.key for info in models] == [
        ("colors", 1),
        ("colors", 2),
        ("shades", 1),
        ("sizes", 1),
    ]
    colors, sizes = models.find("colors"), models.find("sizes")
    assert colors.labels == ("blue", "green", "red") and colors.shape == (32, 32, 3)
    assert colors.outputs["map"] == ("float32", (3, 7, 7))
    assert colors.runs_on["engine"] == "onnxruntime" and colors.min_familiarity == 0.4
    assert sizes.kind == "row" and sizes.columns == ("width", "height", "color")
    assert models.find("shades").color == "gray" and models.find("shades").shape == (6, 9, 1)
    assert running.pool.ready and not running.pool.full


@pytest.mark.parametrize("color", ["red", "lime", "navy", (120, 130, 110)])
def test_answers_are_the_bundles(running: Any, colors_bundle: Path, draw: Any, color: Any) -> None:
    picture = draw(color, format="JPEG")
    expected = Bundle.load(colors_bundle, threads=1).predict(picture)
    answer = running.ask(picture, model="colors", version=1)
    assert (answer.label, answer.best) == (expected.label, expected.best)
    assert list(answer.probabilities) == list(expected.probabilities.values())
    assert answer.familiarity == expected.familiarity
    assert answer.abstained == expected.abstained
    assert answer.error is None and answer.http_status == 200
    assert answer.seconds.infer > 0 and answer.seconds.decode > 0


def test_the_highest_version_answers_where_none_is_named(running: Any, draw: Any) -> None:
    answer = running.ask(draw("red"))
    assert (answer.model, answer.version) == ("colors", 2)
    assert running.ask(draw("red"), version=1).version == 1


def test_a_map_comes_with_its_picture(running: Any, colors_bundle: Path, draw: Any) -> None:
    picture = draw("red", size=(900, 300))
    answer = running.ask(picture, version=1, why=True)
    expected = Bundle.load(colors_bundle, threads=1).predict(picture, why=True)
    assert answer.map_kind == "cam" and expected.map is not None
    assert np.array_equal(array(answer.map), expected.map)
    with Image.open(io.BytesIO(answer.overlay)) as laid:
        assert laid.format == "PNG" and laid.size == (768, 256)


def test_a_model_without_a_map_is_asked_by_occlusion(
    running: Any, shades_bundle: Path, draw: Any
) -> None:
    picture = draw("white")
    answer = running.ask(picture, model="shades", why=True)
    expected = Bundle.load(shades_bundle, threads=1).predict(picture, why=True)
    assert (
        answer.map_kind == "occlusion" and answer.familiarity is None and expected.map is not None
    )
    assert np.array_equal(array(answer.map), expected.map)


def test_prepared_pixels_and_raw_outputs(running: Any, colors_bundle: Path, draw: Any) -> None:
    picture = draw("lime")
    pixels = images.load(picture, 32)
    answer = running.ask(
        pixels.tobytes(), kind="tensor", version=1, outputs=("logits", "probabilities")
    )
    expected = Bundle.load(colors_bundle, threads=1).outputs(pixels[None], ["logits"])["logits"][0]
    assert np.array_equal(array(answer.outputs["logits"]), expected)
    assert list(array(answer.outputs["probabilities"])) == list(answer.probabilities)
    assert answer.label == "green" and answer.map is None and answer.overlay is None


def test_rows_by_name_by_place_and_as_numbers(running: Any, sizes_bundle: Path) -> None:
    bundle = Bundle.load(sizes_bundle, threads=1)
    for row in ({"width": 5, "height": None, "color": "red"}, [5.0, 2.0, "blue"]):
        expected = bundle.predict(row)
        answer = running.ask(json.dumps(row).encode(), model="sizes", kind="row")
        assert answer.label == expected.label
        assert list(answer.probabilities) == list(expected.probabilities.values())
    numbers = np.array([9, 1, 0], "<f4").tobytes()
    assert running.ask(numbers, model="sizes", kind="tensor").label == "large"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"word"',
        b"[1]",
        b"[" * 100_000,
        b"[[1], {}, true]",
        b'{"width": {"a": 1}, "height": [], "color": "red"}',
        b'{"wide": 1, "height": 2, "color": "red"}',
        b"[" + b"9" * 5000 + b", 1, 2]",
        b"[1e999, 1, 2]",
        b"\xff\xfe",
    ],
)
def test_a_row_that_cannot_be_read_says_why(running: Any, payload: bytes) -> None:
    answer = running.ask(payload, model="sizes", kind="row")
    if answer.error is None:
        assert len(answer.probabilities) == 2  # strange, but a row
        return
    assert answer.http_status == 422 and answer.label is None and not answer.probabilities
    assert all(answer.error[part] for part in ("what", "expected", "do"))


def test_an_unusable_picture_has_its_error_and_the_others_their_answers(
    running: Any, draw: Any
) -> None:
    whole = draw("red", size=(300, 300), format="JPEG")
    payloads = [
        whole,
        b"",
        b"no picture",
        whole[:400],
        draw("navy"),
        draw("red", size=(1001, 1000)),
    ]
    answers = [one.result(30) for one in running.begin(*payloads, version=1)]
    assert [answer.label for answer in answers] == ["red", None, None, None, "blue", None]
    reasons = [answer.error["reason"] for answer in answers if answer.error]
    assert reasons == ["empty", "not_a_picture", "truncated", "too_large"]
    assert {answer.http_status for answer in answers if answer.error} == {422}
    assert "at most 1 megapixels" in answers[-1].error["expected"]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"model": "sizes"}, "takes no picture"),
        ({"model": "sizes", "kind": "row", "why": True}, "gives no map"),
        ({"kind": "row"}, "takes no row"),
        ({"kind": "tensor"}, "has 4 bytes"),
        ({"outputs": ("nonsense",)}, "no output 'nonsense'"),
    ],
)
def test_a_job_that_the_model_does_not_take_is_refused(
    running: Any, job: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        running.ask(b"1234", **job)


def test_an_unknown_model_is_refused_before_anything_is_queued(running: Any, draw: Any) -> None:
    before = running.stats()["served"]
    with pytest.raises(NotFoundError, match="no model 'cats'"):
        running.begin(draw("red"), model="cats")
    assert running.stats()["served"] == before


def test_many_at_once_are_answered_each_with_its_own(running: Any, draw: Any) -> None:
    named = {"red": draw("red"), "green": draw("lime"), "blue": draw("navy")}
    names = list(named) * 40
    running.until(lambda: len(running.pids()) == 2)  # it starts with the first that is ready
    futures = running.begin(*[named[name] for name in names], version=1)
    assert [future.result(60).label for future in futures] == names
    stats = running.stats()
    assert stats["waiting"] == stats["in_work"] == 0 and len(stats["workers"]) == 2
    assert all(worker["answered"] for worker in stats["workers"])


def test_a_cancelled_job_holds_nothing_up(running: Any, draw: Any) -> None:
    futures = running.begin(*[draw("red")] * 50, version=1)
    for future in futures[::2]:
        future.cancel()
    assert all(future.result(30).label == "red" for future in futures[1::2])
    running.until(lambda: running.stats()["in_work"] == running.stats()["waiting"] == 0)
    assert running.ask(draw("red"), version=1).label == "red"


def test_what_is_late_already_is_not_begun(running: Any, draw: Any) -> None:
    from tellapart.errors import DeadlineError, OverloadedError

    with pytest.raises((DeadlineError, OverloadedError)):
        running.begin(draw("red"), seconds=-time.monotonic())[0].result(30)
