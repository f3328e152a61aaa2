"""Whatever the bytes are: a picture, or a `PictureError` with its reason, and no warning."""

from __future__ import annotations

import pickle
import struct
import warnings
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tellapart import images
from tellapart.errors import PictureError


def _save(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stream = BytesIO()
    (image or Image.fromarray(noise)).save(stream, kind, **options)
    return stream.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    return exif


SEEDS = {
    "jpeg": _save("JPEG", exif=_exif()),
    "progressive": _save("JPEG", progressive=True),
    "cmyk": _save("JPEG", Image.new("CMYK", (24, 16), (9, 8, 7, 6))),
    "mpo": _save("MPO", save_all=True, append_images=[Image.new("RGB", (32, 24))]),
    "png": _save("PNG", exif=_exif()),
    "palette": _save("PNG", Image.new("P", (16, 16)), transparency=b"\0\x80"),
    "deep": _save("PNG", Image.new("I;16", (16, 16), 999)),
    "gif": _save("GIF", save_all=True, append_images=[Image.new("RGB", (32, 24))]),
    "webp": _save("WEBP", exif=_exif()),
    "bmp": _save("BMP"),
    "tiff": _save("TIFF", exif=_exif()),
    "lzw": _save("TIFF", compression="tiff_lzw"),
    "float": _save("TIFF", Image.new("F", (16, 16), 0.5)),
}
if "AVIF" in images.FORMATS:
    SEEDS["avif"] = _save("AVIF")


def _try(data: bytes | Path) -> str:
    """Decode and probe with every warning an error; the reason, or `ok`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            images.probe(data)
            found = images.load(data, 16)
            hinted = images.decode(data, hint=4)
        except PictureError as error:
            assert error.reason in {
                "unreadable",
                "truncated",
                "too_large",
                "not_a_picture",
                "empty",
            }
            assert error.what
            assert error.do
            return error.reason
    assert (found.shape, hinted.mode) == ((16, 16, 3), "RGB")
    return "ok"


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_pictures(name: str) -> None:
    assert _try(SEEDS[name]) == "ok"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", *(seed[:40] for seed in SEEDS.values())]))
@example(b"", b"")
def test_random_bytes(data: bytes, start: bytes) -> None:
    assert _try(start + data) != "ok" or start


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_changed_files(name: str, data: st.DataObject) -> None:
    raw = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(1, 5))):
        # Headers break in more ways than pixels do.
        most = data.draw(st.sampled_from([60, len(raw) - 1]))
        place = data.draw(st.integers(0, min(most, len(raw) - 1)))
        raw[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    _try(bytes(raw))


@pytest.mark.parametrize("name", sorted(set(SEEDS) - {"mpo", "gif"}))
def test_cut_files_are_truncated(name: str) -> None:
    whole = SEEDS[name]
    reasons = Counter(_try(whole[:cut]) for cut in range(len(whole) // 3, len(whole) - 20, 7))
    if name == "avif":  # its boxes are checked by the decoder, which says no more than "invalid"
        assert not reasons["ok"]
    else:
        assert reasons["ok"] == 0
        assert reasons["truncated"] >= 0.9 * reasons.total()
    assert _try(whole[:1]) == "not_a_picture"


def test_a_cut_within_the_first_frame() -> None:
    for kind, first in (("gif", 1200), ("mpo", 1200)):
        assert len(SEEDS[kind]) > first
        assert _try(SEEDS[kind][:first]) == "truncated"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "not_a_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "not_a_picture"),
        (b"%PDF-1.7 and so on", "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture"),
        (b"\xff\xd8\xff<html>", "truncated"),
        (b"GIF89a", "unreadable"),
        (b"\0" * 100, "not_a_picture"),
    ],
)
def test_what_is_no_picture(data: bytes, reason: str) -> None:
    assert _try(data) == reason


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "DDS", "JPEG2000"])
def test_other_formats_are_not_read(kind: str) -> None:
    assert _try(_save(kind)) == "not_a_picture"


def _png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + name + b + struct.pack(">I", zlib.crc32(name + b))
        for name, b in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )


def _bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6)


@pytest.mark.parametrize("header", [_png_header, _bmp_header])
@pytest.mark.parametrize(
    "size", [(30_001, 1), (1, 30_001), (10_001, 10_000), (25_000, 25_000), (2**31 - 1, 2**31 - 1)]
)
def test_bombs_are_refused_by_their_header(header: Any, size: tuple[int, int]) -> None:
    assert _try(header(*size)) == "too_large"


def test_just_within_the_limit_is_no_bomb() -> None:
    """Between Pillow's own warning (89 MP) and ours: judged by its pixels, which are missing."""
    assert _try(_png_header(10_000, 9_999)) == "truncated"


def test_a_file_too_long_to_read(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    assert _try(path) == "too_large"


def test_the_error_says_which_file_and_travels(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(SEEDS["jpeg"][:-100])
    with pytest.raises(PictureError) as caught:
        images.decode(path)
    assert str(path) in caught.value.what
    assert "JPEG" in caught.value.expected
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reason, again.what) == ("truncated", caught.value.what)
