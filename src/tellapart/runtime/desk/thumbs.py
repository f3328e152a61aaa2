"""Small pictures: made once, kept by the content of the large one and the size."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from io import BytesIO
from pathlib import Path

from PIL import Image

from tellapart import images
from tellapart.errors import NotFoundError

#: Longest sides that are kept; what is asked for is rounded up.
SIZES = (96, 160, 256, 512)
MEDIA_TYPE = "image/jpeg"
_QUALITY = 82
#: Raise it whenever the same picture would be drawn otherwise.
_VERSION = 1


def rounded(size: int) -> int:
    """The kept size that is at least `size`, or the largest one."""
    return next((one for one in SIZES if one >= size), SIZES[-1])


def etag(sha256: str, size: int) -> str:
    """For `ETag`, quoted."""
    return f'"{sha256[:32]}-{size}-{_VERSION}"'


def of(cache: Path, sha256: str) -> list[Path]:
    """Where small pictures of that content are kept."""
    return list((cache / "thumbs" / sha256[:2]).glob(f"{sha256}-*.jpg"))


def thumbnail(
    cache: Path, sha256: str, source: Path, size: int, drawing: threading.Semaphore
) -> bytes:
    """The small picture of the file `source`, whose content is `sha256`; `size` as `rounded`.

    Raises `NotFoundError` where the file is gone or holds something else by now, `PictureError`.
    """
    kept = cache / "thumbs" / sha256[:2] / f"{sha256}-{size}-{_VERSION}.jpg"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    with drawing:
        data = draw(_content(source, sha256), size)
    # A full disk or a folder that cannot be written to only costs the time again.
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f".{kept.name}.{os.getpid()}-{threading.get_ident()}")
        partial.write_bytes(data)
        partial.replace(kept)
    return data


def _content(source: Path, sha256: str) -> bytes:
    try:
        data = source.read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotFoundError(
            "The picture's file is gone or has changed since it was collected.",
            expected="the file that was collected",
            do="Run the project again: it collects what is missing.",
        )
    return data


def draw(data: bytes, size: int) -> bytes:
    """A small JPEG of a picture's bytes. Raises `PictureError`."""
    image = images.decode(data, hint=max(1, size // 2))
    image.thumbnail((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = BytesIO()
    image.save(out, "JPEG", quality=_QUALITY, optimize=False, progressive=False)
    return out.getvalue()
