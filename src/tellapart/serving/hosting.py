"""What a worker process holds: the bundles' models, loaded before the fork or after it."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from PIL import Image

from tellapart import images, telemetry
from tellapart.bundle.archive import open_archive
from tellapart.bundle.manifest import Manifest, sha256
from tellapart.bundle.predictor import read_model
from tellapart.bundle.session import Session
from tellapart.errors import InputError, StorageError
from tellapart.serving import variant
from tellapart.serving.batching import Batch
from tellapart.serving.hosted import Hosted
from tellapart.serving.variant import Choice
from tellapart.settings import Settings, cores

#: Pictures, and rows, that go through the model together at most where nothing was measured or
#: asked for; `batching.LEAD` makes them fewer where one takes long.
_PICTURES, _ROWS = 8, 64


@dataclass(frozen=True, eq=False)
class Loaded:
    """One bundle, read and checked; its session where forked workers can share it."""

    path: Path
    manifest: Manifest
    sha256: str
    choice: Choice
    batch: Batch
    session: Session | None
    #: The model itself, where workers open their own sessions.
    kept: IO[bytes] | None


class Host:
    """The models of one worker, in the order in which the bundles were given."""

    def __init__(self, loaded: Sequence[Loaded], workers: int, max_pixels: int) -> None:
        self._loaded = loaded
        self.workers = workers
        self.batches = [item.batch for item in loaded]
        self._max_pixels = max_pixels
        self.models: list[Hosted] = []
        self._outputs: list[dict[str, tuple[str, tuple[int, ...]]]] = []

    def open(self) -> None:
        """Open what could not be shared, and run every model once or twice."""
        for item in self._loaded:
            session = item.session or _reopened(item)
            model = Hosted(item.manifest, session, self._max_pixels)
            self._outputs.append(model.warm_up(item.batch))
            self.models.append(model)

    def facts(self) -> list[dict[str, Any]]:
        """What the front knows of each model: the fields of `ModelInfo`."""
        return [
            _facts(item, model, outputs)
            for item, model, outputs in zip(self._loaded, self.models, self._outputs, strict=True)
        ]


def load(wanted: Mapping[str, Any]) -> Host:
    """Read and check the bundles that the front asks for (see `spawn`).

    Raises `NotFoundError`, `VerificationError`, `MissingExtraError`, and `InputError` where none
    is given.
    """
    telemetry.off()
    if not wanted["bundles"]:
        raise InputError(
            "There is no bundle to serve.", expected="at least one", do="Name a bundle."
        )
    settings = Settings.from_env()
    loaded: list[Loaded] = []
    workers = int(wanted["workers"])
    for path in map(Path, wanted["bundles"]):
        with open_archive(path) as archive:
            manifest, model = read_model(archive)
        digest = sha256(model)
        choice = variant.choice(manifest, digest, settings, device=wanted["device"])
        if not workers:
            workers = choice.workers or cores()
        choice = _asked(choice, wanted, workers)
        batch = _batch(choice, wanted, manifest)
        if choice.engine == "openvino":
            choice = replace(choice, max_batch=batch.most)  # it is laid out for just these
        if choice.int8:
            model = variant.read_int8(path, manifest)
        session, kept = None, None
        if _shared(choice):
            plain = replace(choice, int8=False)  # the model at hand is the one to run
            session = variant.open_session(path, manifest, model, plain)
        else:
            kept = _keep(model)
        loaded.append(Loaded(path, manifest, digest, choice, batch, session, kept))
    _warm_decoder()
    return Host(loaded, workers, int(wanted["max_pixels"]))


def _asked(choice: Choice, wanted: Mapping[str, Any], workers: int) -> Choice:
    """`choice`, but for what the user asked for by name."""
    changes: dict[str, Any] = {}
    if wanted["engine"] not in ("auto", choice.engine):
        # What was measured or is usual with the other engine may be unknown to this one.
        changes.update(engine=wanted["engine"], precision="f32", int8=False)
    if wanted["precision"] != "auto":
        int8 = wanted["precision"] == "int8"
        changes.update(int8=int8, precision="f32" if int8 else wanted["precision"])
    if any(getattr(choice, name) != value for name, value in changes.items()):
        changes.update(applied=False, reason="as asked for", max_batch=Choice.max_batch)
    applied = changes.get("applied", choice.applied)
    if wanted["threads"]:
        changes["threads"] = wanted["threads"]
    elif not applied or workers != (choice.workers or cores()):
        changes["threads"] = max(1, cores() // workers)
    return replace(choice, **changes)


def _batch(choice: Choice, wanted: Mapping[str, Any], manifest: Manifest) -> Batch:
    if wanted["max_batch"]:
        return Batch(wanted["max_batch"], lead=0)
    if choice.applied or choice.device != "cpu":
        return Batch(choice.max_batch, lead=0)
    if choice.engine == "openvino" and not manifest.rows:
        return Batch(choice.max_batch)
    return Batch(_ROWS if manifest.rows else _PICTURES)


def _shared(choice: Choice) -> bool:
    """Whether a session keeps no threads and no device, which a fork would lose."""
    return choice.engine == "onnxruntime" and choice.device == "cpu" and choice.threads == 1


def _keep(model: bytes) -> IO[bytes]:
    """A file without a name: workers open the same model, whatever becomes of the bundle."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as workers are forked
        file.write(model)
        file.flush()
    except OSError as error:
        raise StorageError(
            f"The model cannot be kept for the workers: {error.strerror or error}.",
            expected=f"{len(model):,} bytes of room in {tempfile.gettempdir()!r}",
            do="Make room, or set TMPDIR to another folder.",
        ) from error
    return file


def _reopened(item: Loaded) -> Session:
    if item.kept is None:
        raise RuntimeError("neither a session nor a model was kept")
    model = os.pread(item.kept.fileno(), os.fstat(item.kept.fileno()).st_size, 0)
    return variant.open_session(item.path, item.manifest, model, replace(item.choice, int8=False))


def _warm_decoder() -> None:
    """Decode once, so that forked workers find it done."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, "JPEG")
    images.load(out.getvalue(), 16)


def _facts(
    item: Loaded, model: Hosted, outputs: Mapping[str, tuple[str, tuple[int, ...]]]
) -> dict[str, Any]:
    manifest, choice = item.manifest, item.choice
    picture, rows = manifest.picture, manifest.rows
    given = manifest.raw["input"]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "labels": manifest.labels,
        "kind": "row" if rows else "picture",
        "input": given.get("name", "image"),
        "shape": model.shape,
        "view": picture.view if picture else None,
        "color": picture.color if picture else None,
        "columns": rows.names if rows else (),
        "outputs": outputs,
        "min_familiarity": manifest.min_familiarity,
        "min_probability": manifest.min_probability,
        "finished": manifest.finished,
        "runs_on": {
            "engine": choice.engine,
            "precision": "int8" if choice.int8 else choice.precision,
            "threads": choice.threads,
            "device": choice.device,
            "max_batch": item.batch.most,
            "reason": choice.reason,
            **_warning(manifest, choice),
        },
        "sha256": item.sha256,
    }


def _warning(manifest: Manifest, choice: Choice) -> dict[str, str]:
    """What people must know who have asked for the int8 model by name."""
    faults = variant.int8_faults(manifest) if choice.int8 else []
    if not faults:
        return {}
    return {"warning": f"the int8 model does not answer as the exact one: {'; '.join(faults)}"}
