"""What the steps after training will take, so that the whole command ends in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tellapart.learn import int8, weights
from tellapart.learn.backbone import NAME, Backbone
from tellapart.steps import StepContext
from tellapart.steps.train import frozen

# To measure these anew: run a command with `--budget` on a quiet machine and compare what it kept
# with what the steps took; both are in the project's `work/reserve.json`.

#: Seconds of evaluate, compile and package that do not grow with the network: report and plots,
#: engines' start, golden pictures, the zip. Measured on two cores with the embedded network.
_FIXED: Mapping[str, float] = {"evaluate": 3.0, "compile": 4.0, "package": 1.0}
#: How often the model answers each checked picture, and at least so many are checked.
_PASSES: Mapping[str, float] = {"evaluate": 1.0, "compile": 2.5}
_LEAST_CHECKED, _GOLDEN = 32, 20
#: Seconds of making the int8 model, which takes fewer pictures the larger the network is.
_INT8 = 25.0
#: The embedded network's pictures/s on the machine of `_FIXED`; slower ones count up to so much.
_REFERENCE, _SLOWEST = 200.0, 4.0


@dataclass
class Reserve:
    """Speeds of networks here, and what follows from them."""

    context: StepContext
    #: Pictures that the later steps ask the model about.
    pictures: int
    #: The steps that this command walks after training.
    steps: tuple[str, ...]
    _speeds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, context: StepContext, first: Backbone) -> Reserve:
        """Counts the test pictures; measures the embedded network once."""
        rows = context.catalog.pictures(status="ok", kept=True, split="test")
        steps = () if context.command is None else context.command.after("train")
        reserve = cls(context, max(len(rows), _LEAST_CHECKED) + _GOLDEN, steps)
        # Anew: how busy the machine was when it was measured last says nothing of today.
        reserve._speeds[first.name] = weights.speed(first, context.settings, anew=True)
        return reserve

    def speed(self, name: str) -> float:
        """Pictures/s of the frozen network `name` at 224 pixels, measured on first use."""
        if name not in self._speeds:
            net = frozen.network(self.context, name, 224)
            self._speeds[name] = weights.speed(net, self.context.settings)
        return self._speeds[name]

    def seconds(self, passes: Mapping[str, float]) -> float:
        """Seconds of the later steps for a model of `passes` (see `HeadRung.passes`)."""
        each = sum(times / self.speed(name) for name, times in passes.items())
        return self.of_answer(each)

    def facts(self) -> dict[str, Any]:
        """What the estimates stand on, JSON-able."""
        return {
            "pictures": self.pictures,
            "speed": round(self.speed(NAME), 1),
            "fixed": dict(_FIXED),
            "passes": dict(_PASSES),
            "reference": _REFERENCE,
        }

    def of_answer(self, each: float) -> float:
        """The same for a model that takes `each` seconds a picture."""
        slow = min(_SLOWEST, _REFERENCE / max(self.speed(NAME), 1.0))
        looked = sum(_PASSES.get(step, 0.0) for step in self.steps) * self.pictures * each
        fixed = sum(_FIXED.get(step, 0.0) for step in self.steps)
        if "compile" in self.steps and self.context.recipe.quantized and int8.is_there():
            fixed += _INT8
        return looked + max(1.0, slow) * fixed
