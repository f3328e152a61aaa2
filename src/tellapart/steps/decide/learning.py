"""What a deck learns from its labels: a challenger, and a gate before it may judge live."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tellapart.decks.labels import Said
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import HeadState, Part
from tellapart.errors import DataError, VerificationError
from tellapart.policy import Policy
from tellapart.steps.decide.eyes import kept
from tellapart.steps.decide.tasting import Judge

if TYPE_CHECKING:
    from tellapart.learn.taste import Labelled, Pick, Pool, Progress, Sight, Taste

#: Pictures looked at together where a new base needs all of them seen anew.
_MANY = 32
#: Why a head goes live that could not be compared.
_NOBODY = "No head has acted yet that it would have to be better than."
#: Labels to learn from with which a first head goes live by itself.
_FIRST = 20
#: Candidates of a stream that a list is made of.
_POOL = 2_000


@dataclass(frozen=True)
class Lesson:
    """What a fit gave: the challenger's id, its state, and why."""

    head: str
    state: HeadState
    why: str
    #: How the scores of the corrected candidate and of those alike moved:
    #: `candidate`, `before`, `after`.
    moved: tuple[dict[str, Any], ...] = ()


class Learning:
    """Learns one deck's taste on the features of one base."""

    def __init__(
        self,
        ledger: Ledger,
        judge: Judge,
        folder: Path,
        policy: Policy,
        there: Callable[[str], bool] = lambda base: True,
    ) -> None:
        """`judge`: with the sight on which is learned, and the head that judges now. `there`:
        whether a base, `PROJECT/VERSION`, can still be used."""
        self._there = there
        self.ledger = ledger
        self.judge = judge
        self.folder = folder
        self.policy = policy
        self._fresh: dict[int, bytes] = {}
        self._said: dict[str, Said] | None = None

    @property
    def sight(self) -> Sight:
        """What features come from."""
        return self.judge.sight

    @property
    def said(self) -> dict[str, Said]:
        """The last word on each labelled candidate, in the order of labelling."""
        if self._said is None:
            self._said = {one.candidate: one for one in self.ledger.said()}
        return self._said

    # -- fitting and gating -----------------------------------------------------------------

    def refit(self, candidate: str = "") -> Lesson:
        """Fit a challenger to the labels that are not held back. It judges nothing live.

        `candidate`: a corrected one, whose look-alikes' scores are told. Raises `DataError`.
        """
        from tellapart.learn.taste import anew, fit

        self.look_on()
        before = self.judge.taste
        taste = fit(self.labelled("train"), base=self.sight.key, start=before)
        head = self.ledger.challenge(taste.to_bytes(), self.judge.base, taste.labels)
        moved: list[dict[str, Any]] = []
        pool = self.pool()
        if candidate and len(pool):
            fits = before is not None and before.dim == taste.dim
            found = anew(before if fits else None, taste, pool, candidate, rule=self.rule)
            own = np.flatnonzero(found.candidates == candidate)
            for place in [*own.tolist(), *found.alike.tolist()]:
                old = float(found.before[place])
                moved.append(
                    {
                        "candidate": str(found.candidates[place]),
                        "before": None if np.isnan(old) else round(old, 4),
                        "after": round(float(found.after[place]), 4),
                    }
                )
        why = "Learned; it judges live only after the gate."
        return Lesson(head, "challenger", why, tuple(moved))

    def gate(self) -> Lesson:
        """Let the challenger in, or not: live only where it is not worse on the frozen test and
        better on feedback that was held back; in place of a head whose features come no more,
        unless it is worse. Raises `DataError` where there is none."""
        from tellapart.learn.taste import Taste, follow, gate

        waiting = self.ledger.head("challenger")
        if waiting is None:
            raise _nothing()
        self.look_on()
        if Taste.from_bytes(waiting[1]).base not in ("", self.sight.key):
            self.refit()  # it learned on other features than come now
            waiting = self.ledger.head("challenger") or waiting
        challenger = Taste.from_bytes(waiting[1])
        sets = self.labelled("test"), self.labelled("held")
        how: dict[str, Any] = {"rule": self.rule, "threshold": self.policy.threshold}
        lost = self._lost()
        champion = None if lost else self._champion()
        if lost:
            verdict = follow(lost, challenger, *sets, **how)
        else:
            verdict = gate(champion, challenger, *sets, **how, asked=self._asked())
        states: dict[str, HeadState] = {
            "live": "champion",
            "shadow": "shadow",
            "refused": "refused",
        }
        state, why = states[verdict.state], verdict.why
        if state == "shadow" and verdict.p is None and not self._has_acted(champion):
            state, why = "champion", f"{_NOBODY} {why}"
        evaluation = {**verdict.to_dict(), "against": self._live}
        self.ledger.decide(waiting[0].id, state, evaluation, why)
        return Lesson(waiting[0].id, state, why)

    @property
    def _live(self) -> str:
        live = self.ledger.head("champion")
        return "" if live is None else live[0].id

    def _has_acted(self, champion: Taste | None) -> bool:
        """Whether there is a head that a live deck has acted by: only such a one is to be beaten
        before another may take its place."""
        if champion is None:
            return False
        return not self._live or self.ledger.has_acted(self._live)

    def _asked(self) -> int:
        """How many challengers were really compared with this champion: each was a chance."""
        told = [one.evaluation for one in self.ledger.heads() if one.evaluation]
        return sum(one.get("against") == self._live and one.get("p") is not None for one in told)

    def _lost(self) -> Taste | None:
        """The champion, where its network now gives other features (another precision, another
        engine), so that it cannot judge; on those, to compare with. None: it can, or is none."""
        from tellapart.learn.taste import Taste

        live = self.ledger.head("champion")
        if live is None or live[0].base != self.judge.base:
            return None
        taste = Taste.from_bytes(live[1])
        same = taste.base in ("", self.sight.key) or taste.dim != self.sight.dim
        return None if same else replace(taste, base=self.sight.key)

    def _champion(self) -> Taste | None:
        """The head to be better than, on the features at hand.

        One that learned on another base is fitted anew on this one: the same labels, the same
        chance for both. One whose base is gone cannot judge any more, and is none.
        """
        from tellapart.learn.taste import Taste, fit

        live = self.ledger.head("champion")
        if live is None:
            own = self.judge.taste if self.judge.head == "project" else None
            return own if own is not None and own.base in ("", self.sight.key) else None
        taste = Taste.from_bytes(live[1])
        if taste.base in ("", self.sight.key):
            return taste
        if live[0].base == self.judge.base or not self._there(live[0].base):
            return None
        return fit(self.labelled("train"), base=self.sight.key)

    # -- what is learned from ---------------------------------------------------------------

    @property
    def rule(self) -> str:
        """How a candidate's pictures count together."""
        return str(self.policy.model.group)

    def labelled(self, *parts: Part) -> Labelled:
        """Pictures of the labelled candidates of these parts; none given: of all."""
        from tellapart.learn.taste import Labelled

        wanted = {id: one for id, one in self.said.items() if not parts or one.part in parts}
        rows = self._features(wanted)
        order = {id: place for place, id in enumerate(wanted)}
        rows.sort(key=lambda row: order[row[0]])
        groups = [row[0] for row in rows]
        return Labelled.of(
            self._array(rows),
            [wanted[id].label == "like" for id in groups],
            np.asarray(groups, dtype=np.str_),
            [wanted[id].by_chance for id in groups],
        )

    def pool(self, candidates: Collection[str] | None = None) -> Pool:
        """Pictures of the deck's newest candidates, or of those named."""
        from tellapart.learn.taste import Pool

        rows = self._features(candidates)
        return Pool.of(self._array(rows), np.asarray([row[0] for row in rows], dtype=np.str_))

    def _features(self, candidates: Collection[str] | None) -> list[tuple[str, bytes]]:
        found = self.ledger.features(self.sight.key, candidates)
        rows = [(candidate, data) for candidate, _, data in found]
        if self._fresh:  # features that may not lie in the database
            named = self.ledger.owners(self._fresh)
            rows += [
                (owner, self._fresh[id])
                for id, owner in named.items()
                if candidates is None or owner in candidates
            ]
        return rows

    def _array(self, rows: Sequence[tuple[str, bytes]]) -> np.ndarray:
        if not rows:
            return np.empty((0, self.sight.dim), np.float32)
        return np.stack([np.frombuffer(data, "<f4") for _, data in rows]).astype(np.float32)

    def look_on(self) -> int:
        """Look at pictures that are there and were not seen with this base yet; how many."""
        count = 0
        while True:
            todo = [
                (id, sha)
                for id, sha in self.ledger.unlooked(self.sight.key, _MANY + len(self._fresh))
                if id not in self._fresh
            ]
            if not todo:
                return count
            if not self._look(todo):
                return count
            count += len(todo)

    def _look(self, todo: Sequence[tuple[int, str]]) -> bool:
        data = [(id, kept(self.folder, sha)) for id, sha in todo]
        gone = {id: (None, "it is not there") for id, one in data if one is None}
        there = [(id, one) for id, one in data if one is not None]
        features: dict[int, bytes] = {}
        problems: dict[int, tuple[float | None, str]] = {**gone}
        for (id, _), look in zip(there, self.sight.look([one for _, one in there]), strict=True):
            if look.features is not None:
                features[id] = look.features.astype("<f4").tobytes()
            elif look.fault == "model":
                raise VerificationError(
                    f"The deck's pictures cannot be looked at: {look.problem}.",
                    expected="a network that runs",
                    do="See the log; the labels are kept.",
                )
            else:
                problems[id] = (None, look.problem)
        if self.judge.keeps:
            self.ledger.looked(problems, "", self.sight.key, features)
        else:
            self._fresh |= features
            self.ledger.looked(problems, "")
        return True

    # -- labelling --------------------------------------------------------------------------

    def next(self, count: int, skip: Collection[str] = ()) -> list[Pick]:
        """What to label next, the most telling first. Once there is a champion every second is
        drawn by chance: only those tell whether a new head is better."""
        from tellapart.learn.taste import Pick, order

        waiting = [id for id in self.ledger.unlabelled(_POOL) if id not in set(skip)]
        drawn = [Pick(id, "by chance", None) for id in self.ledger.drawn(count) if id in waiting]
        if len(drawn) >= count:
            return drawn[:count]
        have = {one.candidate for one in drawn}
        pool = self.pool([id for id in waiting if id not in have])
        picks: list[Pick] = []
        if len(pool):
            chance = 2 if self.ledger.head("champion") is not None else 5
            labelled = self.labelled() if self.said else None
            picks = order(
                pool,
                labelled,
                self.judge.taste,
                count - len(drawn),
                chance=chance,
                seed=len(self.said),
            )
        self.ledger.pick({one.candidate: one.why for one in picks})
        seen = {one.candidate for one in (*drawn, *picks)}
        rest = [Pick(id, "stands for many", None) for id in waiting if id not in seen]
        return [*drawn, *picks, *rest][:count]

    def progress(self) -> Progress:
        """How far labelling has come."""
        from tellapart.learn.taste import progress

        labelled = self.labelled() if self.said else None
        pool = self.pool(self.ledger.unlabelled(_POOL))
        threshold = self.policy.threshold
        return progress(pool, labelled, self.judge.taste, threshold=threshold)

    def mark_new(self) -> dict[str, Any]:
        """Find candidates that look like nothing that was labelled; what was found."""
        from tellapart.learn.taste import novelty

        taught = self.labelled("train")
        stream = self.pool(self.ledger.unlabelled(_POOL))
        if not len(taught) or not len(stream):
            return {}
        found = novelty(taught, stream)
        self.ledger.marked(
            {
                str(id): (round(1.0 - float(alike), 5), bool(new))
                for id, alike, new in zip(
                    found.candidates, found.familiarity, found.new, strict=True
                )
            }
        )
        return found.to_dict()


def keep_up(learning: Learning) -> Lesson | None:
    """Mark what looks new, and learn from labels that no head has learned from yet, or anew where
    the head that would judge cannot: its features come no more. Where as much
    feedback is held back again as the gate asks for at least, gate what was learned: gating after
    every label would let in by chance."""
    from tellapart.learn.taste.gate import LEAST

    ledger = learning.ledger
    if not learning.said:
        return None
    learning.look_on()
    learning.mark_new()
    parts = [one.part for one in learning.said.values()]
    heads = ledger.heads()
    learned = len(learning.labelled("train").candidates)
    lesson = None
    lost = learning.judge.lost
    if lost or learned != (heads[0].labels if heads else 0):
        lesson = learning.refit()
    gated = [int(one.evaluation.get("n") or 0) for one in heads if one.evaluation]
    first = lost if ledger.head("champion") is not None else learned >= _FIRST
    if parts.count("held") - max(gated, default=0) < LEAST and not (first and lesson):
        return lesson
    if ledger.head("challenger") is None:
        learning.refit()
    return learning.gate()


def scores(learning: Learning, candidates: Collection[str]) -> Mapping[str, float]:
    """P(like) of candidates as wholes, by the head that judges now."""
    taste = learning.judge.taste
    pool = learning.pool(candidates)
    if taste is None or not len(pool):
        return {}
    names, found = taste.judge(pool, rule=learning.rule)
    return {str(id): float(score) for id, score in zip(names, found, strict=True)}


def _nothing() -> DataError:
    return DataError(
        "There is no challenger.",
        expected="a head that was fitted to labels",
        do="Label some candidates first: at least one to like and one to pass.",
    )
