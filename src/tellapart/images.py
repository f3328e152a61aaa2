"""Bytes to pixels: the one decoder and the one preprocessing of training, bundle and server.

Every picture goes through the same lines wherever it is looked at, because another decoder or
another resize moves pixels by about one grey level on average, which is enough to move
probabilities. Embedded colour profiles are not applied.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

# Importing the plug-ins here keeps `Image.open` from looking for them later, in threads.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from tellapart.errors import NotFoundError, PictureError

View = Literal["squash", "crop", "pad", "face", "both"]
#: Views for which a face is looked for: `use_faces` says how.
FACE_VIEWS = frozenset(("face", "both"))
#: Views of the picture as it is.
VIEWS: tuple[str, ...] = tuple(view for view in get_args(View) if view not in FACE_VIEWS)
Color = Literal["RGB", "gray"]
COLORS: tuple[str, ...] = get_args(Color)
#: What a model sees: the side of a square, or (height, width), in pixels.
Size = int | tuple[int, int]

#: Raise it whenever `decode` or `prepare` give other pixels: cached features are then dropped.
VERSION = 1
MAX_PIXELS = 100_000_000
MAX_SIDE = 30_000
MAX_BYTES = 512 * 1024 * 1024

with contextlib.suppress(ImportError):
    importlib.import_module("PIL.AvifImagePlugin")
#: Pillow's names of the formats read, MPO (two-view JPEG) through JPEG. No vector formats.
FORMATS = tuple(
    name for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF") if name in Image.OPEN
)

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: The shortest side wanted where a face is looked for.
_FACE_HINT = 640
_CROP = 0.875
_PAD = 127
#: Pixels converted together where a picture is not plain RGB.
_STRIP = 2**20
#: Pillow shrinks by whole factors first down to this multiple of the wanted size.
_REDUCING_GAP = 3.0
_BEGINNINGS = (
    b"\xff\xd8",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+",
    b"MM\0+",
)
_TRUNCATED = re.compile(r"truncated|incomplete|unexpected end|broken data stream|not enough", re.I)
_WHAT_TO_DO = {
    "empty": "Fetch or copy the file again.",
    "truncated": "Fetch or copy the file again: its end is missing.",
    "too_large": "Shrink the picture, or leave it out.",
    "not_a_picture": "Check that the address or path leads to a picture, or leave it out.",
    "unreadable": "Open it in a picture viewer and save it anew, or leave it out.",
}


@dataclass(frozen=True)
class Look:
    """A decoded picture, maybe reduced, and what its file says of it."""

    image: Image.Image
    #: Pillow's name of the format.
    format: str
    #: In pixels, upright, before any reduction.
    width: int
    height: int


def decode(
    data: bytes | Path, *, hint: int | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Decode a picture to a plain RGB image, upright, alpha laid on white, first frame only.

    `hint`: shortest side wanted, in pixels; a JPEG may then be reduced by 2, 4 or 8 while
    decoding, its shortest side never below `2 * hint`. One of more than `max_pixels` is refused
    before it is decoded. Raises `PictureError` and nothing else; emits no warnings; may be called
    from many threads.
    """
    return _looked(data, hint, max_pixels, to_rgb).image


def look(data: bytes | Path, *, hint: int | None = None, max_pixels: int = MAX_PIXELS) -> Look:
    """What `decode` and `probe` say of one picture, its header read once; raises what they raise.

    The picture may be the opened file itself, of Pillow's class for its format, with its pixels
    loaded and its metadata gone: one copy less.
    """
    return _looked(data, hint, max_pixels, _upright)


def _looked(
    data: bytes | Path,
    hint: int | None,
    max_pixels: int,
    plain: Callable[[Image.Image], Image.Image],
) -> Look:
    with _quiet:
        raw = _read(data)
        image = _open(raw, _name(data), max_pixels)
        (width, height), kind = image.size, str(image.format)
        try:
            if hint:
                image.draft(None, (2 * hint, 2 * hint))
            rgb = plain(image)
            if _sides_turned(image):
                width, height = height, width
        except Exception as error:
            raise _refusal(_name(data), raw, error, max_pixels) from None
    rgb.info = {}
    return Look(rgb, kind, width, height)


def prepare(
    image: Image.Image, size: Size = 224, view: View = "squash", color: Color = "RGB"
) -> np.ndarray:
    """Resize a decoded picture to a uint8 array of shape (height, width, 3), RGB.

    `size` is the side of a square or (height, width). `view`: `squash` stretches the whole
    picture, `crop` takes the middle 0.875 of the largest part of the wanted shape, `pad` keeps
    the shape and fills with grey 127; `face` is the largest face, upright, or the whole picture
    where there is none, and `both` the whole picture above that, twice as high as `size` says.
    Bicubic, antialiased. With the color `gray` the shape is (height, width, 1), luma as ITU-R
    BT.601 weighs it; a gray picture of the wanted size comes back unchanged. Raises `ValueError`
    for other words, `NotFoundError` for a view of faces without a detector (see `use_faces`).
    """
    if view not in get_args(View):
        raise ValueError(f"view is {view!r}, expected one of {', '.join(get_args(View))}")
    if color not in COLORS:
        raise ValueError(f"color is {color!r}, expected one of {', '.join(COLORS)}")
    if image.mode != "RGB":
        image = to_rgb(image)
    if view in FACE_VIEWS:
        return _with_face(image, size, view, color)
    gray = color == "gray"
    if gray:
        image = image.convert("L")
    high, wide = sides(size)
    box, target = _place(image.size, (high, wide), view)
    resized = image.resize(target, Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP)
    if target != (wide, high):
        canvas = Image.new(image.mode, (wide, high), _PAD if gray else (_PAD,) * 3)
        canvas.paste(resized, ((wide - target[0]) // 2, (high - target[1]) // 2))
        resized = canvas
    pixels = np.array(resized, dtype=np.uint8)
    return pixels[..., None] if gray else pixels


def use_faces(cut: Callable[[Image.Image, int], Image.Image | None]) -> None:
    """Say how the views of faces find one: `cut` gives a picture's largest face, upright, at least
    of that side where the picture has the pixels; None where it has none.

    One for the whole process: only a detector of known bytes is ever given, so that the same
    picture is prepared alike everywhere.
    """
    global _cut_face
    _cut_face = cut


_cut_face: Callable[[Image.Image, int], Image.Image | None] | None = None


def _with_face(image: Image.Image, size: Size, view: View, color: Color) -> np.ndarray:
    if _cut_face is None:
        raise NotFoundError(
            f"A picture is to be seen as {view!r}, and there is no detector of faces.",
            expected="YuNet's weights, which a bundle of that view brings along",
            do="Run: tellapart weights get yunet",
        )
    face = prepare(_cut_face(image, max(sides(size))) or image, size, "squash", color)
    if view == "face":
        return face
    return np.concatenate([prepare(image, size, "squash", color), face])


def hint(size: Size, view: str = "squash") -> int:
    """What `decode` is to be told for pictures that `prepare` then brings to `size`."""
    return max(_FACE_HINT if view in FACE_VIEWS else 1, *sides(size))


def seen(size: Size, view: str) -> tuple[int, int]:
    """(height, width) in pixels of what `prepare` gives."""
    high, wide = sides(size)
    return (2 * high, wide) if view == "both" else (high, wide)


def sides(size: Size) -> tuple[int, int]:
    """(height, width) in pixels of what a model sees."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _place(
    picture: tuple[int, int], wanted: tuple[int, int], view: View
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Which part (left, top, right, bottom) of a picture is brought to which (width, height)."""
    width, height = picture
    high, wide = wanted
    if view == "crop":
        across = _CROP * min(width, height * wide / high)
        down = _CROP * min(height, width * high / wide)
        left, top = (width - across) / 2, (height - down) / 2
        return (left, top, left + across, top + down), (wide, high)
    whole = (0, 0, width, height)
    if view == "squash":
        return whole, (wide, high)
    if width * high >= height * wide:
        return whole, (wide, max(1, round(height * wide / width)))
    return whole, (max(1, round(width * high / height)), high)


def load(
    data: bytes | Path,
    size: Size = 224,
    view: View = "squash",
    color: Color = "RGB",
    *,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """A file's bytes (or path) to what the model sees: `decode`, hinted, and `prepare`."""
    image = decode(data, hint=hint(size, view), max_pixels=max_pixels)
    return prepare(image, size, view, color)


def probe(data: bytes | Path) -> tuple[str, int, int]:
    """Return (Pillow's format name, width, height) upright, from the header alone.

    Raises `PictureError`. The pixels may still turn out broken.
    """
    with _quiet:
        raw = _read(data)
        image = _open(raw, _name(data))
        width, height = image.size
        # To look for it behind the pixels, Pillow would decode the whole PNG.
        upright = image.format == "PNG" and "exif" not in image.info and b"eXIf" not in raw
        turned = not upright and _sides_turned(image)
    if turned:
        width, height = height, width
    return str(image.format), width, height


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a plain upright RGB copy of any Pillow image; its metadata stay behind.

    Whole numbers of 16 bits are scaled to 8; 32-bit numbers and floats are taken as 0..1,
    0..255 or 0..65535, whichever holds them, else stretched from their least to greatest.
    """
    flat = _upright(image)
    if flat is image:
        flat = image.copy()
    flat.info = {}
    return flat


def _upright(image: Image.Image) -> Image.Image:
    """Plain upright RGB; `image` itself where it is that already."""
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    flat = _flatten(image)
    return flat if turn is None else flat.transpose(turn)


def _sides_turned(image: Image.Image) -> bool:
    """Whether width and height are to be exchanged; Pillow has done so in a TIFF already."""
    return image.format != "TIFF" and _orientation(image) >= 5


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_numbers(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    for top, strip in _strips(image):
        layered = strip.convert("RGBA")
        white.paste(layered, (0, top), layered.getchannel("A"))
    return white


def _from_numbers(image: Image.Image) -> Image.Image:
    low, high = _range(image)
    transparent = image.info.get("transparency")
    out = Image.new("L", image.size)
    for top, strip in _strips(image):
        values = _numbers(strip)
        scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
        gray = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
        if isinstance(transparent, int):
            gray[values == transparent] = 255
        out.paste(Image.fromarray(gray), (0, top))
    return out.convert("RGB")


def _range(image: Image.Image) -> tuple[float, float]:
    """What becomes black and what becomes white."""
    if image.mode.startswith("I;") or image.format == "PNG":
        return 0.0, 65535.0
    ends = [
        (float(values.min()), float(values.max()))
        for values in (_numbers(strip) for _, strip in _strips(image))
    ]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low >= 0:
        ceilings = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        fitting = [ceiling for ceiling in ceilings if high <= ceiling]
        low, high = (0.0, fitting[0]) if fitting else (low, high)
    return low, high


def _numbers(image: Image.Image) -> np.ndarray:
    values = np.asarray(image.convert("I") if image.mode.startswith("I;") else image, np.float64)
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top, rows from there on): copies of a large picture would take many times its memory."""
    width, height = image.size
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged metadata do not make the picture unusable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _read(data: bytes | Path) -> bytes:
    if not isinstance(data, Path):
        return data
    try:
        if data.stat().st_size <= MAX_BYTES:
            return data.read_bytes()
    except OSError as error:
        what = f"it cannot be read ({error.strerror or error})"
        raise _error(_name(data), what, "unreadable") from None
    raise _error(_name(data), f"it has more than {MAX_BYTES:,} bytes", "too_large")


def _open(raw: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the header and check the size before a single pixel is decoded."""
    if not raw:
        raise _error(name, "it has no bytes", "empty", max_pixels)
    try:
        image = Image.open(BytesIO(raw), formats=FORMATS)
    except UnidentifiedImageError:
        if not (raw.startswith(_BEGINNINGS) or raw[4:12] == b"ftypavif"):
            what = f"it begins with {raw[:12]!r}, as no picture does"
            raise _error(name, what, "not_a_picture", max_pixels) from None
        if _ends_early(raw):
            raise _error(name, "the file ends too early", "truncated", max_pixels) from None
        raise _error(name, "its header is damaged", "unreadable", max_pixels) from None
    except Exception as error:
        raise _refusal(name, raw, error, max_pixels) from None
    width, height = image.size
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise _error(name, f"it is {width:,} × {height:,} pixels", "too_large", max_pixels)
    if not width or not height:
        raise _error(name, f"it is {width} × {height} pixels", "unreadable", max_pixels)
    return image


def _ends_early(raw: bytes) -> bool:
    """Whether the file is shorter than its own header says, or ends before the pixels begin."""
    if raw.startswith(b"\xff\xd8"):
        return b"\xff\xda" not in raw
    if raw.startswith(b"\x89PNG"):
        return b"IDAT" not in raw
    if raw.startswith(b"RIFF"):
        return int.from_bytes(raw[4:8], "little") + 8 > len(raw)
    if raw.startswith(b"BM"):
        return int.from_bytes(raw[2:6], "little") > len(raw)
    if raw.startswith((b"II*\0", b"MM\0*")):
        order: Literal["little", "big"] = "little" if raw.startswith(b"II") else "big"
        return int.from_bytes(raw[4:8], order) >= len(raw)
    return False


def _refusal(name: str, raw: bytes, error: Exception, max_pixels: int) -> PictureError:
    if isinstance(error, PictureError):
        return error
    if isinstance(error, (Image.DecompressionBombError, MemoryError)):
        return _error(name, f"it is too large to decode ({error})", "too_large", max_pixels)
    message = str(error) or type(error).__name__
    cut = _TRUNCATED.search(message) or _ends_early(raw)
    reason = "truncated" if cut else "unreadable"
    return _error(name, f"decoding failed ({message})", reason, max_pixels)


def _error(name: str, what: str, reason: str, max_pixels: int = MAX_PIXELS) -> PictureError:
    return PictureError(
        f"{name} is not a usable picture: {what}.",
        expected=f"a whole {', '.join(FORMATS)} file of at most {max_pixels / 1e6:g} "
        f"megapixels, no side over {MAX_SIDE:,}",
        do=_WHAT_TO_DO[reason],
        reason=reason,
    )


def _name(data: bytes | Path) -> str:
    return (
        f"The file {str(data)!r}" if isinstance(data, Path) else f"The data ({len(data):,} bytes)"
    )


class _Quiet:
    """Silences warnings that come out of Pillow while at least one thread is inside.

    `warnings.catch_warnings` is not safe in threads: one that leaves late puts back what another
    has set. Here one rule is added by the first thread in and taken out by the last one.
    """

    _rule = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters: list[Any] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._filters is not warnings.filters or self._rule not in self._filters:
                self._filters = cast("list[Any]", warnings.filters)
                self._filters.insert(0, self._rule)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside:
                return
            for filters in (self._filters, cast("list[Any]", warnings.filters)):
                with contextlib.suppress(ValueError):
                    filters.remove(self._rule)


_quiet = _Quiet()
