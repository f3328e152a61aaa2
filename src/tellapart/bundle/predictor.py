"""Run a bundle's model: pictures in, labels with probabilities and doubts out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
from PIL import Image

from tellapart import images, telemetry
from tellapart.bundle.archive import MODEL_LIMIT, Archive, open_archive, refuse
from tellapart.bundle.manifest import Manifest, PictureInput, read_sums, sha256
from tellapart.errors import (
    InputError,
    MissingExtraError,
    NotFoundError,
    PictureError,
    TellapartError,
    VerificationError,
)

Picture = str | Path | bytes | Image.Image | np.ndarray
EngineName = Literal["onnxruntime", "openvino"]
MODEL, MANIFEST, LABELS, SUMS = "model.onnx", "manifest.json", "labels.txt", "SHA256SUMS"
#: Pictures that go through the model together: more bring nothing on a CPU but memory.
BATCH = 16


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one picture.

    `label` is None where it abstains ("none of these") or where the picture is unusable: read
    it before acting on it. `best` names the likeliest class all the same.
    """

    label: str | None
    #: Calibrated probability by class, in the order of the bundle's labels; empty on an error.
    probabilities: dict[str, float]
    #: True: too unlike the training pictures (or too unsure) to be any of the classes.
    abstained: bool
    #: Mean cosine to the nearest stored training features, -1 to 1: higher is more familiar.
    #: None where the model stores none.
    familiarity: float | None
    #: float32 of shape (classes, h, w): what speaks for each class, and where. Only with `why`.
    map: np.ndarray | None = None
    #: Why this picture gave no answer; only in batches, a single one raises it.
    error: TellapartError | None = None

    @property
    def best(self) -> str | None:
        """The likeliest class, even where the model abstains; None on an error."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default=None)

    def heat(self, label: str | None = None) -> np.ndarray:
        """Where (h, w) the picture speaks for one class rather than the others.

        The class's map above the mean of all maps (probabilities know only differences);
        `label`: by default the likeliest. Raises `InputError`.
        """
        wanted = label or self.best
        if self.map is None or wanted not in self.probabilities:
            raise InputError(
                f"There is no map of {wanted!r} in this prediction.",
                expected="a prediction made with `why=True`, and one of its classes",
                do="Call `predict(picture, why=True)`.",
            )
        own = self.map[list(self.probabilities).index(wanted)]
        return cast(np.ndarray, own - self.map.mean(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without the map."""
        if self.error is not None:
            return self.error.to_dict()
        return {
            "label": self.label,
            "best": self.best,
            "abstained": self.abstained,
            "familiarity": None if self.familiarity is None else round(self.familiarity, 6),
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
        }


class Session:
    """One model in one engine; `run` may be called from many threads at once."""

    def __init__(self, model: bytes, *, engine: str = "onnxruntime", threads: int = 0) -> None:
        self.engine = engine
        if engine == "onnxruntime":
            self._run, self.metadata = _onnxruntime(model, threads)
        elif engine == "openvino":
            self._run, self.metadata = _openvino(model, threads)
        else:
            raise InputError(
                f"The engine is {engine!r}.",
                expected="onnxruntime or openvino",
                do="Choose one of the two.",
            )

    def run(self, batch: np.ndarray, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The named outputs of a uint8 batch N×H×W×3 (RGB). Raises `VerificationError`."""
        try:
            return self._run(np.ascontiguousarray(batch), list(outputs))
        except Exception as error:
            raise _bad_model(f"does not run ({_first_line(error)})") from error


class Bundle:
    """A bundle, ready to predict. Its methods may be called from many threads at once."""

    def __init__(self, manifest: Manifest, session: Session, path: Path) -> None:
        self._manifest = manifest
        self._session = session
        self.path = path

    @classmethod
    def load(
        cls, path: str | Path, *, engine: EngineName = "onnxruntime", threads: int = 0
    ) -> Bundle:
        """Load a bundle: the zip, or the folder it was unpacked to.

        `threads` for inference; 0: as many as cores. The sums of the files used are checked (the
        whole bundle by `verify`). Raises `NotFoundError`, `VerificationError`, and
        `MissingExtraError` where the engine is not installed.
        """
        with open_archive(path) as archive:
            manifest, model = read_model(archive)
        return cls(manifest, Session(model, engine=engine, threads=threads), Path(path))

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def version(self) -> int:
        return self._manifest.version

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of every array of probabilities."""
        return self._manifest.labels

    @property
    def manifest(self) -> dict[str, Any]:
        """All of `manifest.json`: recipe, metrics, data, licenses, thresholds, golden pictures."""
        return dict(self._manifest.raw)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is one path, not a list of them
        self, picture: Picture, why: bool = False
    ) -> Prediction: ...
    @overload
    def predict(self, picture: Sequence[Picture], why: bool = False) -> list[Prediction]: ...
    def predict(
        self, picture: Picture | Sequence[Picture], why: bool = False
    ) -> Prediction | list[Prediction]:
        """Classify a picture (path, file's bytes, Pillow image, uint8 array H×W×3), or a list.

        With `why`, predictions carry the class activation map. A single unusable picture raises
        `PictureError` (or `NotFoundError`); in a list its prediction has the `error` instead.
        """
        if isinstance(picture, (list, tuple)):
            return list(self.stream(picture, why=why))
        found = next(self.stream([cast(Picture, picture)], why=why))
        if found.error is not None:
            raise found.error
        return found

    def stream(self, pictures: Iterable[Picture], *, why: bool = False) -> Iterator[Prediction]:
        """Predictions in the order of `pictures`, read and answered a batch at a time.

        Memory stays bounded however many there are; an unusable one carries its `error`.
        """
        waiting: list[Picture] = []
        for picture in pictures:
            waiting.append(picture)
            if len(waiting) == BATCH:
                yield from self._batch(waiting, why)
                waiting = []
        if waiting:
            yield from self._batch(waiting, why)

    def why(self, picture: Picture, label: str | None = None) -> tuple[Prediction, Image.Image]:
        """A prediction, and the picture with what speaks for `label` (the likeliest) glowing."""
        from tellapart.bundle.overlay import why_overlay

        image = open_picture(picture)
        found = self.predict(picture, why=True)
        heat = found.heat(label)
        view = self._pictures().view
        return found, why_overlay(image, heat, label or found.best or "", view)

    def prepare(self, picture: Picture) -> np.ndarray:
        """What the model sees of a picture: uint8 (height, width, 3 or 1).

        Raises `PictureError`, and `InputError` where the model takes rows.
        """
        given = self._pictures()
        image = open_picture(picture, hint=max(given.size))
        return images.prepare(image, given.size, cast(Any, given.view), cast(Any, given.color))

    def outputs(self, batch: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Raw outputs of prepared pictures: `logits probabilities features familiarity map`."""
        return self._session.run(batch, names)

    def _pictures(self) -> PictureInput:
        given = self._manifest.picture
        if given is None:
            raise InputError(
                f"The bundle {self.name!r} answers rows of a table, not pictures.",
                expected="a row: its cells by column",
                do="Give a dict, such as `predict({'width': 1.5})`.",
            )
        return given

    def _batch(self, pictures: Sequence[Picture], why: bool) -> list[Prediction]:
        ready = _prepared(self.prepare, pictures)
        usable = [item for item in ready if isinstance(item, np.ndarray)]
        answers = iter(self._answers(np.stack(usable), why) if usable else [])
        return [
            next(answers)
            if isinstance(item, np.ndarray)
            else Prediction(None, {}, False, 0.0, None, item)
            for item in ready
        ]

    def _answers(self, batch: np.ndarray, why: bool) -> list[Prediction]:
        wanted = ["probabilities", "familiarity"] + (["map"] if why else [])
        out = self._session.run(batch, wanted)
        odds, known = out["probabilities"], out["familiarity"].reshape(-1)
        if odds.shape != (len(batch), len(self.labels)) or len(known) != len(batch):
            raise _bad_model(f"gives {odds.shape} probabilities for {len(self.labels)} labels")
        return [
            self._answer(odds[row], float(known[row]), out["map"][row] if why else None)
            for row in range(len(batch))
        ]

    def _answer(self, odds: np.ndarray, known: float, heat: np.ndarray | None) -> Prediction:
        least, sure = self._manifest.min_familiarity, self._manifest.min_probability
        top = int(odds.argmax())
        abstained = (least is not None and known < least) or (
            sure is not None and float(odds[top]) < sure
        )
        return Prediction(
            None if abstained else self.labels[top],
            dict(zip(self.labels, map(float, odds), strict=True)),
            abstained,
            known,
            heat,
        )


def read_model(archive: Archive) -> tuple[Manifest, bytes]:
    """The manifest and the model of an open bundle, their sums checked.

    Raises `VerificationError` before a damaged model can reach an engine's parser.
    """
    found, problems = read_sums(archive.read(SUMS))
    text = archive.read(MANIFEST)
    manifest, faults = Manifest.parse(text)
    # A newer format may sum its files in another way: that is the thing to say then.
    if manifest is None or problems:
        raise refuse(archive.path, faults + problems)
    model = archive.read(MODEL, MODEL_LIMIT)
    wrong = [
        f"the content of {name!r} is not what SHA256SUMS says"
        for name, data in ((MANIFEST, text), (MODEL, model))
        if sha256(data) != found.get(name)
    ]
    if wrong:
        raise refuse(archive.path, wrong)
    return manifest, model


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


def _prepared(
    prepare: Callable[[Picture], np.ndarray], pictures: Sequence[Picture]
) -> list[np.ndarray | TellapartError]:
    def one(picture: Picture) -> np.ndarray | TellapartError:
        try:
            return prepare(picture)
        except TellapartError as error:
            return error

    if len(pictures) == 1:
        return [one(pictures[0])]
    with ThreadPoolExecutor(min(4, len(pictures))) as pool:
        return list(pool.map(one, pictures))


_Run = Callable[[np.ndarray, list[str]], dict[str, np.ndarray]]


def _onnxruntime(model: bytes, threads: int) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Waiting threads would otherwise burn the cores that decode the next batch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
    except Exception as error:
        raise _bad_model(f"cannot be loaded ({_first_line(error)})") from error

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(outputs, {name: batch}), strict=True))

    return run, dict(session.get_modelmeta().custom_metadata_map)


def _openvino(model: bytes, threads: int) -> tuple[_Run, dict[str, str]]:
    telemetry.off()
    try:
        import openvino
    except ImportError as error:
        raise _missing("openvino") from error
    try:
        core = openvino.Core()
        # On some processors the default is bfloat16, which moves probabilities by up to 0.09.
        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            hints["INFERENCE_NUM_THREADS"] = threads
        compiled = core.compile_model(core.read_model(model), "CPU", hints)
    except Exception as error:
        raise _bad_model(f"cannot be loaded ({_first_line(error)})") from error
    local = threading.local()  # one request a thread: a shared one is "busy" half of the time

    def run(batch: np.ndarray, outputs: list[str]) -> dict[str, np.ndarray]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([batch])
        return {name: local.request.get_tensor(name).data.copy() for name in outputs}

    return run, {}


def _bad_model(what: str) -> VerificationError:
    return VerificationError(
        f"The model {what}.",
        expected="a model that `tellapart compile` wrote",
        do="Run `verify` on the bundle; fetch or package it again.",
    )


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(
        f"{library} is not installed.",
        expected=f"the library that runs the model ({library})",
        do=f"Run `pip install {library}`.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
