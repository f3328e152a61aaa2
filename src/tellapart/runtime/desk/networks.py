"""Networks of layers: what is built, how it learned, what it looks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tellapart.errors import NotFoundError
from tellapart.learn import outcome
from tellapart.project import Project
from tellapart.recipe import Recipe, trace
from tellapart.recipe.network import Network
from tellapart.runtime.desk.base import Base

#: Answers of the picture looked at that are told.
_ANSWERS = 12


class Networks(Base):
    """The networks that projects train, looked at before, while and after they learn."""

    def network(self, project: str) -> dict[str, Any] | None:
        """The project's network as `recipe.network.Network.from_dict` reads it: as it was trained,
        else as the recipe writes it.

        None where its layers are chosen once the data are read. Raises `NotFoundError` where the
        project trains none.
        """
        opened = self.open(project)
        recipe = opened.recipe
        if recipe.model_kind != "network":
            raise NotFoundError(
                f"The project {project!r} trains no network of layers.",
                expected="a project with `layers`, or of a picture data set by name",
                do="Look at its model instead.",
            )
        trained = self._facts(opened).get("network")
        if trained is not None:
            return dict(trained)
        planned = _planned(recipe)
        return None if planned is None else planned.to_dict()

    def history(self, project: str) -> dict[str, Any]:
        """How the last training went: `history` (an entry an epoch, as training notes them),
        `best_epoch`, `epochs_asked`, `finished`. Empty where nothing is trained."""
        facts = self._facts(self.open(project))
        names = ("history", "best_epoch", "epochs_asked", "finished")
        return {name: facts[name] for name in names if name in facts}

    def looks(self, project: str) -> dict[str, Any] | None:
        """A look inside the trained network, as PNG `data:` URIs.

        `filters`, `filters_layer`, `filters_count`, `colored`; `picture`; `layers` (each `name`,
        `kind`, `shape`, `uri`, `shown` and `channels`, `flat`); `answers` ([class, probability],
        the likeliest first). None where training left nothing to look at.
        """
        opened = self.open(project)
        facts = self._facts(opened)
        path = opened.folder / "work" / outcome.LOOKS
        if "network" not in facts or not path.is_file():
            return None
        mark = path.stat().st_mtime_ns
        return self._remember(project, ("looks", mark), lambda: self._look(opened, facts), 600.0)

    def _look(self, opened: Project, facts: Mapping[str, Any]) -> dict[str, Any] | None:
        from tellapart.report.learned_page import looks
        from tellapart.steps.evaluate import looking

        network = Network.from_dict(facts["network"])
        work = opened.folder / "work"
        found = looking.inside(work, network)
        if found is None:
            return None
        answers: list[tuple[str, float]] = []
        if network.layers:
            answers = self._answers(work / outcome.LOOKS, network, facts)
        shown = looks(found)
        for one, layer in zip(shown["layers"], found.layers, strict=True):
            one["kind"] = layer.kind
        return {**shown, "answers": answers}

    def _answers(
        self, path: Any, network: Network, facts: Mapping[str, Any]
    ) -> list[tuple[str, float]]:
        """The last layer's numbers with their classes, where they are probabilities."""
        classes = facts.get("classes") or ()
        with np.load(path, allow_pickle=False) as file:
            name = f"layer:{network.layers[-1].name}"
            values = file[name].astype(float).ravel() if name in file.files else np.zeros(0)
        if len(values) != len(classes) or not len(values) or abs(values.sum() - 1) > 1e-3:
            return []
        order = np.argsort(-values)[:_ANSWERS]
        return [(str(classes[place]), round(float(values[place]), 6)) for place in order]

    def _facts(self, opened: Project) -> dict[str, Any]:
        """What was noted while training, `classes` among it; empty where nothing is trained."""
        path = opened.folder / "work" / outcome.OUTCOME
        try:
            mark = path.stat().st_mtime_ns
        except OSError:
            return {}
        return self._remember(opened.name, ("facts", mark), lambda: _read(opened), 600.0)


def _read(opened: Project) -> dict[str, Any]:
    try:
        found = outcome.load(opened.folder / "work")
    except NotFoundError:  # a training is about to replace it
        return {}
    facts = json.loads(json.dumps(found.facts))  # nobody changes what others are shown
    return {**facts, "classes": list(found.classes)}


def _planned(recipe: Recipe) -> Network | None:
    from tellapart.datasets import FACTS

    if not recipe.layers:
        return None
    shape, classes = recipe.input, len(recipe.classes) or None
    if recipe.dataset is not None:
        facts = FACTS[recipe.dataset]
        shape, classes = recipe.input or facts.shape, len(facts.classes)
    elif recipe.data_kind == "pictures":
        shape = recipe.input or (64, 64, 3)
    return None if shape is None else trace(recipe.layers, tuple(shape), classes)
