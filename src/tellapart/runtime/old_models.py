"""The second earlier program's models, by the names that people gave them, on top of a desk.

A model's name is any text; its project has a safe name of its own. A model is ready when its newest
run has ended and the Core ML file lies there whole: never while it is made, nor because an earlier
one lies there.
"""

from __future__ import annotations

import contextlib
import json
import unicodedata
import zipfile
from collections.abc import Iterator
from typing import Any

from tellapart import quickml
from tellapart.bundle.manifest import read_sums
from tellapart.bundle.predictor import SUMS
from tellapart.errors import InputError, NotFoundError
from tellapart.learn import outcome
from tellapart.runtime.desk import Desk, Download, ProjectCard
from tellapart.runtime.shapes import Run, moment
from tellapart.runtime.slices import member_of

#: Runs that are looked through for a name.
_MOST_RUNS = 2000
_NO_PROGRESS = {"loss": None, "acc": None, "epoch": 0, "total_epochs": None}


class OldModels:
    """One account's models. Methods block."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def make(self, spec: str) -> Run:
        """Queue the training of a spec, after it was checked whole. Raises `RecipeError`."""
        recipe = self.desk.recipe(spec)
        if "layers" not in recipe:
            raise InputError(
                "The request describes no network.",
                expected='a spec with "model" and "dataset"',
                do="Send recipes of another kind to POST /api/v1/runs.",
            )
        recipe["name"] = self._project_name(recipe)
        return self.desk.submit(recipe)

    def check(self, model_name: str) -> dict[str, Any]:
        """`ready`, `progress` (whether `progress_info` has figures), `progress_info` as the older
        program wrote it, `state`, and of what failed the `error`. Raises `NotFoundError`."""
        run = self._run(model_name)
        if run is None:
            card = self._card(model_name)
            info = self._progress(card.name, None)
            return _checked(self._core_ml(card.name, None) is not None, info, "done", None)
        ready, error = False, run.error
        if run.state == "done":
            ready = self._core_ml(run.project, _version(run)) is not None
            if not ready:
                error = _no_core_ml(model_name).to_dict()["error"]
        return _checked(ready, self._progress(run.project, run), run.state, error)

    def model(self, model_name: str) -> Download:
        """The Core ML file. Raises `NotFoundError` until it is ready."""
        run = self._run(model_name)
        if run is not None and run.state != "done":
            raise NotFoundError(
                f"The model {model_name!r} is not ready: its run is {run.state}.",
                expected="a model that is trained and compiled",
                do="Ask GET /check-model until it is ready.",
            )
        project = run.project if run else self._card(model_name).name
        found = self._core_ml(project, _version(run) if run else None)
        if found is None:
            raise _no_core_ml(model_name)
        name, version = found
        if not name.endswith(".mlmodel"):
            return self.desk.file(project, "coreml", version)
        bundle = self.desk.bundle(project, version)
        content = member_of(bundle.path, name)
        with zipfile.ZipFile(bundle.path) as archive:
            sums, _ = read_sums(archive.read(SUMS))
        return Download(
            bundle.path,
            f"{quickml.folder_name(model_name)}.mlmodel",
            "application/octet-stream",
            content.bytes,
            sums.get(name, ""),
            content=content,
        )

    def all(self) -> list[dict[str, Any]]:
        """Every model with `model_name`, `ready`, `state`, `test_acc`, `dataset`."""
        found: dict[str, dict[str, Any]] = {}
        for run in self._runs():
            if run.recipe.get("layers") and _title(run.recipe) not in found:
                found[_title(run.recipe)] = self._told(run.project, run)
        for card in self._cards():
            if card.title not in found:
                found[card.title] = self._told(card.name, None)
        return [{"model_name": name, **facts} for name, facts in sorted(found.items())]

    def stop(self, model_name: str) -> Run:
        """End the training; what was learned so far is compiled. A queued run is cancelled.

        Raises `NotFoundError`, `InputError` where nothing is being trained.
        """
        run = self._run(model_name)
        if run is None:
            self._card(model_name)
            raise InputError(
                f"The model {model_name!r} is not being trained.",
                expected="a model whose run is under way",
                do="Nothing has to be done.",
            )
        return self.desk.cancel(run.id) if run.state == "queued" else self.desk.stop(run.id)

    # -- inside -------------------------------------------------------------------------------

    def _runs(self) -> Iterator[Run]:
        after, seen = None, 0
        while seen < _MOST_RUNS:
            page = self.desk.runs(limit=200, after=after)
            yield from page.items
            after, seen = page.next, seen + len(page.items)
            if after is None:
                return

    def _cards(self) -> Iterator[ProjectCard]:
        after = None
        while True:
            page = self.desk.projects(limit=200, after=after)
            yield from (card for card in page.items if card.model_kind == "network")
            after = page.next
            if after is None:
                return

    def _run(self, model_name: str) -> Run | None:
        """The newest run of the model of that name."""
        wanted = _plain(model_name)
        return next((run for run in self._runs() if _plain(_title(run.recipe)) == wanted), None)

    def _card(self, model_name: str) -> ProjectCard:
        wanted = _plain(model_name)
        for card in self._cards():
            if wanted in (_plain(card.title), card.name):
                return card
        raise NotFoundError(
            f"There is no model {model_name!r:.220}.",
            expected="the name of a model that was made",
            do="List them: GET /get-all",
        )

    def _project_name(self, recipe: dict[str, Any]) -> str:
        """The project of the model of that name, else a name that no other model has taken."""
        name, title, taken = str(recipe["name"]), _title(recipe), set()
        for run in self._runs():
            if _plain(_title(run.recipe)) == _plain(title) and _data(run.recipe) == _data(recipe):
                return run.project
            taken.add(run.project)
        for card in self._cards():
            if card.name == name and _plain(card.title) == _plain(title):
                view = self.desk.project(name)
                if _data(view.recipe) == _data(recipe):
                    return name
        free, number = self.desk.free_name(name), 2
        while free in taken:
            free, number = self.desk.free_name(f"{name}-{number}"), number + 1
        return free

    def _core_ml(self, project: str, version: int | None) -> tuple[str, int] | None:
        """The name in the bundle of the Core ML file (or of one file of it), and the version."""
        try:
            bundle = self.desk.bundle(project, version)
            number = self.desk.version(project, version).version
            with zipfile.ZipFile(bundle.path) as archive:
                names = [n for n in archive.namelist() if n.startswith("coreml/")]
        except (NotFoundError, zipfile.BadZipFile):
            return None
        single = [n for n in names if n.endswith(".mlmodel") and n.count("/") == 1]
        return ((single or names)[0], number) if names else None

    def _progress(self, project: str, run: Run | None) -> dict[str, Any]:
        """{loss, acc, epoch, total_epochs} of this run's training; an earlier one's is none."""
        if run is not None and not run.started:
            return dict(_NO_PROGRESS)
        with contextlib.suppress(OSError, ValueError, NotFoundError):
            path = self.desk.open(project).folder / "work" / outcome.PROGRESS
            fresh = run is None or path.stat().st_mtime >= moment(run.started).timestamp() - 1
            if fresh or (run is not None and run.state == "done"):
                return {**_NO_PROGRESS, **json.loads(path.read_text(encoding="utf-8"))}
        return dict(_NO_PROGRESS)

    def _told(self, project: str, run: Run | None) -> dict[str, Any]:
        done = run is None or run.state == "done"
        found = self._core_ml(project, _version(run) if run else None) if done else None
        metrics: dict[str, Any] = {}
        if done:
            with contextlib.suppress(NotFoundError):
                metrics = self.desk.version(project, _version(run) if run else None).metrics
        recipe = run.recipe if run else {}
        return {
            "ready": found is not None,
            "state": run.state if run else "done",
            "test_acc": metrics.get("accuracy"),
            "dataset": recipe.get("data"),
        }


def _checked(
    ready: bool, info: dict[str, Any], state: str, error: dict[str, Any] | None
) -> dict[str, Any]:
    found = {"ready": ready, "progress": bool(info["epoch"]), "progress_info": info, "state": state}
    return {**found, "error": error} if error else found


def _version(run: Run) -> int | None:
    return (run.result or {}).get("version") or None


def _title(recipe: Any) -> str:
    return str(recipe.get("title") or recipe.get("name") or "")


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _data(recipe: Any) -> tuple[str, ...]:
    return tuple(str(recipe.get(key)) for key in ("data", "dataset", "target"))


def _no_core_ml(model_name: str) -> NotFoundError:
    return NotFoundError(
        f"The model {model_name!r:.220} has no Core ML file.",
        expected="a version compiled with Core ML",
        do="Look at the run's notes for why; the server needs 'tellapart[deep]'.",
    )
