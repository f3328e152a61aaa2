"""From whatever holds a picture to the pixels that the model sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tellapart import images
from tellapart.errors import NotFoundError, PictureError, TellapartError

Picture = str | Path | bytes | Image.Image | np.ndarray


def open_picture(picture: Picture, hint: int | None = None) -> Image.Image:
    """A plain RGB image, upright, of whatever `predict` takes. Raises `PictureError`."""
    if isinstance(picture, (str, Path)):
        return images.decode(_existing(Path(picture)), hint=hint)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return images.decode(bytes(picture), hint=hint)
    if isinstance(picture, Image.Image):
        try:
            return images.to_rgb(picture)
        except Exception as error:
            raise _not_a_picture(f"cannot be decoded ({error})", "unreadable") from None
    if isinstance(picture, np.ndarray):
        if picture.ndim == 3 and picture.shape[2] == 1:
            picture = picture[..., 0]
        shaped = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
        if picture.dtype == np.uint8 and picture.size and shaped:
            return Image.fromarray(picture).convert("RGB")
        raise _not_a_picture(f"is an array of {picture.dtype} with shape {picture.shape}")
    raise _not_a_picture(f"is of type {type(picture).__name__}")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise NotFoundError(
            f"There is no picture at {str(path)!r}.",
            expected="the path of a picture",
            do="Check the path.",
        )
    return path


def _not_a_picture(what: str, reason: str = "not_a_picture") -> PictureError:
    return PictureError(
        f"The picture {what}.",
        expected="a path, a file's bytes, a Pillow image, or a uint8 array H×W×3 (RGB) or H×W",
        do="Bring it into one of these forms.",
        reason=reason,
    )


def prepared(
    prepare: Callable[[Picture], np.ndarray], pictures: Sequence[Picture]
) -> list[np.ndarray | TellapartError]:
    """What the model sees of each picture, or why it sees nothing; several at a time."""

    def one(picture: Picture) -> np.ndarray | TellapartError:
        try:
            return prepare(picture)
        except TellapartError as error:
            return error

    if len(pictures) == 1:
        return [one(pictures[0])]
    with ThreadPoolExecutor(min(4, len(pictures))) as pool:
        return list(pool.map(one, pictures))
