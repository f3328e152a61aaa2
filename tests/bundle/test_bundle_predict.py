"""Predicting with a bundle: every form of picture, batches, threads, abstaining, maps."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tellapart import images
from tellapart.bundle import Bundle, Prediction, why_overlay
from tellapart.bundle.write import write_zip
from tellapart.errors import InputError, NotFoundError, PictureError, VerificationError

Draw = Callable[..., bytes]
Maker = Callable[..., dict[str, bytes]]


@pytest.fixture(scope="module")
def bundle(tiny_zip: Path) -> Bundle:
    return Bundle.load(tiny_zip)


def test_what_a_bundle_says_of_itself(bundle: Bundle) -> None:
    assert (bundle.name, bundle.version) == ("colors", 1)
    assert bundle.labels == ("blue", "green", "red")
    assert bundle.manifest["format"] == 1


def test_every_form_of_a_picture_gets_the_same_answer(
    bundle: Bundle, draw: Draw, tmp_path: Path
) -> None:
    data = draw("red", (64, 48))
    (tmp_path / "a.png").write_bytes(data)
    forms = [
        data,
        bytearray(data),
        memoryview(data),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.open(io.BytesIO(data)),
        np.asarray(Image.open(io.BytesIO(data))),
    ]
    answers = bundle.predict(forms)  # type: ignore[arg-type]
    assert [answer.label for answer in answers] == ["red"] * len(forms)
    assert all(answer.probabilities == answers[0].probabilities for answer in answers)
    assert sum(answers[0].probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert list(answers[0].probabilities) == list(bundle.labels)


def test_gray_arrays_and_turned_pillow_images(bundle: Bundle) -> None:
    gray = bundle.predict(np.full((10, 20), 200, np.uint8))
    assert gray.probabilities["red"] == pytest.approx(1 / 3, abs=1e-6)
    top = np.zeros((40, 80, 3), np.uint8)
    top[:20, :, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.fromarray(top).save(out, "PNG", exif=exif)
    turned = bundle.predict(Image.open(out), why=True)
    heat = turned.heat("red")
    assert heat[:, 5].mean() > heat[:, 1].mean() + 1  # the top has come to the right


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        3,
        None,
    ],
)
def test_what_is_no_picture_is_said(bundle: Bundle, wrong: object) -> None:
    with pytest.raises(PictureError) as caught:
        bundle.predict(wrong)  # type: ignore[call-overload]
    assert caught.value.reason == "not_a_picture"


def test_a_single_bad_picture_raises_and_in_a_batch_it_does_not(
    bundle: Bundle, draw: Draw, tmp_path: Path
) -> None:
    with pytest.raises(PictureError):
        bundle.predict(b"junk")
    with pytest.raises(PictureError):
        bundle.predict(draw("red")[:-30])
    with pytest.raises(NotFoundError):
        bundle.predict(tmp_path / "none.png")
    with pytest.raises(PictureError):
        bundle.predict(tmp_path)
    mixed = [draw("red"), b"junk", str(tmp_path / "none.png"), draw("blue"), b""]
    found = bundle.predict(mixed)
    assert [answer.label for answer in found] == ["red", None, None, "blue", None]
    assert [answer.error is None for answer in found] == [True, False, False, True, False]
    assert found[1].best is None
    assert found[1].to_dict()["error"]["code"] == "picture"
    assert not found[1].abstained


def test_batches_of_any_size_come_back_in_order(bundle: Bundle, draw: Draw) -> None:
    names = ["red", "green", "blue"]
    colors = [names[k * k % 3] for k in range(37)]
    drawn = {name: draw((0, 200, 0) if name == "green" else name) for name in names}
    found = bundle.predict([drawn[color] for color in colors])
    assert [answer.label for answer in found] == colors
    assert bundle.predict([]) == []
    single = bundle.predict(drawn["red"])
    assert found[colors.index("red")].probabilities == single.probabilities


def test_a_stream_reads_no_further_than_it_must(bundle: Bundle, draw: Draw) -> None:
    read = 0

    def pictures() -> object:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield draw("red")

    assert next(bundle.stream(pictures())).label == "red"  # type: ignore[arg-type]
    assert read <= 16


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_many_threads_get_the_answers_of_one(tiny_zip: Path, draw: Draw, engine: str) -> None:
    pytest.importorskip(engine)
    shared = Bundle.load(tiny_zip, engine=engine, threads=1)  # type: ignore[arg-type]
    shades = [draw((40 * k % 256, 90 * k % 256, 170 * k % 256)) for k in range(24)]
    alone = [shared.predict(shade).probabilities for shade in shades]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.predict, shades * 4))
    assert [answer.probabilities for answer in found] == alone * 4  # type: ignore[union-attr]


def test_both_engines_agree(tiny_zip: Path, draw: Draw) -> None:
    pytest.importorskip("openvino")
    shades = [draw((40 * k, 90 * k % 256, 170 * k % 256)) for k in range(6)]
    ours = Bundle.load(tiny_zip).predict(shades)
    theirs = Bundle.load(tiny_zip, engine="openvino").predict(shades)
    for a, b in zip(ours, theirs, strict=True):
        assert a.best == b.best
        assert list(a.probabilities.values()) == pytest.approx(
            list(b.probabilities.values()), abs=1e-5
        )


_WHERE_THREADS_RUN = """
import os, sys, threading
from pathlib import Path
from tellapart.bundle import Bundle
bundle = Bundle.load(sys.argv[1], engine="openvino", threads=1)
data = Path(sys.argv[2]).read_bytes()
done = threading.Event()
def predict():
    for _ in range(60):
        bundle.predict([data] * 16)
    done.set()
threading.Thread(target=predict).start()
seen = set()
while not done.is_set():
    for task in os.listdir("/proc/self/task"):
        try:
            seen.add(frozenset(os.sched_getaffinity(int(task))))
        except ProcessLookupError:
            pass
print(len(seen))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="asks for a thread's cores")
def test_no_thread_is_bound_to_one_core(tiny_zip: Path, draw: Draw, tmp_path: Path) -> None:
    """Processes of one thread each were all bound to the same core, and half as fast."""
    pytest.importorskip("openvino")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this process may use one core only")
    picture = tmp_path / "red.png"
    picture.write_bytes(draw("red"))
    words = [sys.executable, "-c", _WHERE_THREADS_RUN, str(tiny_zip), str(picture)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["1"]


def test_an_unknown_engine_is_said(tiny_zip: Path) -> None:
    with pytest.raises(InputError, match="cuda"):
        Bundle.load(tiny_zip, engine="cuda")  # type: ignore[arg-type]


def test_it_abstains_below_either_threshold(tmp_path: Path, tiny_files: Maker, draw: Draw) -> None:
    path = tmp_path / "a.zip"
    dark, gray, red = (draw(color) for color in ("black", "gray", "red"))
    write_zip(path, tiny_files(thresholds={"familiarity": 0.4, "probability": None}))
    found = Bundle.load(path).predict([dark, gray, red])
    assert [answer.abstained for answer in found] == [True, False, False]
    assert found[0].label is None
    assert found[0].best is not None
    assert found[0].to_dict()["label"] is None
    write_zip(path, tiny_files(thresholds={"familiarity": None, "probability": 0.6}))
    found = Bundle.load(path).predict([dark, gray, red])
    assert [answer.label for answer in found] == [None, None, "red"]
    write_zip(path, tiny_files(thresholds={"familiarity": None, "probability": None}))
    assert not any(answer.abstained for answer in Bundle.load(path).predict([dark, gray, red]))


def test_an_answer_is_json(bundle: Bundle, draw: Draw) -> None:
    found = json.loads(json.dumps(bundle.predict(draw("red"), why=True).to_dict()))
    assert set(found) == {"label", "best", "abstained", "familiarity", "probabilities"}


def half(left: str, right: str, size: tuple[int, int] = (80, 60)) -> Image.Image:
    image = Image.new("RGB", size, left)
    image.paste(Image.new("RGB", (size[0] // 2, size[1]), right), (size[0] // 2, 0))
    return image


def test_the_map_shows_where(bundle: Bundle) -> None:
    found = bundle.predict(half("red", "blue"), why=True)
    assert found.map is not None
    assert found.map.shape == (3, 7, 7)
    assert found.heat("red")[:, :2].mean() > found.heat("red")[:, 5:].mean() + 1
    assert found.heat("blue")[:, 5:].mean() > found.heat("blue")[:, :2].mean() + 1
    with pytest.raises(InputError):
        found.heat("cat")
    with pytest.raises(InputError):
        bundle.predict(half("red", "blue")).heat()


@pytest.mark.parametrize("view", images.VIEWS)
def test_the_overlay_glows_where_the_map_says(view: str) -> None:
    image = Image.new("RGB", (200, 100), (90, 90, 90))
    heat = np.zeros((7, 7), np.float32)
    heat[3, 1] = 2.0
    shown = why_overlay(image, heat, "", view)
    assert shown.size == image.size
    light = np.asarray(shown, np.float32).sum(axis=2)
    y, x = np.unravel_index(light.argmax(), light.shape)
    cell = 1.5 / 7
    expected = {"squash": 200 * cell, "crop": 100 + 87.5 * (cell - 0.5), "pad": 200 * cell}[view]
    assert x == pytest.approx(expected, abs=6)
    assert y == pytest.approx(50, abs=6)
    assert light[90, 190] < 3 * 90  # what does not speak for it is dimmed


def test_the_overlay_takes_what_it_is_given(bundle: Bundle) -> None:
    blank = why_overlay(Image.new("L", (50, 40), 100), np.full((7, 7), -1.0), "ein Wort ✓")
    assert blank.mode == "RGB"
    why_overlay(Image.new("RGB", (1, 3000)), np.ones((7, 7)))
    assert max(why_overlay(Image.new("RGB", (5000, 20)), np.ones((7, 7))).size) <= 2048
    found, shown = bundle.why(half("red", "blue"), "blue")
    assert isinstance(found, Prediction)
    pixels = np.asarray(shown, np.float32).sum(axis=2)
    assert pixels[:, 60:].mean() > pixels[:, :20].mean()


def test_a_model_that_is_none_is_said(tmp_path: Path, tiny_files: Maker) -> None:
    path = tmp_path / "a.zip"
    for model in (b"", b"junk", tiny_files()["model.onnx"][:-300]):
        write_zip(path, {**tiny_files(), "model.onnx": model})
        for engine in ("onnxruntime", "openvino"):
            pytest.importorskip(engine)
            with pytest.raises(VerificationError, match="model"):
                Bundle.load(path, engine=engine)  # type: ignore[arg-type]


def test_a_model_without_the_outputs_is_said(tmp_path: Path, tiny_files: Maker, draw: Draw) -> None:
    import onnx

    model = onnx.load_from_string(tiny_files()["model.onnx"])
    del model.graph.output[1]
    path = tmp_path / "a.zip"
    write_zip(path, {**tiny_files(), "model.onnx": model.SerializeToString()})
    with pytest.raises(VerificationError, match="does not run"):
        Bundle.load(path).predict(draw("red"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are bound on Linux alone")
def test_no_more_threads_than_cores_that_are_allowed(tiny_files: Maker, tmp_path: Path) -> None:
    """As in a container: threads beyond would be bound to cores that it may not use."""
    model = tmp_path / "model.onnx"
    model.write_bytes(tiny_files()["model.onnx"])
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from tellapart.bundle.session import Session\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "Session(data, engine='onnxruntime', threads=1)\n"
        "one = len(os.listdir('/proc/self/task'))\n"
        "kept = Session(data, engine='onnxruntime')\n"
        "print(len(os.listdir('/proc/self/task')) - one)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, timeout=60
    )
    assert (found.stdout.strip(), found.stderr) == ("0", "")
