"""Small pictures inside the report, as `data:` URIs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from tellapart import images
from tellapart.errors import PictureError

if TYPE_CHECKING:
    from PIL import Image

#: Longest side of a thumbnail in pixels: sharp at the 120 CSS pixels they are shown in.
SIDE = 168
_QUALITY = 72


def thumbnail(data: bytes, side: int = SIDE) -> str:
    """A JPEG `data:` URI of at most `side` × `side` pixels; empty where it cannot be decoded.

    The same bytes give the same URI (with one version of Pillow). Carries none of the file's
    metadata: no place where the picture was taken gets out.
    """
    from PIL import Image

    try:
        picture = images.decode(data, hint=side)
    except PictureError:
        return ""
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return encoded(picture)


def encoded(picture: Image.Image) -> str:
    """A JPEG `data:` URI of an RGB picture as it is, without metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.tobytes()).save(
        buffer, "JPEG", quality=_QUALITY, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
