"""Finds faces with YuNet's network in ONNX Runtime, and cuts them out upright.

How the network's outputs are read follows OpenCV's `FaceDetectorYN` (modules/objdetect/src/
face_detect.cpp, Apache-2.0): three grids of 8, 16 and 32 pixels a cell; each cell says how likely
it holds a face (the root of class times objectness), where and how large it is, and where its eyes,
nose and corners of the mouth are; overlapping ones give way to the likelier.
"""

from __future__ import annotations

import hashlib
import math
import threading
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from tellapart import images, telemetry
from tellapart.errors import MissingExtraError, TellapartError, VerificationError

Box = tuple[float, float, float, float]
Points = tuple[tuple[float, float], ...]

#: The one detector of views of faces, by SHA-256: YuNet for pictures of any size. Its bytes are
#: part of what such a view means, and its license is known.
VIEWER = "daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3"
#: Its file in a bundle.
FILE = "faces.onnx"
_STRIDES = (8, 16, 32)
_NAMES = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in _STRIDES)
#: As OpenCV's reader has them: boxes that share more than this are one face; so many are compared.
_OVERLAP, _MOST = 0.3, 5000
#: How likely a face must be. Of faces that stand otherwise than upright the network finds some as
#: if they did, but hardly one as likely as `SURE` (benchmarks/faces_rotated.py).
LIKELY, SURE = 0.85, 0.915
#: The longest side looked at, in pixels, and the longest diagonal where a picture is turned.
LONGEST = 640
#: The least side of a face, in pixels of the picture as it was given.
LEAST = 24
#: Degrees between two turns of a picture; first only every third is looked at.
STEP, COARSE = 10, 30
#: Below this no finer turns are tried around a coarse one.
_PROMISING = 0.4
#: A face whose eyes and mouth lean by more than this, in degrees, is turned upright until they lean
#: by no more than `_STRAIGHT`; what they tell of a lean is about two thirds of it.
LEANING, _STRAIGHT, _TELLS, _TURNS_ON = 6.0, 3.0, 1.5, 3
#: What a model that is to see faces sees around them: hair, ears and chin.
MARGIN = 0.2
_GRAY = (127, 127, 127)


@dataclass(frozen=True)
class Found:
    """A face in the pixels of the picture as it was given."""

    #: Its middle, and its width and height along its own axes.
    center: tuple[float, float]
    width: float
    height: float
    #: Both eyes, nose, both corners of the mouth: (x, y) each.
    landmarks: Points
    confidence: float
    #: Degrees by which the picture must be turned counter-clockwise for it to stand upright.
    angle: float = 0.0

    @property
    def box(self) -> Box:
        """Left, top, width, height of the upright rectangle around it."""
        turn = math.radians(self.angle)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        wide = self.width * cos + self.height * sin
        high = self.width * sin + self.height * cos
        return self.center[0] - wide / 2, self.center[1] - high / 2, wide, high


class FaceReader:
    """YuNet in ONNX Runtime; `find` may be called from many threads at once."""

    def __init__(self, model: bytes, *, threads: int = 1) -> None:
        """Load the network. Raises `VerificationError` for a file that is no such network."""
        telemetry.off()
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "onnxruntime is not installed.",
                expected="the library that runs the face detector",
                do="Run `pip install onnxruntime`.",
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
            (given,) = self._session.get_inputs()
            names = {out.name for out in self._session.get_outputs()}
        except Exception as error:
            raise _bad(f"cannot be loaded ({_first_line(error)})") from error
        if not names.issuperset(_NAMES) or len(given.shape) != 4:
            raise _bad("has other inputs and outputs than YuNet")
        # It would hold the file's bytes for as long as it lives.
        self._session._model_bytes = None
        self._input = given.name
        high, wide = given.shape[2:]
        #: (height, width) that the network takes; None: all multiples of 32.
        self._fixed = (high, wide) if isinstance(high, int) and isinstance(wide, int) else None

    def find(self, image: Image.Image, *, turned: bool = True) -> list[Found]:
        """The faces in an RGB picture, the largest first.

        Where none surely stands upright and `turned` is set, the picture is looked at turned in
        steps of 10° all around, and the turn with the likeliest face counts.
        """
        small = _shrunk(image, max(image.size))
        found = self.look(np.asarray(small))
        angle = 0.0
        if turned and (_best(found) < SURE or abs(_lean(found[0])) > LEANING):
            smaller = _shrunk(image, math.hypot(*image.size))
            around = _best(found) < SURE
            start, seen = self._around(smaller) if around else (0.0, self._at(smaller, 0.0))
            if _count(seen) >= _count(found):
                small = smaller
                angle, found = self._straightened(small, start, seen)
        back = [_turned_back(one, angle, small.size) for one in found if one.confidence >= LIKELY]
        scale = image.width / small.width, image.height / small.height
        grown = [_scaled(one, *scale) for one in back]
        kept = [one for one in grown if min(one.width, one.height) >= LEAST]
        return sorted(kept, key=lambda one: -one.width * one.height)

    def look(self, pixels: np.ndarray, least: float = LIKELY) -> list[Found]:
        """What stands upright in a picture, with at least that confidence, the likeliest first.

        Pixels are uint8 RGB, H×W×3, taken as they are.
        """
        high, wide = pixels.shape[:2]
        sides = self._fixed or (-(-high // 32) * 32, -(-wide // 32) * 32)
        scale = 1.0
        if self._fixed and (high > sides[0] or wide > sides[1]):
            scale = max(high / sides[0], wide / sides[1])
            size = max(1, int(wide / scale)), max(1, int(high / scale))
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
            high, wide = pixels.shape[:2]
        batch = np.zeros((1, 3, *sides), np.float32)
        batch[0, :, :high, :wide] = pixels[..., ::-1].transpose(2, 0, 1)
        try:
            outputs = self._session.run(_NAMES, {self._input: batch})
        except Exception as error:
            raise _bad(f"does not run ({_first_line(error)})") from error
        found = decoded(dict(zip(_NAMES, outputs, strict=True)), sides, least)
        return found if scale == 1.0 else [_scaled(one, scale, scale) for one in found]

    def _around(self, image: Image.Image) -> tuple[float, list[Found]]:
        """The turn that shows the likeliest face, in degrees counter-clockwise, and its faces."""
        seen = {angle: self._at(image, angle) for angle in range(0, 360, COARSE)}
        first = sorted(seen, key=lambda angle: -_best(seen[angle]))[:2]
        for start in (angle for angle in first if _best(seen[angle]) >= _PROMISING):
            for step in range(STEP - COARSE, COARSE, STEP):
                angle = (start + step) % 360
                seen[angle] = seen.get(angle) or self._at(image, angle)
        angle = max(seen, key=lambda angle: _best(seen[angle]))
        return float(angle), seen[angle]

    def _straightened(
        self, image: Image.Image, angle: float, found: list[Found]
    ) -> tuple[float, list[Found]]:
        """Turned on until the likeliest face leans no more, as far as that loses none."""
        for _ in range(_TURNS_ON):
            lean = _lean(found[0]) if _best(found) >= LIKELY else 0.0
            if abs(lean) <= _STRAIGHT:
                break
            seen = self._at(image, angle + _TELLS * lean)
            if _count(seen) < _count(found) or abs(_lean(seen[0])) >= abs(lean):
                break
            angle, found = angle + _TELLS * lean, seen
        return angle, found

    def _at(self, image: Image.Image, angle: float) -> list[Found]:
        turned = image.rotate(angle, Image.Resampling.BILINEAR, expand=True) if angle else image
        return self.look(np.asarray(turned), _PROMISING)


def provide(model: bytes) -> None:
    """Let the views of faces of this process find them with YuNet's `model`.

    Raises `VerificationError` for any other file than the one that these views mean.
    """
    if hashlib.sha256(model).hexdigest() != VIEWER:
        raise _bad(f"is not the one that views of faces are made with (SHA-256 {VIEWER})")
    with _lock:
        if not _viewers:
            _viewers.append(FaceReader(model))
            images.use_faces(_largest)


def largest(image: Image.Image) -> Found | None:
    """The largest face in a picture; None without one, or without a detector given."""
    found = _viewers[0].find(image) if _viewers else []
    return found[0] if found else None


def _largest(image: Image.Image, side: int) -> Image.Image | None:
    face = largest(image)
    if face is None:
        return None
    # As large as the picture has it, so that it is resized once, by who sees it.
    own = max(face.width, face.height) * (1 + 2 * MARGIN)
    return Image.fromarray(cut(image, face, max(side, round(own))))


_viewers: list[FaceReader] = []
_lock = threading.Lock()


def decoded(
    outputs: dict[str, np.ndarray], sides: tuple[int, int], least: float = LIKELY
) -> list[Found]:
    """The faces that the network's outputs tell of, for a picture of (height, width) `sides`."""
    boxes, points, scores = [], [], []
    for stride in _STRIDES:
        kind = outputs[f"cls_{stride}"][0, :, 0], outputs[f"obj_{stride}"][0, :, 0]
        score = np.sqrt(np.clip(kind[0], 0, 1) * np.clip(kind[1], 0, 1))
        cells = np.flatnonzero(score >= least)
        row, column = np.divmod(cells, sides[1] // stride)
        place = outputs[f"bbox_{stride}"][0][cells]
        # A damaged network may say any size: no face is larger than this.
        wide, high = (np.exp(np.minimum(place[:, axis], 16)) * stride for axis in (2, 3))
        across, down = (column + place[:, 0]) * stride, (row + place[:, 1]) * stride
        boxes.append(np.stack([across - wide / 2, down - high / 2, wide, high], 1))
        marks = outputs[f"kps_{stride}"][0][cells].reshape(-1, 5, 2)
        points.append((marks + np.stack([column, row], 1)[:, None]) * stride)
        scores.append(score[cells])
    box, point, score = (np.concatenate(each) for each in (boxes, points, scores))
    return [
        Found(
            (float(box[i, 0] + box[i, 2] / 2), float(box[i, 1] + box[i, 3] / 2)),
            float(box[i, 2]),
            float(box[i, 3]),
            tuple((float(x), float(y)) for x, y in point[i]),
            float(score[i]),
        )
        for i in _distinct(box, score)
    ]


def cut(image: Image.Image, face: Found, size: int, margin: float = MARGIN) -> np.ndarray:
    """The square around a face, upright, uint8 RGB, size×size: out of the picture turned by its
    angle. `margin`: what is added on each side, as a share of the face's longer side."""
    half = max(face.width, face.height) * (0.5 + margin)
    x, y = face.center
    if face.angle:
        # No more than what the turned face needs is turned.
        reach = half * math.sqrt(2) + 2
        part = _part(image, (x - reach, y - reach, x + reach, y + reach))
        image = part.rotate(face.angle, Image.Resampling.BICUBIC, fillcolor=_GRAY)
        x, y = image.width / 2, image.height / 2
    part = _part(image, (x - half, y - half, x + half, y + half))
    found = part.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.array(found, dtype=np.uint8)


def _part(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A part of a picture; what lies outside of it is gray."""
    left, top, right, bottom = (round(side) for side in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if inside == (left, top, right, bottom):
        return image.crop(inside)
    canvas = Image.new("RGB", (right - left, bottom - top), _GRAY)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        canvas.paste(image.crop(inside), (inside[0] - left, inside[1] - top))
    return canvas


def _distinct(box: np.ndarray, score: np.ndarray) -> list[int]:
    """Which boxes stay when each gives way to a likelier one that it overlaps."""
    keep: list[int] = []
    left = np.argsort(-score, kind="stable")[:_MOST]
    corner = box[:, :2] + box[:, 2:]
    area = box[:, 2] * box[:, 3]
    while len(left):
        one, rest = left[0], left[1:]
        keep.append(int(one))
        low = np.maximum(box[one, :2], box[rest, :2])
        shared = np.prod(np.clip(np.minimum(corner[one], corner[rest]) - low, 0, None), axis=1)
        left = rest[shared <= _OVERLAP * (area[one] + area[rest] - shared)]
    return keep


def _lean(face: Found) -> float:
    """Degrees by which eyes and mouth lean: those that turn it upright, counter-clockwise."""
    (ax, ay), (bx, by), _, (cx, cy), (dx, dy) = face.landmarks
    # From eye to eye and corner to corner, and from the eyes down to the mouth, turned onto it.
    across = bx - ax + dx - cx, by - ay + dy - cy
    down = (cx + dx - ax - bx), (cy + dy - ay - by)
    return math.degrees(math.atan2(across[1] - down[0], across[0] + down[1]))


def _count(found: list[Found]) -> int:
    return sum(one.confidence >= LIKELY for one in found)


def _best(found: list[Found]) -> float:
    return found[0].confidence if found else 0.0


def _shrunk(image: Image.Image, length: float) -> Image.Image:
    """The picture with what was `length` brought down to `LONGEST`."""
    if length <= LONGEST:
        return image
    size = tuple(max(1, round(side * LONGEST / length)) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _turned_back(face: Found, angle: float, size: tuple[int, int]) -> Found:
    """Where a face of a picture turned by `angle` lies in the picture of `size` as it stood."""
    lean = _lean(face)
    own = angle + lean if angle or abs(lean) > LEANING else 0.0
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    wide, high = size
    middle = (_canvas(size, angle)[0] / 2, _canvas(size, angle)[1] / 2)

    def back(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] - middle[0], point[1] - middle[1]
        return x * cos - y * sin + wide / 2, x * sin + y * cos + high / 2

    marks = tuple(back(point) for point in face.landmarks)
    return replace(face, center=back(face.center), landmarks=marks, angle=own % 360)


def _canvas(size: tuple[int, int], angle: float) -> tuple[int, int]:
    """(width, height) of a picture that was turned, as Pillow widens it."""
    if not angle:
        return size
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    corners = [
        (x * cos + y * sin, y * cos - x * sin)
        for x in (-size[0] / 2, size[0] / 2)
        for y in (-size[1] / 2, size[1] / 2)
    ]
    wide, high = (max(axis) - min(axis) for axis in zip(*corners, strict=True))
    return math.ceil(wide - 1e-6), math.ceil(high - 1e-6)


def _scaled(face: Found, across: float, down: float) -> Found:
    return replace(
        face,
        center=(face.center[0] * across, face.center[1] * down),
        width=face.width * across,
        height=face.height * down,
        landmarks=tuple((x * across, y * down) for x, y in face.landmarks),
    )


def _bad(what: str) -> TellapartError:
    return VerificationError(
        f"The face detector {what}.",
        expected="YuNet's ONNX file",
        do="Run `tellapart weights get yunet`, or name the file in TELLAPART_FACES.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
