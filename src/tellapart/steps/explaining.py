"""Why a picture is answered as it is: where it speaks for the class, and which training pictures
speak for and against it. For the report and for whoever asks about a picture of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tellapart import images
from tellapart.bundle import occlusion
from tellapart.bundle.prediction import MapKind
from tellapart.catalog import PictureRow
from tellapart.learn import backbone, doubling, features, influence, measuring, trained
from tellapart.learn.engine import Engine
from tellapart.steps import StepContext
from tellapart.store.files import FileStore

if TYPE_CHECKING:
    from PIL import Image

    from tellapart.bundle import Bundle, Prediction
    from tellapart.bundle.predictor import Picture

#: From this cosine on, a training picture is taken for the very picture asked about.
_SAME = 0.99999
#: A head that a fit to all training pictures moves by more than this is no such fit.
_MOVED = 0.05
#: Share of pictures by which those of a head and those of the catalog may differ.
_CHANGED = 0.02


@dataclass(frozen=True)
class Speaker:
    """A training picture that speaks for a class or against it."""

    picture: PictureRow
    #: Of its features with those of the picture asked about.
    cosine: float
    #: The probability of the class, had this picture not been trained on.
    without: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        row = self.picture
        return {
            "id": row.id,
            "class": row.label,
            "sha256": row.sha256,
            "file": row.path,
            "page": row.page_url or row.file_url,
            "cosine": self.cosine,
            "without": self.without,
        }


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a picture is answered as it is."""

    prediction: Prediction
    #: The class that is spoken for and against.
    label: str
    #: Its probability.
    probability: float
    #: The picture, with what speaks for the class glowing.
    image: Image.Image
    #: Training pictures without which the probability would be lower, the strongest first …
    pro: tuple[Speaker, ...] = ()
    #: … and without which it would be higher.
    against: tuple[Speaker, ...] = ()
    #: What a person should know, in plain words.
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without the pictures."""
        return {
            **self.prediction.to_dict(),
            "class": self.label,
            "map_kind": self.prediction.map_kind,
            "for": [one.to_dict() for one in self.pro],
            "against": [one.to_dict() for one in self.against],
            "notes": list(self.notes),
        }


class Explainer:
    """A project's trained head beside the pictures that it learned from."""

    def __init__(
        self,
        context: StepContext,
        model: trained.Trained,
        net: backbone.Backbone,
        rows: Sequence[PictureRow],
        vectors: NDArray[np.float32],
    ) -> None:
        """`rows` are the training pictures, `vectors` (n, D) their raw features."""
        self._context, self._model, self._net = context, model, net
        self._rows, self._vectors = rows, vectors

    def speakers(
        self, picture: NDArray[np.float32], label: str, *, count: int = 3, candidates: int = 6
    ) -> tuple[tuple[Speaker, ...], tuple[Speaker, ...]]:
        """Who speaks for and against a class of a picture of raw features (D,)."""
        number = self._model.classes.index(label)
        found = self._influence.speakers(picture, number, count=count, candidates=candidates)
        pro, against = (
            tuple(Speaker(self._rows[one.row], one.cosine, one.without) for one in side)
            for side in (found.pro, found.against)
        )
        return pro, against

    @cached_property
    def doubts(self) -> str:
        """Why speakers cannot be told for this head; empty where they can."""
        basis = trained.basis((row.sha256, row.label) for row in self._rows)
        changed = len(np.setxor1d(basis, self._model.basis))
        if changed > 2 * _CHANGED * len(basis):
            return "The pictures have changed since the head was trained."
        if not self._model.head.C:
            return (
                "The head was tuned together with its network: what it would be without one of "
                "the training pictures is not known."
            )
        if self._moved > _MOVED:
            return (
                "The head is a blend of several, which one fit to all training pictures does not "
                "give: what it would be without one of them is not known."
            )
        return ""

    @property
    def pictures(self) -> int:
        """The number of training pictures."""
        return len(self._rows)

    @property
    def is_tuned(self) -> bool:
        """Whether the network below the head has learned from the pictures too."""
        return self._net.tuned or any(part.backbone.tuned for part in self._net.parts)

    def maps(self, pictures: Sequence[bytes]) -> list[tuple[NDArray[np.float32], MapKind]]:
        """For each picture (a file's bytes) the map (C, h, w) of what speaks for each class.

        Raises `PictureError` for one that cannot be decoded.
        """
        size, view = (self._net.size, self._net.size), self._context.recipe.train.view
        ready = [
            images.prepare(images.decode(data, hint=images.hint(size, view)), size, view)
            for data in pictures
        ]
        return [self._map(one) for one in ready]

    def _map(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], MapKind]:
        if self._net.has_map:
            places = self._engine.run(picture[None], ("feature_map",))["feature_map"][0]
            found = np.einsum("cd,dhw->chw", self._model.weight, places)
            return np.asarray(found + self._model.bias[:, None, None], np.float32), "cam"

        def probabilities(batch: NDArray[np.uint8]) -> NDArray[np.float64]:
            return self._model.head.probabilities(self._engine.run(batch)["features"])

        return occlusion.maps(picture, probabilities, batch=features.BATCH), "occlusion"

    @cached_property
    def _engine(self) -> Engine:
        threads = self._context.settings.worker_threads
        model = doubling.model_of(self._net, self._context.recipe.train.view)
        return Engine(model, threads=threads, prefer="onnxruntime")

    @cached_property
    def _influence(self) -> influence.Influence:
        y = [self._model.classes.index(row.label) for row in self._rows]
        weighting = self._context.recipe.train.class_weight
        return influence.Influence(self._vectors, y, self._model.head, class_weight=weighting)

    @cached_property
    def _moved(self) -> float:
        """By how much (90 % quantile) a fit to all moves the training pictures' probabilities."""
        before = self._model.head.probabilities(self._vectors)
        after = self._influence.chances(self._vectors)
        return float(np.quantile(np.abs(after - before).max(axis=1), 0.9))


def explain(
    context: StepContext, bundle: Bundle, picture: Picture, label: str | None = None
) -> Explanation:
    """Why `bundle`, the latest of the project, answers `picture` as it does.

    `label`: the class asked about, by default the likeliest. Raises what `Bundle.why` raises, and
    `NotFoundError` where pictures that were trained on are gone.
    """
    found, image = bundle.why(picture, label)
    wanted = label or cast(str, found.best)
    notes = []
    if found.map_kind == "occlusion":
        notes.append("This model gives no map of its own: the picture was covered bit by bit.")
    pro: tuple[Speaker, ...] = ()
    against: tuple[Speaker, ...] = ()
    if context.recipe.model_kind != "head":
        notes.append("Which training pictures speak for an answer is known for models with a head.")
    else:
        raw = bundle.outputs(bundle.prepare(picture)[None], ["features"])["features"][0]
        pro, against, more = _spoken(context, found, raw, wanted)
        notes += more
    odds = found.probabilities[wanted]
    return Explanation(found, wanted, odds, image, pro, against, tuple(notes))


def _spoken(
    context: StepContext, found: Prediction, raw: NDArray[np.float32], label: str
) -> tuple[tuple[Speaker, ...], tuple[Speaker, ...], list[str]]:
    model = trained.load(context.work)
    chances = model.head.probabilities(raw[None])[0] if raw.size == model.weight.shape[1] else None
    told = np.array([found.probabilities.get(name, -1.0) for name in model.classes])
    if chances is None or np.abs(chances - told).max() > 1e-3:
        stale = "The model was trained anew since this bundle: `tellapart package` makes a new one."
        return (), (), [stale]
    explainer = of_project(context, model)
    if explainer.doubts:
        return (), (), [explainer.doubts]
    pro, against = explainer.speakers(raw, label)
    notes = []
    if explainer.is_tuned:
        notes.append("Without a picture the head alone is fitted again; the network stays.")
    if any(one.cosine >= _SAME for one in (*pro, *against)):
        notes.append("This very picture is among those that were trained on.")
    return pro, against, notes


def of_project(context: StepContext, model: trained.Trained) -> Explainer:
    """The explainer of a project's trained head, features from the cache.

    Raises `DataError` where pictures' files are gone and their features are too.
    """
    net = backbone.of(context.work, model.facts, context.settings.cache_dir)
    kept = context.catalog.pictures(status="ok", kept=True, split="train")
    rows = sorted(
        (row for row in kept if row.label in model.classes),
        key=lambda row: (row.label, row.sha256, row.id),
    )
    files = FileStore(context.settings.files_dir)
    items = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in rows]
    vectors, errors = features.matrix(items, net, context.recipe.train.view, context.settings)
    features.require_all(errors, context.catalog.name)
    return Explainer(context, model, net, rows, vectors)
