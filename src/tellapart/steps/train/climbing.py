"""Climbing the ladder: each rung tried, judged, and kept at once where it is better."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.errors import NotFoundError
from tellapart.learn import backbone
from tellapart.learn.backbone import FOLDER, Part
from tellapart.learn.composing import compose
from tellapart.learn.head import Head
from tellapart.learn.ladder import (
    Budget,
    Sparing,
    Verdict,
    better,
    figures,
    level_after,
    spares,
)
from tellapart.learn.ladder.judging import LEVEL
from tellapart.learn.ladder.kept import Kept
from tellapart.learn.ladder.rungs import HeadRung
from tellapart.steps import Progress, StepContext
from tellapart.steps.train.reached import Jury, Reached, keep

STEP = "train"


class Ended(Exception):  # noqa: N818 - no error: whoever climbs was asked to end
    """The ladder is to end here; what it has reached stays."""


@dataclass
class Climb:
    """One ladder being climbed: what it stands on, and what it says of each rung."""

    context: StepContext
    judges: Jury
    budget: Budget
    kept: Kept
    #: Facts that every model saved on the way carries.
    facts: Mapping[str, Any]
    #: The head rungs climbed so far.
    heads: list[HeadRung] = field(default_factory=list)
    best: Reached | None = None
    #: What the time kept for the steps after training was reckoned from.
    reckoned: dict[str, Any] = field(default_factory=dict)
    _told: float = field(default=0.0, repr=False)

    def watch(self, name: str) -> Callable[[int, int], None]:
        """Tell how far the rung `name` is; raises `Ended` once a stop is asked for."""

        def told(done: int, total: int) -> None:
            self.pulse(f"{name} ({done} of {total})")

        return told

    def pulse(self, note: str) -> None:
        """Show how much of the time has gone; raises `Ended` once a stop is asked for."""
        self.pulse_only(note)
        self.check()

    def pulse_only(self, note: str) -> None:
        """The same for what looks for a stop request itself."""
        spent, whole = self.budget.spent, self.budget.seconds - self.budget.reserve
        self.context.progress(Progress(STEP, min(int(spent), int(whole)), max(int(whole), 1), note))
        if time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            self.kept.note(spent)

    def check(self) -> None:
        """Raises `Ended` once a stop is asked for."""
        if self.context.stop_asked():
            raise Ended

    def is_done(self, name: str) -> bool:
        """Whether the rung `name` was climbed, by this command or an earlier one."""
        return self.kept.find(name) is not None

    def offer(
        self, reached: Reached, vectors: NDArray[np.float32], seconds: float, rival: str = ""
    ) -> bool:
        """Judge a finished rung; where it is better, it is the project's model from now on.

        `rival`: of a rung that costs less than the model that stands, the last kept rung that
        costs no more than it does. Where it is better than that one, to be as good as the standing
        one is enough.
        """
        verdict, standing = self._judge(reached), self.best
        spared = None
        if verdict is not None and not verdict.replaces and rival:
            spared = self._spared(reached, rival, verdict.level)
        replaces = verdict is None or verdict.replaces or spared is not None
        row = {
            "rung": reached.name,
            "kind": reached.kind,
            "size": reached.backbone.size,
            "seconds": round(seconds, 2),
            "reached_at": round(self.budget.spent, 2),
            **figures(reached.told, self.judges.y),
            "gain": 0.0 if verdict is None else round(verdict.gain_accuracy, 6),
            "gain_log_loss": 0.0 if verdict is None else round(verdict.gain_log_loss, 6),
            "p": None if verdict is None else round(verdict.p, 6),
            "level": None if verdict is None else round(verdict.level, 6),
            "reserve": round(self.budget.reserve, 2),
            "kept": replaces,
            "why": _why(verdict),
            **reached.facts,
        }
        if spared is not None and standing is not None:
            row |= {"why": _equal(spared, standing), "equal_to": standing.name}
        held = {**_packed(reached), "backbone": backbone.save(self.context.work, reached.backbone)}
        if replaces:
            # Saved before it is noted: a kill in between climbs this rung once more.
            self.save(reached, vectors, [*self.rows, row], finished=False)
            self.best = reached
        self.kept.add({**row, "model": held}, _arrays(reached))
        self.kept.note(self.budget.spent)
        self.context.progress(
            Progress(STEP, int(self.budget.spent), None, _said(row), "rung", dict(row))
        )
        return replaces

    def _judge(self, reached: Reached) -> Verdict | None:
        if self.best is None:
            return None
        passed = [bool(row["kept"]) for row in self.kept.rungs if row["p"] is not None]
        level = level_after(passed)
        return better(reached.told, self.best.told, self.judges.y, self.judges.groups, level)

    def _spared(self, reached: Reached, rival: str, level: float) -> Sparing | None:
        """How `reached` compares with the dearer model that stands; None where it may not take its
        place."""
        assert self.best is not None
        y, groups = self.judges.y, self.judges.groups
        cheaper = self.kept.arrays(rival).get("told")
        if cheaper is None or not better(reached.told, cheaper, y, groups, level).replaces:
            return None
        found = spares(reached.told, self.best.told, y, groups)
        return found if found.equal else None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The ladder so far, for facts and report."""
        hidden = ("model", "file")
        return [{k: v for k, v in row.items() if k not in hidden} for row in self.kept.rungs]

    @property
    def standing(self) -> float:
        """Seconds that the steps after training will need for the best rung so far."""
        row = None if self.best is None else self.kept.find(self.best.name)
        return 0.0 if row is None else float(row.get("reserve", 0.0))

    def save(
        self,
        reached: Reached,
        vectors: NDArray[np.float32],
        rows: list[dict[str, Any]],
        *,
        finished: bool,
        **more: Any,
    ) -> dict[str, Any]:
        """Write `reached` as the project's trained model."""
        facts = {**self.facts, **more, "finished": finished, "rung": reached.name, "ladder": rows}
        return keep(self.context, self.judges, reached, vectors, facts)

    def recall(self, name: str) -> Reached | None:
        """A rung of an earlier command; None where its files are gone."""
        row = self.kept.find(name)
        if row is None or not row.get("model"):
            return None
        held, arrays = row["model"], self.kept.arrays(name)
        net = self._found(held["backbone"])
        if net is None:
            return None
        head = Head(
            arrays["weight"],
            arrays["bias"],
            float(held["C"]),
            float(held["temperature"]),
            tried=tuple((float(a), float(b), float(c)) for a, b, c in held["tried"]),
        )
        unseen = arrays.get("unseen")
        return Reached(name, row["kind"], net, head, arrays["told"], unseen, held["facts"])

    def _found(self, known: Mapping[str, Any]) -> backbone.Backbone | None:
        """A backbone by its facts; what joins others is written anew where only that is gone."""
        cache = self.context.settings.cache_dir
        for folder in (self.context.work, cache):
            with contextlib.suppress(NotFoundError):
                return backbone.of(folder, {"backbone": known}, cache)
        parts = []
        for each in known.get("parts") or ():
            net = self._found(each)
            if net is None:
                return None
            ways = {"mirror": bool(each["mirror"]), "upside": bool(each.get("upside"))}
            parts.append(Part(net, scale=float(each["scale"]), **ways))
        return compose(parts, self.context.work / FOLDER) if parts else None

    def resume(self) -> None:
        """Stand on the best rung that earlier commands have reached.

        Rungs whose networks are gone count as not climbed, where something is still to be made
        of them: the best, and tuned ones, which others are mixed with.
        """
        for row in reversed(self.kept.rungs):
            if row["kept"]:
                self.best = self.recall(row["rung"])
                if self.best is not None:
                    break
                self.kept.forget(row["rung"])
        if self.best is None:
            self.kept.rungs, self.kept.ended = [], {}  # nothing to stand on: from the first on
        for row in [row for row in self.kept.rungs if row["kind"] == "tuned"]:
            if self.recall(row["rung"]) is None:
                self.kept.forget(row["rung"])


def _packed(reached: Reached) -> dict[str, Any]:
    head = reached.head
    return {
        "C": head.C,
        "temperature": head.temperature,
        "tried": [list(each) for each in head.tried],
        "facts": reached.facts,
    }


def _arrays(reached: Reached) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any] | None] = {
        "told": reached.told,
        "weight": reached.head.weight,
        "bias": reached.head.bias,
        "unseen": reached.unseen,
    }
    return {name: value for name, value in found.items() if value is not None}


def _why(verdict: Verdict | None) -> str:
    if verdict is None:
        return "the first rung"
    points = f"{100 * verdict.gain_accuracy:+.1f} points".replace("-", "−")
    if verdict.replaces:
        return f"{points}, better beyond noise (p = {verdict.p:.3f})"
    if verdict.p <= verdict.level:
        return f"{points}: surer, but less often right"
    if verdict.p <= LEVEL:
        asked = f"p = {verdict.p:.2g}, of which {verdict.level:.2g} is asked after so many tries"
        return f"{points}, what chance may make among several tries ({asked})"
    return f"{points}, within what chance alone makes (p = {verdict.p:.2f})"


def _equal(spared: Sparing, dearer: Reached) -> str:
    points = f"{100 * spared.gain_accuracy:+.1f} points".replace("-", "−")
    return f"{points}: as good as {dearer.name}, which costs more (p = {spared.p:.2f})"


def _said(row: Mapping[str, Any]) -> str:
    if row["accuracy"] is None:
        return str(row["rung"])
    return f"{row['rung']}: {100 * row['accuracy']:.1f} %, {'kept' if row['kept'] else 'not kept'}"
