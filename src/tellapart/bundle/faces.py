"""Finds faces with YuNet's network in ONNX Runtime, also in pictures that are turned.

How the network's outputs are read follows OpenCV's `FaceDetectorYN` (modules/objdetect/src/
face_detect.cpp, Apache-2.0): three grids of 8, 16 and 32 pixels a cell; each cell says how likely
it holds a face (the root of class times objectness), where and how large it is, and where its eyes,
nose and corners of the mouth are; overlapping ones give way to the likelier.
"""

from __future__ import annotations

import hashlib
import math
import threading

import numpy as np
from PIL import Image

from tellapart import images, telemetry
from tellapart.bundle.face import LEANING, MARGIN, Found, cut, lean, scaled, turned_back
from tellapart.errors import MissingExtraError, TellapartError, VerificationError

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
#: A face that leans is turned on until its eyes and mouth lean by no more than this, in degrees;
#: what they tell of a lean is about two thirds of it.
_STRAIGHT, _TELLS, _TURNS_ON = 3.0, 1.5, 3


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
        if turned and (_best(found) < SURE or abs(lean(found[0])) > LEANING):
            smaller = _shrunk(image, math.hypot(*image.size))
            around = _best(found) < SURE
            start, seen = self._around(smaller) if around else (0.0, self._at(smaller, 0.0))
            if _count(seen) >= _count(found):
                small = smaller
                angle, found = self._straightened(small, start, seen)
        back = [turned_back(one, angle, small.size) for one in found if one.confidence >= LIKELY]
        scale = image.width / small.width, image.height / small.height
        grown = [scaled(one, *scale) for one in back]
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
        return found if scale == 1.0 else [scaled(one, scale, scale) for one in found]

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
            tilt = lean(found[0]) if _best(found) >= LIKELY else 0.0
            if abs(tilt) <= _STRAIGHT:
                break
            seen = self._at(image, angle + _TELLS * tilt)
            if _count(seen) < _count(found) or abs(lean(seen[0])) >= abs(tilt):
                break
            angle, found = angle + _TELLS * tilt, seen
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


def _bad(what: str) -> TellapartError:
    return VerificationError(
        f"The face detector {what}.",
        expected="YuNet's ONNX file",
        do="Run `tellapart weights get yunet`, or name the file in TELLAPART_FACES.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
