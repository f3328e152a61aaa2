"""How far a stage is, and how much of the plan the time allows.

With a deadline the plan is an upper bound. What is left of it is scaled, all stages by one share,
to the time that is left, again after every batch; the schedule's progress counts what was planned,
so that the rate ends where it should whenever the stage ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tellapart.learn.deep.tuning import finding
from tellapart.learn.deep.tuning.pictures import PictureFeed
from tellapart.learn.deep.tuning.plan import Plan

#: Batches of a stage that are not timed: buffers and kernels are made in them.
_COLD = 2
#: Share of the time that is left which a search for a learning rate may take.
_SEARCHED = 0.1


@dataclass(frozen=True)
class Work:
    """One stage's work: steps as planned, and what a step costs relative to other stages."""

    steps: int
    #: Of one step: pictures of a batch, times their area, times the share of the work (forward 1,
    #: backward 2 for what learns).
    cost: float
    #: Of looking at the validation split once.
    look: float
    looks: int
    #: Steps of the search for a learning rate before it.
    search: int = 0


@dataclass
class Pace:
    """Place in the stage at hand; `deadline` on the clock that `timed` is told of."""

    works: Sequence[Work]
    deadline: float | None = None
    stage: int = 0
    #: Of the stage as planned, 0 … 1.
    progress: float = 0.0
    steps: int = 0
    #: Seconds a unit of cost, from the steps that were timed.
    unit_seconds: float = 0.0
    timed_cost: float = 0.0
    timed_seconds: float = 0.0
    stage_timed: int = 0

    def begin(self, stage: int) -> None:
        """Start a stage."""
        self.stage, self.progress, self.steps, self.stage_timed = stage, 0.0, 0, 0

    def timed(self, seconds: float) -> None:
        """Note what a step took; what a stage's first ones took is forgotten after them."""
        self.stage_timed += 1
        if self.stage_timed == _COLD + 1:
            self.timed_cost = self.timed_seconds = 0.0
        self.timed_cost += self.works[self.stage].cost
        self.timed_seconds += seconds
        self.unit_seconds = self.timed_seconds / self.timed_cost

    @property
    def step_seconds(self) -> float:
        """What a step of the stage at hand takes."""
        return self.unit_seconds * self.works[self.stage].cost

    @property
    def look_seconds(self) -> float:
        """What looking at the validation split takes."""
        return self.unit_seconds * self.works[self.stage].look

    def left(self, now: float) -> int:
        """Steps that are left of the stage: as planned, or as many as the time allows."""
        planned = self.works[self.stage].steps
        if self.deadline is None:
            return planned - self.steps
        if self.progress >= 1 or self.late(now):
            return 0
        return max(1, round(self.share(now) * planned * (1 - self.progress)))

    def share(self, now: float) -> float:
        """How much of what is left of the plan the time allows, 0 … 1."""
        if self.deadline is None or not self.unit_seconds:
            return 1.0
        work = self.works[self.stage]
        rest = (1 - self.progress) * (work.steps * work.cost + work.looks * work.look)
        rest += self._later
        time = self.deadline - now - self.look_seconds
        return min(1.0, max(0.0, time / max(1e-9, rest * self.unit_seconds)))

    @property
    def _later(self) -> float:
        """Cost of the stages after the one at hand, as planned."""
        return sum(
            (later.steps + later.search) * later.cost + later.looks * later.look
            for later in self.works[self.stage + 1 :]
        )

    def late(self, now: float) -> bool:
        """Whether one more step would not end in time."""
        if self.deadline is None:
            return False
        return now + self.step_seconds + self.look_seconds > self.deadline

    def widen(self, now: float) -> None:
        """After an interruption: go back in the stage's plan as far as the time allows by now.

        A plan that was cut down to less time has run through more of its rates than its steps
        stand for; with more time it is taken up where the steps are.
        """
        if self.stage >= len(self.works):
            return
        work = self.works[self.stage]
        learned = min(self.progress, self.steps / max(1, work.steps))
        if self.deadline is None or not self.unit_seconds:
            self.progress = learned
            return
        whole = work.steps * work.cost + work.looks * work.look
        rest = (self.deadline - now - self.look_seconds) / self.unit_seconds - self._later
        self.progress = min(self.progress, max(learned, 1 - rest / max(1e-9, whole)))

    def step(self, now: float) -> None:
        """Count a step that was done."""
        left = self.left(now)
        self.steps += 1
        if self.deadline is None:
            self.progress = self.steps / max(1, self.works[self.stage].steps)
        else:
            self.progress = 1.0 if left <= 1 else self.progress + (1 - self.progress) / left

    def search_steps(self, now: float) -> int:
        """How many batches a search for a learning rate may take: at most a tenth of the time."""
        if self.deadline is None:
            return finding.STEPS
        if not self.unit_seconds:
            return finding.FEWEST
        fits = _SEARCHED * (self.deadline - now) / max(1e-9, self.step_seconds)
        return int(min(finding.STEPS, max(finding.FEWEST, fits)))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: all but the plan and the deadline."""
        return {k: v for k, v in asdict(self).items() if k not in ("works", "deadline")}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for name, value in state.items():
            setattr(self, name, value)

    def outlook(self, now: float) -> tuple[int, float]:
        """Steps and seconds that are left of all stages."""
        steps, cost = self.left(now), 0.0
        cost = steps * self.works[self.stage].cost
        share = self.share(now)
        for later in self.works[self.stage + 1 :]:
            count = round(share * later.steps)
            steps += count
            cost += (count + later.search) * later.cost
        return steps, cost * self.unit_seconds


def works(plan: Plan, frozen: Sequence[int], groups: int, feed: PictureFeed) -> list[Work]:
    """Each stage's work; `frozen`: how many of its `groups` do not learn."""
    batches = len(range(0, len(feed.train), plan.batch_size)) or 1
    found = []
    for stage, fixed in zip(plan.stages, frozen, strict=True):
        area = float(stage.size) ** 2
        learns = 1 - fixed / max(1, groups - 1)
        each = len(feed.train) / batches
        found.append(
            Work(
                steps=stage.length * batches,
                cost=area * (1 + 2 * learns) * each,
                look=area * len(feed.validation),
                looks=stage.length,
                search=finding.STEPS if stage.searches else 0,
            )
        )
    return found
