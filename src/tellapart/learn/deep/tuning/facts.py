"""What is noted of each stage: what learned, at which rates, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tellapart.learn.deep.tuning.network import Group, rates
from tellapart.learn.deep.tuning.plan import Plan

#: Points of a curve of rates at most.
_POINTS = 400


@dataclass
class StageLog:
    """Notes of one stage."""

    stage: int
    size: int
    freeze: str | int
    schedule: str
    #: Epochs of each cycle, as planned.
    cycles: list[int]
    #: Batches of an epoch.
    batches: int
    #: One dict a layer group: name, tensors, frozen, share (of the learning rate).
    groups: list[dict[str, Any]]
    #: The peak; None until it is found.
    rate: float | None = None
    #: (rate, loss) of each batch of the search.
    search: list[Any] = field(default_factory=list)
    #: The rate that the search found, whether it is used or not.
    suggested: float | None = None
    #: Of the head, at each step.
    rates: list[float] = field(default_factory=list)
    seconds: float = 0.0
    pictures: int = 0
    steps: int = 0

    @classmethod
    def begun(
        cls, place: int, plan: Plan, found: Sequence[Group], frozen: int, batches: int
    ) -> StageLog:
        """Of stage `place`, nothing done yet."""
        stage = plan.stages[place]
        shares = rates(list(found), plan.decay_by_layer)
        told = [
            {
                "name": group.name,
                "tensors": len(group.parameters),
                "frozen": number < frozen,
                "share": round(share, 6),
            }
            for number, (group, share) in enumerate(zip(found, shares, strict=True))
        ]
        schedule = "cosine" if stage.cycles is not None else stage.schedule
        return cls(
            place + 1, stage.size, stage.freeze, schedule, list(stage.lengths), batches, told
        )

    def timed(self, seconds: float, pictures: int) -> None:
        """Note a step."""
        self.seconds += seconds
        self.pictures += pictures

    def close(self, steps: int) -> None:
        """Note that the stage is over."""
        self.steps = steps

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> StageLog:
        """From a checkpoint."""
        return cls(**state)

    def facts(self) -> dict[str, Any]:
        """JSON-able, rates thinned out."""
        every = max(1, -(-len(self.rates) // _POINTS))
        done = asdict(self) | {
            "rates": [
                [round(step / self.batches, 4), float(f"{rate:.4g}")]
                for step, rate in enumerate(self.rates)
                if step % every == 0
            ],
            "search": [[float(f"{r:.4g}"), float(f"{loss:.6g}")] for r, loss in self.search],
            "seconds": round(self.seconds, 3),
            "epochs": round(len(self.rates) / self.batches, 4),
            "pictures_per_second": round(self.pictures / self.seconds, 2) if self.seconds else None,
        }
        done["lr"], done["lr_found"] = done.pop("rate"), bool(self.search)
        done["lr_suggested"] = done.pop("suggested")
        return done
