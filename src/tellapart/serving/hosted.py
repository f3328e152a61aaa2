"""One model in a worker: jobs in, answers out, all of a batch in one run of the engine."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tellapart import images
from tellapart.bundle import occlusion
from tellapart.bundle.manifest import Manifest
from tellapart.bundle.overlay import why_overlay
from tellapart.bundle.predictor import BATCH
from tellapart.bundle.rows import RowReader
from tellapart.bundle.session import Session, bad_model
from tellapart.errors import InputError, TellapartError, WorkerError
from tellapart.serving.answers import Teller
from tellapart.serving.batching import Batch
from tellapart.serving.jobs import Answer, Job, Seconds, Tensor
from tellapart.serving.wire import error_facts

#: The longest side of a picture with its map laid over.
_OVERLAY = 768
#: What an unusable job is answered with in place of numbers.
_NOTHING: tuple[float, ...] = ()


@dataclass(eq=False)
class _Item:
    """One job on its way through."""

    job: Job
    ready: np.ndarray | None = None
    error: TellapartError | None = None
    decode: float = 0.0


class Hosted:
    """A loaded model. One thread at a time."""

    def __init__(self, manifest: Manifest, session: Session, max_pixels: int) -> None:
        self.manifest = manifest
        self._session = session
        self._max_pixels = max_pixels
        rows = manifest.rows
        self._rows = RowReader(rows, manifest.labels, manifest.name) if rows else None
        self._familiar = "familiarity" in manifest.outputs
        self._mapped = "map" in manifest.outputs
        self._usual = ["probabilities", *["familiarity"] * self._familiar]
        self.teller = Teller(manifest)
        #: What one item takes, as far as is known before the first.
        self.seconds = 0.0
        #: Called between the parts of long work.
        self.alive: Callable[[], None] = _nobody_listens

    def warm_up(self, batch: Batch) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Run on plain gray (or zeros); dtype and shape (one item's) of every output."""
        found = self._session.run(self._blank(1), self.manifest.outputs)
        began = time.perf_counter()
        self._session.run(self._blank(1), self._usual)
        self.seconds = time.perf_counter() - began
        largest = batch.size(self.seconds)
        if self._session.engine == "openvino" and largest > 1:
            # What it computes larger batches with is loaded at the first of them.
            self._session.run(self._blank(largest), self._usual)
        return {name: (str(value.dtype), value.shape[1:]) for name, value in found.items()}

    def _blank(self, count: int) -> np.ndarray:
        kind, value = (np.float32, 0) if self._rows else (np.uint8, 127)
        blank: np.ndarray = np.full((count, *self.shape), value, kind)
        return blank

    @property
    def shape(self) -> tuple[int, ...]:
        """What the model sees of one item: (height, width, channels), or (columns,)."""
        given = self.manifest.picture
        if given is None:
            return (len(cast(RowReader, self._rows).schema.names),)
        return (*images.seen(given.size, given.view), 1 if given.color == "gray" else 3)

    def answer(self, jobs: Sequence[Job]) -> list[Answer]:
        """Answers in the order of the jobs; each that cannot be used has its own `error`."""
        items = [self._decoded(job) for job in jobs]
        usable = [item for item in items if item.ready is not None]
        answers: dict[int, Answer] = {}
        if usable:
            try:
                found = self._infer(usable)
            except TellapartError as error:
                for item in usable:
                    item.error = error
            else:
                answers = {id(item): one for item, one in zip(usable, found, strict=True)}
        return [answers.get(id(item)) or self._failed(item) for item in items]

    def _decoded(self, job: Job) -> _Item:
        self.alive()
        began = time.perf_counter()
        item = _Item(job)
        try:
            item.ready = self._prepared(job)
        except TellapartError as error:
            item.error = error
        except Exception as error:
            # A decoder may fail in ways that nobody foresaw; the next picture is none the worse.
            item.error = _unforeseen(error, job.kind)
        item.decode = time.perf_counter() - began
        return item

    def _prepared(self, job: Job) -> np.ndarray:
        if job.kind == "tensor":
            kind = np.dtype("<f4") if self._rows else np.dtype(np.uint8)
            return np.frombuffer(job.payload, kind).reshape(self.shape)
        if self._rows is not None:
            return self._row(self._rows, job.payload)
        given = self.manifest.picture
        if given is None:  # never: a model takes pictures or rows
            raise bad_model("takes neither pictures nor rows")
        view, color = cast(Any, given.view), cast(Any, given.color)
        return images.load(job.payload, given.size, view, color, max_pixels=self._max_pixels)

    @staticmethod
    def _row(reader: RowReader, payload: bytes) -> np.ndarray:
        try:
            row = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"The row is no JSON ({error}).",
                expected="an object of cells by column, or a list of cells",
                do="Send it as JSON.",
            ) from None
        found = reader.encode([row])[0]
        if isinstance(found, TellapartError):
            raise found
        return found

    def _infer(self, items: Sequence[_Item]) -> list[Answer]:
        began = time.perf_counter()
        arrays = [item.ready for item in items if item.ready is not None]
        batch = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
        wanted = self._usual
        if any(item.job.why or item.job.outputs for item in items):
            mapped = self._mapped and any(item.job.why for item in items)
            more = [name for item in items for name in item.job.outputs]
            wanted = list(dict.fromkeys([*wanted, *["map"] * mapped, *more]))
        out = self._session.run(batch, wanted)
        self._check(out, len(batch))
        seconds = (time.perf_counter() - began, len(items))
        return [self._answer(out, row, item, seconds) for row, item in enumerate(items)]

    def _check(self, out: dict[str, np.ndarray], count: int) -> None:
        odds = out["probabilities"]
        known = out.get("familiarity")
        fits = known is None or known.size == count
        if odds.shape != (count, len(self.manifest.labels)) or not fits:
            many = len(self.manifest.labels)
            raise bad_model(f"gives {odds.shape} probabilities for {many} labels")
        if not np.isfinite(odds).all():
            raise bad_model("gives probabilities that are no numbers")

    def _answer(
        self, out: dict[str, np.ndarray], row: int, item: _Item, timed: tuple[float, int]
    ) -> Answer:
        odds = out["probabilities"][row]
        known = float(out["familiarity"].reshape(-1)[row]) if self._familiar else None
        top = int(odds.argmax())
        best = self.manifest.labels[top]
        abstained = self.manifest.abstains(float(odds[top]), known)
        answer = Answer(
            self.manifest.name,
            self.manifest.version,
            None if abstained else best,
            best,
            probabilities=odds.tolist(),
            abstained=abstained,
            familiarity=known,
            outputs={name: _tensor(np.asarray(out[name][row])) for name in item.job.outputs},
            seconds=Seconds(0.0, item.decode, timed[0]),
            batch=timed[1],
        )
        if item.job.why and item.ready is not None and self._rows is None:
            heat = out["map"][row] if self._mapped else self._occluded(item.ready)
            answer.map = _tensor(heat)
            answer.map_kind = "cam" if self._mapped else "occlusion"
            if item.job.kind == "picture":
                answer.overlay = self._overlay(item.job.payload, heat, top)
        return answer

    def _occluded(self, picture: np.ndarray) -> np.ndarray:
        def probabilities(batch: np.ndarray) -> np.ndarray:
            self.alive()
            return self._session.run(batch, ["probabilities"])["probabilities"]

        return occlusion.maps(picture, probabilities, batch=BATCH)

    def _overlay(self, payload: bytes, heat: np.ndarray, top: int) -> bytes:
        given = self.manifest.picture
        image = images.decode(payload, hint=_OVERLAY // 2)
        image.thumbnail((_OVERLAY, _OVERLAY))
        own = heat[top] - heat.mean(axis=0)
        laid = why_overlay(image, own, self.manifest.labels[top], given.view if given else "squash")
        out = io.BytesIO()
        laid.save(out, "PNG", compress_level=1)
        return out.getvalue()

    def _failed(self, item: _Item) -> Answer:
        error = item.error or _unforeseen(None, item.job.kind)
        return Answer(
            self.manifest.name,
            self.manifest.version,
            probabilities=_NOTHING,
            error=error_facts(error),
            http_status=error.http_status,
            seconds=Seconds(0.0, item.decode, 0.0),
        )


def _nobody_listens() -> None:
    pass


def _tensor(value: np.ndarray) -> Tensor:
    return Tensor(str(value.dtype), value.shape, value.tobytes())


def _unforeseen(error: Exception | None, kind: str) -> TellapartError:
    what = f"{type(error).__name__}: {error}" if error else "nothing is known of it"
    if isinstance(error, (ValueError, TypeError, OverflowError, MemoryError)):
        return InputError(
            f"The {kind} cannot be read ({what:.200}).",
            expected=f"a {kind} as the model takes it",
            do="Check it, or leave it out.",
        )
    return WorkerError(
        f"The {kind} could not be answered ({what:.200}).",
        expected="an answer",
        do="Report it with the picture or row, if that may be passed on.",
    )
