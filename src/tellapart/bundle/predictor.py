"""Run a bundle's model: pictures or rows in, labels with probabilities and doubts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
from PIL import Image

from tellapart import images
from tellapart.bundle import faces, occlusion
from tellapart.bundle.archive import MODEL_LIMIT, Archive, open_archive, refuse
from tellapart.bundle.manifest import Manifest, PictureInput, read_sums, sha256
from tellapart.bundle.pictures import Picture, open_picture, prepared
from tellapart.bundle.prediction import MapKind, Prediction
from tellapart.bundle.rows import RowReader
from tellapart.bundle.session import EngineName, Session, bad_model
from tellapart.errors import InputError, TellapartError
from tellapart.tables import Row

__all__ = ["Bundle", "EngineName", "Picture", "Prediction", "Row", "Session"]

MODEL, MANIFEST, LABELS, SUMS = "model.onnx", "manifest.json", "labels.txt", "SHA256SUMS"
#: Pictures that go through the model together: more bring nothing on a CPU but memory.
BATCH = 16
#: Cells of a table that go through the model together.
_CELLS = 2**18
#: The most rows that do.
_ROWS = 1024


class Bundle:
    """A bundle, ready to predict. Its methods may be called from many threads at once."""

    def __init__(self, manifest: Manifest, session: Session, path: Path) -> None:
        self._manifest = manifest
        self._session = session
        given = manifest.rows
        self._rows = RowReader(given, manifest.labels, manifest.name) if given else None
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
    def finished(self) -> bool:
        """False where training was stopped before its end."""
        return self._manifest.finished

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of a row, in the model's order; None where it takes pictures."""
        return None if self._manifest.rows is None else self._manifest.rows.names

    @property
    def row_reader(self) -> RowReader:
        """How rows become what the model sees. Raises `InputError` where it takes pictures."""
        if self._rows is None:
            raise InputError(
                f"The bundle {self.name!r} answers pictures, not rows of a table.",
                expected="pictures",
                do="Give the path of a picture, or another bundle.",
            )
        return self._rows

    @property
    def manifest(self) -> dict[str, Any]:
        """All of `manifest.json`: recipe, metrics, data, licenses, thresholds, golden pictures."""
        return dict(self._manifest.raw)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is one path, not a list of them
        self, item: Picture | Mapping[str, object], why: bool = False
    ) -> Prediction: ...
    @overload
    def predict(
        self, item: Sequence[Picture] | Sequence[Row], why: bool = False
    ) -> list[Prediction]: ...
    def predict(
        self, item: Picture | Row | Sequence[Picture] | Sequence[Row], why: bool = False
    ) -> Prediction | list[Prediction]:
        """Classify a picture (path, file's bytes, Pillow image, uint8 array H×W×3), or a list.

        Where the bundle is for tables: a row, its cells by column (None and NaN: missing) or in
        the order of `columns`, or a list of rows.

        With `why`, predictions carry a map of what spoke for each class, and where: the model's
        own class activation map, or where it gives none one by occlusion, which asks the model
        some hundred times a picture; `map_kind` says which. A single unusable picture raises
        `PictureError` (or `NotFoundError`), a single unusable row `InputError`; in a list its
        prediction has the `error` instead.
        """
        alone = not isinstance(item, (list, tuple))
        if self._rows is not None:
            alone = self._rows.is_row(item)
        if not alone:
            return list(self.stream(cast(Sequence[Any], item), why=why))
        found = next(self.stream([cast(Any, item)], why=why))
        if found.error is not None:
            raise found.error
        return found

    def stream(
        self, items: Iterable[Picture] | Iterable[Row], *, why: bool = False
    ) -> Iterator[Prediction]:
        """Predictions in the order of the pictures or rows, answered a batch at a time.

        Memory stays bounded however many there are; an unusable one carries its `error`.
        """
        if why and self._rows is not None:
            raise InputError(
                f"The model of the bundle {self.name!r} gives no map of what spoke for a class.",
                expected="a bundle that answers pictures",
                do="Ask without `why`.",
            )
        size = BATCH
        if self._manifest.rows is not None:
            size = max(1, min(_ROWS, _CELLS // len(self._manifest.rows.columns)))
        left = iter(cast(Iterable[Any], items))
        while batch := list(islice(left, size)):
            yield from self._batch(batch, why)

    def why(self, picture: Picture, label: str | None = None) -> tuple[Prediction, Image.Image]:
        """A prediction, and the picture with what speaks for `label` (the likeliest) glowing.

        `map_kind` of the prediction says how that was found. Raises `InputError` for an unknown
        label, and where the bundle answers rows of a table.
        """
        from tellapart.bundle.overlay import why_overlay

        view = self._pictures().view
        image = open_picture(picture)
        found = self.predict(picture, why=True)
        heat = found.heat(label)
        return found, why_overlay(image, heat, label or found.best or "", view)

    def prepare(self, picture: Picture) -> np.ndarray:
        """What the model sees of a picture: uint8 (height, width, 3 or 1).

        Raises `PictureError`, and `InputError` where the model takes rows.
        """
        given = self._pictures()
        image = open_picture(picture, hint=images.hint(given.size, given.view))
        return images.prepare(image, given.size, cast(Any, given.view), cast(Any, given.color))

    def outputs(self, batch: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Raw outputs of prepared pictures (or rows, float32), such as `logits` or `features`."""
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

    def _batch(self, items: Sequence[Any], why: bool) -> list[Prediction]:
        ready = prepared(self.prepare, items) if self._rows is None else self._rows.encode(items)
        usable = [item for item in ready if isinstance(item, np.ndarray)]
        answers = iter(self._answers(np.stack(usable), why) if usable else [])
        return [
            Prediction(None, {}, False, 0.0 if self._rows is None else None, None, item)
            if isinstance(item, TellapartError)
            else next(answers)
            for item in ready
        ]

    def _answers(self, batch: np.ndarray, why: bool) -> list[Prediction]:
        familiar = "familiarity" in self._manifest.outputs
        maps: np.ndarray | None = None
        mapped = "map" in self._manifest.outputs
        wanted = ["probabilities", *["familiarity"] * familiar, *["map"] * (why and mapped)]
        out = self._session.run(batch, wanted)
        odds = out["probabilities"]
        known = out["familiarity"].reshape(-1) if familiar else None
        fits = known is None or len(known) == len(batch)
        if odds.shape != (len(batch), len(self.labels)) or not fits:
            raise bad_model(f"gives {odds.shape} probabilities for {len(self.labels)} labels")
        if not np.isfinite(odds).all():
            raise bad_model("gives probabilities that are no numbers")
        if why:
            maps = out["map"] if mapped else np.stack([self._occluded(one) for one in batch])
        return [
            self._answer(
                odds[row],
                None if known is None else float(known[row]),
                None if maps is None else maps[row],
            )
            for row in range(len(batch))
        ]

    def _occluded(self, picture: np.ndarray) -> np.ndarray:
        def probabilities(batch: np.ndarray) -> np.ndarray:
            return self._session.run(batch, ["probabilities"])["probabilities"]

        return occlusion.maps(picture, probabilities, batch=BATCH)

    def _answer(self, odds: np.ndarray, known: float | None, heat: np.ndarray | None) -> Prediction:
        kind: MapKind = "cam" if "map" in self._manifest.outputs else "occlusion"
        top = int(odds.argmax())
        abstained = self._manifest.abstains(float(odds[top]), known)
        return Prediction(
            None if abstained else self.labels[top],
            dict(zip(self.labels, map(float, odds), strict=True)),
            abstained,
            known,
            heat,
            map_kind=None if heat is None else kind,
        )


def read_model(archive: Archive) -> tuple[Manifest, bytes]:
    """The manifest and the model of an open bundle, their sums checked.

    Where its view is one of faces, the bundle's detector is given to `images` on the way. Raises
    `VerificationError` before a damaged model can reach an engine's parser.
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
    if manifest.picture is not None and manifest.picture.view in images.FACE_VIEWS:
        faces.provide(archive.read(faces.FILE, MODEL_LIMIT))
    return manifest, model
