"""What a rung of the ladder has reached, whatever kind it is: a backbone and a linear head."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn import familiarity, features, trained
from tellapart.learn.backbone import Backbone, save
from tellapart.learn.calibration import ece
from tellapart.learn.head import Head
from tellapart.learn.ladder import figures
from tellapart.learn.metrics import wilson
from tellapart.steps import StepContext
from tellapart.steps.train.material import Material, notes, scenes

#: Validation pictures from which they alone set the threshold of a tuned network.
_ENOUGH = 30


@dataclass(frozen=True)
class Jury:
    """The pictures that judge all rungs: training ones out of fold, then validation ones."""

    material: Material
    #: Class numbers (n + m,).
    y: NDArray[np.int64]
    #: What belongs together, over both splits (n + m,).
    groups: NDArray[np.int64]

    @property
    def own(self) -> int:
        """How many of the rows are training pictures; they come first."""
        return len(self.material.train)

    @property
    def rows(self) -> list[PictureRow]:
        return [*self.material.train, *self.material.validation]

    @property
    def classes(self) -> int:
        return len(self.material.classes)


@dataclass(frozen=True)
class Reached:
    """One finished rung: the model, and what it said of pictures that it had not seen."""

    name: str
    #: `head` (frozen networks), `tuned`, `blend` or `distilled`.
    kind: str
    backbone: Backbone
    head: Head
    #: (n + m, C) calibrated probabilities of the jury's rows; NaN where nothing was held out.
    told: NDArray[np.float64]
    #: Familiarity (n,) of each training picture as one that the network had not seen; None for
    #: frozen networks, which have seen none.
    unseen: NDArray[np.float64] | None = None
    #: What else the report says of it.
    facts: dict[str, Any] = field(default_factory=dict)


def jury(context: StepContext, material: Material, first: NDArray[np.float32]) -> Jury:
    """Who judges; `first` (n + m, D) are features by which scenes of official splits are found."""
    own = len(material.train)
    groups = scenes(context, material, first[:own]) if material.official else material.groups
    names = [row.group or row.sha256 for row in material.validation]
    other = np.unique(np.array(names), return_inverse=True)[1] if names else np.empty(0, int)
    apart = int(groups.max(initial=-1)) + 1 + other
    y = material.numbers([*material.train, *material.validation])
    return Jury(material, y, np.concatenate([groups, apart]).astype(np.int64))


def keep(
    context: StepContext,
    judges: Jury,
    reached: Reached,
    vectors: NDArray[np.float32],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Make a finished rung the project's trained model, at once; return all facts.

    `vectors` (n + m, D) are its features of the jury's rows. The backbone's files come first, so
    that a kill in between leaves the former model whole.
    """
    asked, material = context.recipe.train, judges.material
    own, held = vectors[: judges.own], vectors[judges.own :]
    bank, least = _familiarity(context, judges, reached, own, held)
    refused = familiarity.score(held, bank, asked.neighbours) < least if len(held) else np.empty(0)
    fitted = reached.head
    tried = [{"C": c, "log_loss": loss, "accuracy": share} for c, loss, share in fitted.tried]
    whole = {
        "classes": material.classes,
        "pictures": material.counts,
        "kind": reached.kind,
        "C": fitted.C,
        "temperature": fitted.temperature,
        "cross_validation": tried,
        "warm": False,
        "thresholds": {"familiarity": least, "probability": None},
        "neighbours": min(asked.neighbours, len(bank)),
        "bank": len(bank),
        "validation": _validation(judges, reached, refused),
        "view": asked.view,
        "seed": context.recipe.seed,
        "backbone": save(context.work, reached.backbone),
        "features": features.cache_key(reached.backbone, asked.view),
        **facts,
        "notes": [*notes(material), *facts.get("notes", ())],
    }
    basis = trained.basis((row.sha256, row.label) for row in material.train)
    trained.save(context.work, replace(fitted, out_of_fold=None), bank, basis, whole)
    return whole


def _familiarity(
    context: StepContext,
    judges: Jury,
    reached: Reached,
    own: NDArray[np.float32],
    held: NDArray[np.float32],
) -> tuple[NDArray[np.float32], float]:
    """The bank and the refusal threshold.

    A tuned network finds the pictures it learned from more familiar than new ones can be. So its
    threshold comes from validation pictures, and from training pictures only as the network that
    had not seen them saw them; the more lenient of both counts, as for frozen ones.
    """
    asked, seed = context.recipe.train, context.recipe.seed
    y = judges.y[: judges.own]
    if reached.unseen is None:
        return familiarity.settle(
            own,
            y,
            judges.groups[: judges.own],
            held,
            size=asked.bank,
            k=asked.neighbours,
            refuse=asked.refuse,
            seed=seed,
        )
    bank = familiarity.build_bank(own, y, asked.bank, seed)
    ours = familiarity.score(held, bank, asked.neighbours) if len(held) else np.empty(0)
    limits = [
        familiarity.threshold(scores, asked.refuse)
        for scores, least in ((ours, 1), (reached.unseen, _ENOUGH))
        if (~np.isnan(scores)).sum() >= least
    ]
    return bank, min(limits, default=-1.0)


def _validation(judges: Jury, reached: Reached, refused: NDArray[Any]) -> dict[str, Any]:
    """How it does on the validation pictures, as the quick head's facts have it."""
    told, y = reached.told[judges.own :], judges.y[judges.own :]
    if not len(y):
        return {"n": 0}
    found = figures(told, y)
    low, high = wilson(round(found["accuracy"] * len(y)), len(y))
    return {
        **found,
        "low": low,
        "high": high,
        "ece": round(ece(told, y), 6),
        "refused": int(refused.sum()),
    }
