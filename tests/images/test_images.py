"""Every kind of picture becomes the same upright RGB pixels, or one clear error."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from tellapart import images
from tellapart.errors import PictureError

WIDTH, HEIGHT = 60, 40


def _scene() -> Image.Image:
    """No symmetry: each corner has a colour of its own."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:] = (250, 10, 10), (10, 250, 10)
    pixels[20:, :30], pixels[20:, 30:] = (10, 10, 250), (240, 240, 240)
    return Image.fromarray(pixels)


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _near(data: bytes, expected: Image.Image, most: float = 4.0) -> None:
    found = images.decode(data)
    assert (type(found), found.mode, found.size) == (Image.Image, "RGB", expected.size)
    assert found.info == {}
    difference = np.abs(np.asarray(found, float) - np.asarray(expected.convert("RGB"), float))
    assert difference.mean() < most


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _turned(orientation: int) -> Image.Image:
    """The scene as a camera held that way stores it; the table is that of the EXIF standard."""
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    return _scene() if how is None else _scene().transpose(how)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    sharp = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = _save(_turned(orientation), kind, exif=_exif(orientation), **sharp)
    _near(data, _scene())
    assert images.probe(data) == (kind, WIDTH, HEIGHT)
    again = images.to_rgb(images.decode(data))
    assert again.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_orientation_of_webp(orientation: int) -> None:
    data = _save(_turned(orientation), "WEBP", exif=_exif(orientation), lossless=True)
    _near(data, _scene())
    assert images.probe(data) == ("WEBP", WIDTH, HEIGHT)


def test_orientation_behind_the_pixels_of_a_png() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    plain = _save(_turned(6), "PNG")
    assert plain.endswith(chunk(b"IEND", b""))
    exif = _exif(6).tobytes().removeprefix(b"Exif\0\0")
    data = plain[:-12] + chunk(b"eXIf", exif) + plain[-12:]
    _near(data, _scene())
    assert images.probe(data) == ("PNG", WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {"quality": 95}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_formats(kind: str, options: dict[str, Any]) -> None:
    data = _save(_scene(), kind, **options)
    _near(data, _scene())
    assert images.probe(data) == (kind, WIDTH, HEIGHT)


def test_two_view_jpeg_gives_the_first() -> None:
    other = Image.new("RGB", (WIDTH, HEIGHT))
    data = _save(_scene(), "MPO", save_all=True, append_images=[other])
    _near(data, _scene(), most=8)
    assert images.probe(data)[0] == "MPO"


def test_avif() -> None:
    if "AVIF" not in images.FORMATS:
        pytest.skip("this Pillow was built without AVIF")
    _near(_save(_scene(), "AVIF", quality=95), _scene(), most=8)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "RGBA", "LA", "YCbCr", "LAB", "PA"])
def test_modes(mode: str) -> None:
    if mode == "LAB":
        from PIL import ImageCms

        profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
        changed = ImageCms.profileToProfile(_scene(), *profiles, outputMode="LAB")
        assert changed is not None
    else:
        few = _scene().quantize(16) if mode in ("P", "PA") else _scene()
        changed = (few.convert("L") if mode == "LA" else few).convert(mode)
    expected = changed if mode in ("L", "1", "LA") else _scene()
    found = images.to_rgb(changed)
    assert found.mode == "RGB"
    gap = np.abs(np.asarray(found, float) - np.asarray(expected.convert("RGB"), float))
    assert gap.mean() < 6
    if mode != "PA":  # which no format can hold
        assert images.decode(_save(changed, "TIFF")).size == (WIDTH, HEIGHT)


def test_cmyk_jpeg_is_not_inverted() -> None:
    _near(_save(_scene().convert("CMYK"), "JPEG", quality=95), _scene(), most=8)


def _ramp(most: float) -> np.ndarray:
    return np.tile(np.linspace(0, most, WIDTH), (HEIGHT, 1))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (_ramp(65535).astype(np.uint16), "PNG"),
        (_ramp(65535).astype(np.uint16), "TIFF"),
        (_ramp(65535).astype(np.int32), "TIFF"),
        (_ramp(255).astype(np.int32), "TIFF"),
        (_ramp(2**31 - 1).astype(np.int32), "TIFF"),
        (_ramp(2000).astype(np.int32) - 1000, "TIFF"),
        (_ramp(1).astype(np.float32), "TIFF"),
        (_ramp(255).astype(np.float32), "TIFF"),
        (_ramp(1e9).astype(np.float32) - 5e8, "TIFF"),
    ],
)
def test_deep_numbers_are_scaled_not_clipped(values: np.ndarray, kind: str) -> None:
    found = np.asarray(images.decode(_save(Image.fromarray(values), kind)), float)
    assert np.abs(found[..., 0] - np.linspace(0, 255, WIDTH)).max() <= 1
    assert (found[..., 0] == found[..., 2]).all()


def test_dark_sixteen_bits_stay_dark() -> None:
    data = _save(Image.fromarray(np.full((9, 9), 257 * 20, np.uint16)), "PNG")
    assert (np.asarray(images.decode(data)) == 20).all()


def test_sixteen_bit_colour_png() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 32896, 0, 257, 257, 65535)
    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", head), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
    )
    assert np.asarray(images.decode(data)).tolist() == [[[255, 128, 0], [1, 1, 255]]]


def test_numbers_that_are_none() -> None:
    values = np.full((5, 5), np.nan, np.float32)
    values[0, 0], values[0, 1] = np.inf, 1.0
    found = np.asarray(images.decode(_save(Image.fromarray(values), "TIFF")))
    assert found[0, 1].tolist() == [255, 255, 255]
    assert found[4, 4].tolist() == [0, 0, 0]


def test_alpha_lies_on_white() -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[..., 3] = [[0, 128, 255], [255, 128, 0]]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        found = np.asarray(images.decode(_save(Image.fromarray(pixels), kind, **options)))
        assert found[..., 1].tolist() == [[255, 127, 0], [0, 127, 255]]


def test_see_through_colours_lie_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putpixel((0, 0), 0)
    for kind in ("GIF", "PNG"):
        found = images.decode(_save(palette, kind, transparency=0))
        assert (found.getpixel((0, 0)), found.getpixel((1, 1))) == ((255,) * 3, (200, 0, 0))
    for mode, colour in (("L", 7), ("RGB", (7, 8, 9)), ("I;16", 700)):
        image = Image.new(mode, (4, 4), colour)
        found = images.decode(_save(image, "PNG", transparency=colour))
        assert found.getpixel((2, 2)) == (255, 255, 255), mode


def test_first_frame_of_an_animation() -> None:
    others = [Image.new("RGB", (WIDTH, HEIGHT), c) for c in ("black", "yellow")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        _near(_save(_scene(), kind, save_all=True, append_images=others), _scene())


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1), (3, 2)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_thin_and_tiny(size: tuple[int, int], kind: str) -> None:
    data = _save(Image.new("RGB", size, (200, 100, 50)), kind)
    for view in images.VIEWS:
        found = images.load(data, 224, view)  # type: ignore[arg-type]
        assert (found.shape, found.dtype) == ((224, 224, 3), np.uint8)
        assert np.abs(found[111, 111].astype(int) - (200, 100, 50)).max() < 6, view


def test_views() -> None:
    squash, crop, pad = (
        images.prepare(_scene(), 64, view)
        for view in ("squash", "crop", "pad")  # type: ignore[arg-type]
    )
    corners = ((2, 2), (2, -3), (-3, 2), (-3, -3))
    colours = ([250, 10, 10], [10, 250, 10], [10, 10, 250], [240, 240, 240])
    for view in (squash, crop):
        for corner, colour in zip(corners, colours, strict=True):
            assert np.abs(view[corner].astype(int) - colour).max() < 4
    assert (pad[0] == 127).all()
    assert (pad[-1] == 127).all()
    assert np.abs(pad[32, 2].astype(int) - [10, 10, 250]).max() < 140
    assert not np.array_equal(squash, crop)
    # Squash shows the outer columns, crop the middle 35 of 60.
    edged = _scene()
    edged.paste((0, 0, 0), (0, 0, 6, HEIGHT))
    assert images.prepare(edged, 64, "squash")[2, 2].max() < 20
    assert images.prepare(edged, 64, "crop")[2, 2, 0] > 230
    with pytest.raises(ValueError, match="squash, crop, pad"):
        images.prepare(_scene(), 64, "stretch")  # type: ignore[arg-type]


def test_prepare_takes_any_mode_and_gives_its_own_memory() -> None:
    found = images.prepare(_scene().convert("L"), 32)
    assert found.flags.writeable
    assert (found[..., 0] == found[..., 1]).all()
    assert np.array_equal(
        images.prepare(images.decode(_save(_scene(), "PNG")), 32),
        images.load(_save(_scene(), "PNG"), 32),
    )


def test_a_hint_reduces_a_jpeg_but_never_too_far() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    data = _save(Image.fromarray(noise).resize((1600, 1200)), "JPEG", exif=_exif(6))
    assert images.decode(data).size == (1200, 1600)
    reduced = images.decode(data, hint=224)
    assert reduced.size == (600, 800)
    assert images.decode(data, hint=601).size == (1200, 1600)
    assert images.decode(data, hint=10).size == (150, 200)
    whole = images.prepare(images.decode(data), 224)
    gap = np.abs(images.load(data, 224).astype(float) - whole.astype(float))
    assert gap.mean() < 2


def test_reads_a_path(tmp_path: Path) -> None:
    path = tmp_path / "scène.png"
    path.write_bytes(_save(_scene(), "PNG"))
    assert images.probe(path) == ("PNG", WIDTH, HEIGHT)
    assert images.decode(path).size == (WIDTH, HEIGHT)
    with pytest.raises(PictureError, match=r"absent\.png.*cannot be read"):
        images.decode(tmp_path / "absent.png")
    with pytest.raises(PictureError, match="cannot be read"):
        images.probe(tmp_path)


def test_many_threads_one_answer_and_the_warnings_filters_stay() -> None:
    files = [
        _save(_turned(o), k, exif=_exif(o)) for o in (1, 6) for k in ("JPEG", "PNG", "WEBP", "TIFF")
    ] * 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda data: images.load(data, 32).tobytes(), files))
        assert list(warnings.filters) == before
    assert len(set(found[:8])) > 1
    assert found == found[:8] * 20


def test_global_state_of_pillow_is_left_alone() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    images.load(_save(_scene(), "JPEG"))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F", "LA", "PA", "RGBA", "P"])
def test_strips_give_what_the_whole_gives(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(0, 60_000, (37, 23))
    if mode in ("I;16", "I;16B"):
        picture = Image.frombytes(mode, (23, 37), values.astype("<u2").tobytes())
    elif mode in ("I", "F"):
        picture = Image.fromarray(values.astype(np.int32 if mode == "I" else np.float32))
    else:
        colors = rng.integers(0, 256, (37, 23, 4), dtype=np.uint8)
        picture = Image.fromarray(colors).convert("RGBA" if mode == "P" else mode)
        if mode == "P":
            picture = picture.convert("RGB").quantize(16)
            picture.info["transparency"] = 3
    whole = np.asarray(images.to_rgb(picture))
    monkeypatch.setattr(images, "_STRIP", 5 * 23)
    assert np.array_equal(np.asarray(images.to_rgb(picture)), whole)
    assert len(np.unique(whole)) > 10


def test_a_large_picture_of_deep_numbers_takes_little_more_than_its_pixels(tmp_path: Path) -> None:
    file = tmp_path / "deep.png"
    Image.new("I;16", (4000, 4000), 300).save(file)
    script = (
        "import resource, sys, pathlib\n"
        "from tellapart import images\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "images.load(pathlib.Path(sys.argv[1]))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 4000**2)\n"
    )
    if sys.platform != "linux":
        pytest.skip("ru_maxrss counts in another unit")
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 14  # bytes a pixel: 2 as stored, 1 gray, 4 as RGB, and strips


def test_a_refusal_says_the_callers_own_limit() -> None:
    with pytest.raises(PictureError) as caught:
        images.load(b"no picture", max_pixels=5_000_000)
    assert "at most 5 megapixels" in caught.value.expected


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_look_says_what_decode_and_probe_say(kind: str, orientation: int) -> None:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.effect_noise((900, 1300), 50).convert("RGB").save(out, kind, exif=exif)
    data = out.getvalue()
    for hint in (None, 100):
        seen = images.look(data, hint=hint)
        assert (seen.format, seen.width, seen.height) == images.probe(data)
        decoded = images.decode(data, hint=hint)
        assert np.array_equal(np.asarray(seen.image), np.asarray(decoded))
        assert seen.image.info == {} and type(decoded) is Image.Image
    with pytest.raises(PictureError):
        images.look(data[: len(data) // 2])
