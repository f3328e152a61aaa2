"""The output layout of the older program: `saved-models/<model name>/`, for what still reads it.

In the folder lie the Core ML file, `train_info.json` {train_acc, test_acc, finished, dataset},
`user_request.json` (the spec as it was given) and, from the first batch on, `progress.json`
{loss, acc, epoch, total_epochs}. The model is written last and whole, and that of an earlier run is
removed before the training starts: a model that is there is ready.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tellapart.errors import InputError, StorageError
from tellapart.learn import outcome
from tellapart.recipe import asked, quote

if TYPE_CHECKING:
    from tellapart.project import Result
    from tellapart.recipe import Recipe
    from tellapart.steps import Progress

#: Where the older program kept its models.
DEFAULT = "saved-models"
REQUEST, INFO, PROGRESS = "user_request.json", "train_info.json", "progress.json"
#: Whose folder it is: file systems that take `Net` and `net` for one folder, requests without name.
_OWNER = ".model_name"
_MAX_NAME = 64
_MAX_BYTES = 180
#: Names that Windows keeps for devices, with or without an ending.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
#: What the name of another model looks like after `folder_name` changed it.
_CHANGED = re.compile(r".*-[0-9a-f]{8}")


def folder_name(model_name: str) -> str:
    """The folder of a model of this name: the name itself where every file system can hold it.

    Any other name loses what cannot be held and gets eight digits of its hash, so that two names
    never become one folder.
    """
    kept = re.sub(r"[^\w .-]+", "-", unicodedata.normalize("NFC", model_name))
    safe = kept == model_name and not _CHANGED.fullmatch(model_name)
    if safe and _is_safe(model_name):
        return model_name
    digits = hashlib.sha256(model_name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    short = kept.strip(" .-_")[: _MAX_NAME - 9]
    while short and not _is_safe(f"{short}-{digits}"):
        short = short[:-1]
    return f"{short}-{digits}" if short else f"model-{digits}"


def _is_safe(name: str) -> bool:
    return (
        0 < len(name) <= _MAX_NAME
        and len(name.encode("utf-8", "surrogatepass")) <= _MAX_BYTES
        and name[0] not in " .-"
        and name[-1] not in " ."
        and name.split(".")[0].strip().lower() not in _DEVICES
    )


class Layout:
    """The folder of one model, filled as its run goes on: `begin`, every event, `finish`."""

    def __init__(
        self,
        root: str | Path,
        recipe: Recipe,
        work: Path,
        request: bytes | None = None,
    ) -> None:
        """`work`: the project's work folder; `request`: the spec as given, else the recipe."""
        self.model_name = recipe.title or recipe.name
        self.name = folder_name(self.model_name)
        self.folder = Path(root) / self.name
        self._dataset = recipe.dataset or (recipe.data.name if recipe.data else "")
        self._request = _as_json(request, recipe)
        self._source = work / outcome.PROGRESS
        self._seen: int | None = None

    def begin(self) -> None:
        """Make the folder, remove what an earlier run left in it, and write the request.

        Raises `InputError` where the folder holds another model or anything else, `StorageError`
        where it cannot be written to. Nothing is changed in a folder that is not this model's.
        """
        self._claim()
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in [*self.folder.glob("*.mlmodel"), *self.folder.glob("*.mlpackage")]:
                _remove(old)
            for name in (INFO, PROGRESS):
                (self.folder / name).unlink(missing_ok=True)
        outcome.replace(self.folder / _OWNER, self.model_name.encode("utf-8", "surrogatepass"))
        outcome.replace(self.folder / REQUEST, self._request)
        self._seen = self._stamp()

    def __call__(self, event: Progress) -> None:
        """Bring the progress file up to date; for a run's watcher."""
        stamp = self._stamp()
        if event.step == "train" and stamp is not None and stamp != self._seen:
            self._seen = stamp
            outcome.replace(self.folder / PROGRESS, self._source.read_bytes())

    def finish(self, result: Result, bundle: Path) -> str:
        """Write what a finished run gave, the model last; why there is no model, else empty.

        `bundle`: the run's zip. Raises `StorageError` where the folder cannot be written to.
        """
        with zipfile.ZipFile(bundle) as archive, _writing(self.folder):
            manifest = json.loads(archive.read("manifest.json"))
            trained = outcome.load(self._source.parent)
            history = [dict(epoch) for epoch in trained.facts.get("history") or ()]
            _write(self.folder / PROGRESS, _progress(history, trained.facts))
            _write(
                self.folder / INFO,
                {
                    "train_acc": _train_accuracy(history, trained.facts),
                    "test_acc": result.metrics.get("accuracy"),
                    "finished": trained.finished,
                    "dataset": self._dataset,
                },
            )
            files = [name for name in archive.namelist() if name.startswith("coreml/")]
            if not files:
                skipped = (manifest.get("formats") or {}).get("coreml") or {}
                return str(skipped.get("skipped") or "the run made no Core ML model")
            self._write_model(archive, files)
        return ""

    def _claim(self) -> None:
        if not self.folder.exists():
            return
        said = self._owner()
        empty = self.folder.is_dir() and not any(self.folder.iterdir())
        if said != self.model_name and not empty:
            holds = f"the model {quote(said)}" if said else "something other than a saved model"
            raise InputError(
                f"The folder {str(self.folder)!r} holds {holds}, "
                f"so {quote(self.model_name)} cannot be written there.",
                expected="a folder of its own for each model",
                do="Give --quickml-layout another folder, or this model another name.",
            )

    def _owner(self) -> str:
        """The name of the model that the folder holds; empty where it holds none."""
        with contextlib.suppress(OSError):
            return (self.folder / _OWNER).read_bytes().decode("utf-8", "surrogatepass")
        with contextlib.suppress(OSError, ValueError, AttributeError):  # of the older program
            return _name_in(json.loads((self.folder / REQUEST).read_bytes()))
        return ""

    def _stamp(self) -> int | None:
        try:
            return self._source.stat().st_mtime_ns
        except OSError:
            return None

    def _write_model(self, archive: zipfile.ZipFile, files: list[str]) -> None:
        """One `.mlmodel` where there is one, else the package: whole under its own name."""
        single = [n for n in files if n.endswith(".mlmodel") and len(PurePosixPath(n).parts) == 2]
        if single:
            outcome.replace(self.folder / f"{self.name}.mlmodel", archive.read(single[0]))
            return
        partial = self.folder / f".{self.name}.mlpackage.partial"
        _remove(partial)
        for name in files:
            inner = PurePosixPath(name).parts[2:]  # coreml/NAME.mlpackage/…
            if inner and PurePosixPath(name).parts[1].endswith(".mlpackage"):
                target = partial.joinpath(*inner)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
        partial.replace(self.folder / f"{self.name}.mlpackage")


def _as_json(request: bytes | None, recipe: Recipe) -> bytes:
    """The spec's own bytes where they are JSON; of any other the recipe, with the model's name."""
    if request is not None:
        with contextlib.suppress(ValueError):
            json.loads(request)
            return request
    return json.dumps(asked(recipe), indent=2, ensure_ascii=False).encode()


def _name_in(request: Any) -> str:
    """The model's name in a request of the older program, in either of its layouts."""
    model = request.get("model")
    inner = model if isinstance(model, dict) else {}
    return str(inner.get("model_name") or request.get("model_name") or "")


def _progress(history: list[dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    last = history[-1] if history else {}
    return {
        "loss": last.get("loss"),
        "acc": last.get("accuracy"),
        "epoch": last.get("epoch", 0),
        "total_epochs": facts.get("epochs_asked"),
    }


def _train_accuracy(history: list[dict[str, Any]], facts: dict[str, Any]) -> float | None:
    """On the training part, of the epoch whose weights were kept."""
    best = [epoch for epoch in history if epoch.get("epoch") == facts.get("best_epoch")]
    kept = (best or history)[-1:]
    return kept[0].get("accuracy") if kept else None


def _write(path: Path, value: Any) -> None:
    outcome.replace(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{str(folder)!r} cannot be written to ({error.strerror or error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Give --quickml-layout another folder, or free some space.",
        ) from error
