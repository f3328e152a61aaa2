"""The stages of a report: how a network was tuned, what was frozen, at which sizes and rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tellapart.report.learned import Epoch
from tellapart.report.svg import BOTTOM, HEIGHT, TOP, WIDTH, Frame, dot, label, path, pt, whole


@dataclass(frozen=True)
class Stage:
    """One stage, as it was trained."""

    number: int
    #: In words: `all but the head`, `nothing`, or the groups' names.
    frozen: str
    learns: str
    #: Side in pixels.
    size: int
    #: The largest learning rate; None where the stage was not reached.
    rate: float | None
    #: What the finder suggests; None without one.
    suggested: float | None
    schedule: str
    #: Epochs of each cycle.
    cycles: Sequence[int]
    #: As trained, which a time limit or a stop may have cut.
    epochs: float
    #: (learning rate, loss) of each batch of the finder.
    search: Sequence[tuple[float, float]] = ()
    #: (epoch from 0 within the stage, learning rate).
    rates: Sequence[tuple[float, float]] = ()
    #: None in what is passed on: it is the machine's.
    pictures_per_second: float | None = None


@dataclass(frozen=True)
class Tuning:
    """How a network was tuned."""

    backbone: str
    #: Name of the weights it began with; empty: at random.
    weights: str
    head: str
    #: Name and value of what holds for all stages, in words.
    settings: Sequence[tuple[str, str]]
    #: How the pictures were divided, in words.
    split: str
    stages: Sequence[Stage]
    history: Sequence[Epoch]
    best_epoch: int
    #: Whether that epoch was chosen by its loss on validation.
    keeps_best: bool
    finished: bool

    @property
    def searches(self) -> list[Stage]:
        """The stages before which the finder ran."""
        return [stage for stage in self.stages if len(stage.search) > 1]

    @property
    def is_cut(self) -> bool:
        """Whether the last epoch was cut off."""
        return bool(self.history) and self.history[-1].partial


def tuning(facts: Mapping[str, Any], *, private: bool) -> Tuning | None:
    """What a trained model's facts tell of stages; None where there were none."""
    found = facts.get("tuning")
    if not found:
        return None
    weights = found["weights"]
    return Tuning(
        backbone=str(found["backbone"]),
        weights="" if weights is None else str(weights["name"]),
        head=_HEADS.get(found["head"], str(found["head"])),
        settings=_settings(found["settings"]),
        split=_split(found["split"]),
        stages=[_stage(each, private=private) for each in found["stages"]],
        history=[
            Epoch(
                number=int(line["epoch"]),
                loss=line["loss"],
                accuracy=line["accuracy"],
                validation_loss=line["validation_loss"],
                validation_accuracy=line["validation_accuracy"],
                learning_rate=line["learning_rate"],
                partial=bool(line.get("partial")),
            )
            for line in found["history"]
        ],
        best_epoch=int(found["best_epoch"]),
        keeps_best=bool(found["settings"]["best_weights"])
        and any(line["validation_loss"] is not None for line in found["history"]),
        finished=bool(facts.get("finished", True)),
    )


def finder(stage: Stage) -> Markup:
    """Loss by learning rate as the finder saw it, the rate that was used and the one it found."""
    points = [(math.log10(rate), loss) for rate, loss in stage.search if math.isfinite(loss)]
    first = points[0][1]
    # Where the loss runs away, it would press all the rest flat.
    top = max(min(max(loss for _, loss in points), 2 * first), 1e-6)
    low, high = points[0][0], points[-1][0]
    frame = Frame(low, high if high > low else low + 1, 0, top)
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    xs = [(float(power), _power(power)) for power in powers]
    ys = [(top * k / 4, f"{top * k / 4:.2g}") for k in range(5)]
    parts = frame.axes(xs, ys, "learning rate", "loss")
    parts.append(path("line", [(frame.x(x), frame.y(min(y, top))) for x, y in points]))
    marks = [(stage.rate, "used"), (stage.suggested, "suggested")]
    if stage.rate == stage.suggested:
        marks = [(stage.rate, "found and used")]
    for place, (rate, word) in enumerate(marks):
        if rate is None or not low <= math.log10(rate) <= high:
            continue
        at = frame.x(math.log10(rate))
        parts.append(
            f'<line class="best" x1="{pt(at)}" x2="{pt(at)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        side = "note end" if at > (WIDTH / 2) else "note"
        shift = -5 if side == "note end" else 5
        y = HEIGHT - BOTTOM - 8 - 16 * place
        parts.append(label(at + shift, y, f"{word}: {rate:.2g}", side))
    return whole(parts, WIDTH, HEIGHT, f"Loss by learning rate, stage {stage.number}")


def schedule(stages: Sequence[Stage]) -> Markup:
    """The learning rate over the epochs of all stages, on a logarithmic axis."""
    lines, start = [], 0.0
    for stage in stages:
        known = [(start + epoch, rate) for epoch, rate in stage.rates if rate > 0]
        lines.append((stage, known))
        start += stage.epochs
    rates = [rate for _, line in lines for _, rate in line]
    if not rates:
        return Markup("")
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)) + 1e-9)
    frame = Frame(0, start or 1.0, low, max(high, low + 1))
    every = max(1, math.ceil(start / 8))
    xs = [(float(n), str(n)) for n in range(0, math.floor(start) + 1, every)]
    ys = [(float(power), _power(power)) for power in range(low, int(frame.y1) + 1)]
    parts = frame.axes(xs, ys, "epochs", "learning rate of the head")
    for stage, line in lines:
        points = [(frame.x(x), frame.y(math.log10(rate))) for x, rate in line]
        parts.append(path("line", points) if len(points) > 1 else "")
        if len(points) == 1:
            told = f"stage {stage.number}: {line[0][1]:.2g}"
            parts.append(dot(*points[0], 3, "dot", told))
    return whole(parts, WIDTH, HEIGHT, "Learning rate by epoch")


def plot_finder(figure: Any, found: Tuning) -> None:
    """The finders' curves on a matplotlib figure."""
    from tellapart.report.plots import ACCENT, SECOND, SOFT, WARM

    axes = figure.add_subplot()
    tops = []
    for stage, color in zip(found.searches, (ACCENT, SECOND, SOFT) * 7, strict=False):
        rates, losses = zip(*stage.search, strict=True)
        axes.plot(rates, losses, color=color, label=f"stage {stage.number}, {stage.size} pixels")
        tops.append(2 * losses[0])
        if stage.rate is not None:
            axes.axvline(stage.rate, color=WARM, linestyle=":", label=f"used: {stage.rate:.2g}")
        if stage.suggested is not None and stage.suggested != stage.rate:
            axes.axvline(
                stage.suggested, color=color, linestyle="--", label=f"found: {stage.suggested:.2g}"
            )
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.set_ylim(bottom=0, top=max(tops))
    axes.legend()
    axes.grid(visible=True)
    axes.set_title("Finder of the learning rate")


def plot_history(figure: Any, found: Tuning) -> None:
    """Loss by epoch on a matplotlib figure, training and validation."""
    from tellapart.report.plots import ACCENT, SECOND, WARM

    axes = figure.add_subplot()
    for name, color in (("loss", ACCENT), ("validation_loss", SECOND)):
        known = [(e.number, getattr(e, name)) for e in found.history]
        known = [(x, y) for x, y in known if y is not None]
        if known:
            word = "training" if name == "loss" else "validation"
            axes.plot(*zip(*known, strict=True), "o-", markersize=3, color=color, label=word)
    if found.best_epoch:
        axes.axvline(found.best_epoch, color=WARM, linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.grid(visible=True)
    axes.set_title("Tuning")


_HEADS = {
    "linear": "a linear head",
    "concat512": "both poolings, 512 hidden units with dropout, a linear layer",
}


def _stage(facts: Mapping[str, Any], *, private: bool) -> Stage:
    groups = facts["groups"]
    frozen = [group["name"] for group in groups if group["frozen"]]
    learning = [
        group["name"] + ("" if group["share"] == 1 else f" × {group['share']:.3g}")
        for group in groups
        if not group["frozen"]
    ]
    if len(frozen) == len(groups) - 1:
        still = "all but the head"
    else:
        still = ", ".join(frozen) or "nothing"
    return Stage(
        number=int(facts["stage"]),
        frozen=still,
        learns=", ".join(reversed(learning)),
        size=int(facts["size"]),
        rate=facts["lr"],
        suggested=facts.get("lr_suggested"),
        schedule=str(facts["schedule"]).replace("_", " "),
        cycles=[int(each) for each in facts["cycles"]],
        epochs=float(facts["epochs"]),
        search=[(float(rate), float(loss)) for rate, loss in facts["search"]],
        rates=[(float(epoch), float(rate)) for epoch, rate in facts["rates"]],
        pictures_per_second=facts["pictures_per_second"] if private else None,
    )


def _split(facts: Mapping[str, Any]) -> str:
    shares = ", ".join(
        f"{100 * facts[part]:.0f} % {part}" for part in ("train", "validation", "test")
    )
    kept = "the data set's own" if facts.get("official") else f"{shares}, seed {facts['seed']}"
    return f"{kept}; stored, and used again by every later run"


def _settings(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    varied = facts["augmentation"]
    words = [
        ("mirrored", varied["flip"]),
        ("upside down too", varied["flip"] == "hv"),
        (f"enlarged up to {varied['zoom']:g} times", varied["zoom"] > 1),
        (f"turned up to {varied['rotate']:g}°", varied["rotate"]),
        (f"light changed up to {varied['lighting']:g}", varied["lighting"]),
        (f"cut out from {100 * varied['crop']:g} % of the area up", varied["crop"] < 1),
        (f"mixup {varied['mixup']:g}", varied["mixup"]),
        (f"cutmix {varied['cutmix']:g}", varied["cutmix"]),
    ]
    decay = facts["weight_decay"]
    rows = [
        ("Optimizer", facts["optimizer"] + (f", weight decay {decay:g}" if decay else "")),
        ("Batch", f"{facts['batch_size']} pictures"),
        ("Varied pictures", ", ".join(word for word, holds in words if holds) or "not"),
        ("Classes", "count alike" if facts["class_weight"] else "count by number"),
        ("Averaged weights", f"{facts['ema']:g}" if facts["ema"] else ""),
        ("Label smoothing", f"{facts['label_smoothing']:g}" if facts["label_smoothing"] else ""),
        ("Batch normalization", "statistics kept" if facts["freeze_norm"] else ""),
        ("Weights kept", "of the best epoch" if facts["best_weights"] else "of the last epoch"),
    ]
    return [(name, value) for name, value in rows if value]


def _power(power: int) -> str:
    return f"{10.0**power:g}"
