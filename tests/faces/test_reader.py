"""Reading YuNet's network: as OpenCV reads it, and whatever a network says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tellapart import images
from tellapart.bundle.face import Found, cut
from tellapart.bundle.faces import FaceReader, decoded
from tellapart.errors import VerificationError
from tests.faces.conftest import nothing, saying

PICTURES = {"face.jpg": 4, "grace_hopper.bmp": 1, "skimage/astronaut.png": 1, "coffee.png": 0}


def _one(side: int = 64) -> dict[str, np.ndarray]:
    """A face around the cell (2, 1) of the grid of 16: its middle at (24, 40) of 64 × 64."""
    says = nothing(side)
    cell = 2 * (side // 16) + 1
    says["cls_16"][0, cell], says["obj_16"][0, cell] = 0.95, 0.95
    says["bbox_16"][0, cell] = [0.5, 0.5, math.log(2), math.log(2.5)]
    says["kps_16"][0, cell] = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
    return says


def test_a_cell_becomes_a_box_in_pixels() -> None:
    (face,) = decoded(_one(), (64, 64))
    assert face.center == pytest.approx((24, 40))
    assert (face.width, face.height) == pytest.approx((32, 40))
    assert face.box == pytest.approx((8, 20, 32, 40))
    assert face.landmarks[0] == pytest.approx((16, 32))
    assert face.landmarks[2] == pytest.approx((24, 40))
    assert face.confidence == pytest.approx(0.95)


def test_the_likelier_of_two_boxes_on_one_face_stays() -> None:
    says = _one()
    for stride, cell in ((16, 2 * 4 + 2), (8, 0)):
        says[f"cls_{stride}"][0, cell] = says[f"obj_{stride}"][0, cell] = 0.9
        says[f"bbox_{stride}"][0, cell] = [0, 0, math.log(2), math.log(2)]
    says["bbox_16"][0, 2 * 4 + 2] = [-0.5, 0.5, math.log(2), math.log(2.5)]
    found = decoded(says, (64, 64))
    assert [round(face.confidence, 2) for face in found] == [0.95, 0.9]
    assert found[1].center == pytest.approx((0, 0))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 50.0, 1e30, math.inf, math.nan]))
def test_whatever_a_network_says_is_read(seed: int, size: float) -> None:
    draw = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        says = {
            name: (draw.standard_normal(value.shape) * size).astype(np.float32)
            for name, value in nothing(32).items()
        }
        for face in decoded(says, (32, 32)):
            assert 0.85 <= face.confidence <= 1
            assert face.width >= 0 and face.height >= 0


def test_a_network_of_one_size_takes_pictures_of_all_sizes() -> None:
    fixed = FaceReader(saying(_one(), [1, 3, 64, 64]))
    (small,) = fixed.find(Image.new("RGB", (64, 64)), turned=False)
    (large,) = fixed.find(Image.new("RGB", (128, 256)), turned=False)
    assert small.center == pytest.approx((24, 40))
    assert large.center == pytest.approx((96, 160))  # brought to 32 × 64 and back


def test_faces_smaller_than_24_pixels_are_none() -> None:
    says = _one()
    says["bbox_16"][0, 2 * 4 + 1, 2:] = math.log(1.4)  # 22 pixels
    fixed = FaceReader(saying(says, [1, 3, 64, 64]))
    assert fixed.find(Image.new("RGB", (64, 64)), turned=False) == []
    assert len(fixed.find(Image.new("RGB", (128, 128)), turned=False)) == 1


@pytest.mark.parametrize(
    "data", [b"", b"no network", saying({"age": np.zeros((1, 1), np.float32)}, [1, 3, 8, 8])]
)
def test_what_is_no_such_network_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="face detector"):
        FaceReader(data)


def test_it_is_cut_out_of_the_turned_picture() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[60:100, 80:120] = (255, 0, 0)  # above
    pixels[100:140, 80:120] = (0, 0, 255)  # below
    marks = tuple((0.0, 0.0) for _ in range(5))
    for angle in (0, 90, 180, 217):
        turned = Image.fromarray(pixels).rotate(angle, Image.Resampling.BICUBIC)
        face = Found((100, 100), 40, 80, marks, 0.9, (360 - angle) % 360)
        found = cut(turned, face, 80, 0.0)
        assert found.shape == (80, 80, 3)
        assert found[20, 40, 0] > 200 > 60 > found[20, 40, 2]
        assert found[60, 40, 2] > 200 > 60 > found[60, 40, 0]


def test_beyond_the_picture_lies_gray() -> None:
    marks = tuple((0.0, 0.0) for _ in range(5))
    found = cut(Image.new("RGB", (50, 50)), Found((0, 0), 40, 40, marks, 0.9), 40, 0.0)
    assert found[5, 5].tolist() == [127] * 3 and found[35, 35].tolist() == [0] * 3


@pytest.mark.shared
@pytest.mark.parametrize("name", ["face.jpg", "grace_hopper.bmp", "skimage/astronaut.png"])
def test_it_reads_as_opencv_does(name: str, shared_data: Path, yunet: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless, of the extra [dev]")
    image = images.decode(shared_data / "photos_misc" / name)
    for size in (image.size, (320, 224), (101, 77)):
        pixels = np.asarray(image.resize(size))
        theirs = cv2.FaceDetectorYN.create(str(yunet), "", size, 0.6, 0.3, 5000)
        _, rows = theirs.detect(np.ascontiguousarray(pixels[..., ::-1]))
        ours = FaceReader(yunet.read_bytes()).look(pixels, 0.6)
        rows = [] if rows is None else rows[np.argsort(-rows[:, 14])]
        assert len(rows) == len(ours)
        for row, face in zip(rows, ours, strict=True):
            assert face.box == pytest.approx(row[:4], abs=0.05)
            assert np.ravel(face.landmarks) == pytest.approx(row[4:14], abs=0.05)
            assert face.confidence == pytest.approx(row[14], abs=1e-3)


@pytest.mark.shared
def test_faces_are_counted_and_turned_upright(reader: FaceReader, shared_data: Path) -> None:
    for name, count in PICTURES.items():
        folder = "photos_misc/skimage" if name == "coffee.png" else "photos_misc"
        image = images.decode(shared_data / folder / name, hint=640)
        assert len(reader.find(image)) == count
    astronaut = images.decode(shared_data / "photos_misc/skimage/astronaut.png")
    for angle in (35, 90, 180, 263):
        turned = astronaut.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        (face,) = reader.find(turned)
        assert abs((face.angle + angle + 180) % 360 - 180) <= 20
        # What is cut out stands upright: its eyes are found above its mouth.
        (again,) = reader.look(cut(turned, face, 160, 0.4))
        assert max(again.landmarks[0][1], again.landmarks[1][1]) < again.landmarks[3][1]
