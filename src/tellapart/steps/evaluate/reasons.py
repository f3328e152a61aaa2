"""What single answers rest on: some wrong ones, some right ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tellapart import images
from tellapart.bundle.overlay import why_overlay
from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError, PictureError, StorageError
from tellapart.learn import measuring
from tellapart.report import Shot
from tellapart.report.pictures import SIDE, encoded
from tellapart.report.reasons import Reason, Reasons, Voice
from tellapart.steps import StepContext
from tellapart.steps.evaluate.figures import Answers
from tellapart.steps.explaining import Explainer, Speaker
from tellapart.store.files import FileStore

#: Answers explained: the surest wrong ones, and right ones.
_WRONG, _RIGHT = 4, 2
#: Training pictures shown a side; candidates a side, at most and at least.
_SHOWN, _MOST, _FEWEST = 2, 3, 2
#: What all refits together may cost, a training picture, in rows × features × classes: about a
#: tenth of what `quick` takes. Ten times as much with more effort.
_AFFORDABLE = 1.5e5

Spoken = tuple[tuple[Speaker, ...], tuple[Speaker, ...]]
Show = Callable[[PictureRow], Shot]


@dataclass(frozen=True)
class Case:
    """One answer and what it rests on, before it is decided who may see which picture."""

    row: PictureRow
    answer: str
    probability: float
    heat: str
    spoken: Spoken


def cases(
    context: StepContext,
    explainer: Explainer,
    rows: Sequence[PictureRow],
    vectors: NDArray[np.float32],
    answers: Answers,
) -> tuple[list[Case], list[str]]:
    """Some of the test pictures `rows`, raw features `vectors` (n, D), explained; and notes."""
    files = FileStore(context.settings.files_dir)
    refits = _refits(context, vectors.shape[1], answers, explainer.pictures)
    notes = [explainer.doubts] if refits and explainer.doubts else []
    if not refits:
        notes.append("With so many pictures, who speaks for and against is told on demand alone.")
    found, kinds = [], set()
    for place in chosen(answers):
        number = int(answers.probabilities[place].argmax())
        label = answers.classes[number]
        try:
            data = measuring.reader(files, rows[place].sha256, rows[place].path)()
            heat, kind = _heat(context, explainer, data, number)
        except (PictureError, NotFoundError, StorageError):
            continue
        each = min(_MOST, refits // 2)
        spoken: Spoken = ((), ())
        if each >= _FEWEST and not explainer.doubts:
            refits -= 2 * each
            spoken = explainer.speakers(vectors[place], label, count=_SHOWN, candidates=each)
        odds = round(float(answers.probabilities[place, number]), 6)
        found.append(Case(rows[place], label, odds, heat, spoken))
        kinds.add(kind)
    if "occlusion" in kinds:
        notes.append("The model gives no map of its own: the pictures were covered bit by bit.")
    if explainer.is_tuned:
        notes.append("The network below the head, which learned from all pictures, stayed.")
    return found, notes


def shown(show: Show, found: Sequence[Case], notes: Sequence[str]) -> Reasons:
    """For one kind of reader: `show` leaves out the pixels of what may not be passed on."""

    def voices(speakers: Sequence[Speaker]) -> list[Voice]:
        return [Voice(show(one.picture), one.without) for one in speakers]

    reasons = []
    for one in found:
        shot = show(one.row)
        heat = one.heat if shot.uri else ""
        pro, against = map(voices, one.spoken)
        reasons.append(Reason(shot, one.answer, one.probability, heat, pro, against))
    return Reasons(reasons, notes)


def chosen(answers: Answers) -> list[int]:
    """Places of the surest wrong answers, one a class as far as possible, then of right ones: one
    that was hardly sure and one as sure as most."""
    top = answers.probabilities.max(axis=1)
    right = answers.probabilities.argmax(axis=1) == answers.y
    order = np.lexsort((np.arange(len(top)), -top))
    wrong = [place for place in order.tolist() if not right[place]]
    turn: dict[int, int] = {}
    ranked = []
    for rank, place in enumerate(wrong):
        label = int(answers.y[place])
        turn[label] = turn.get(label, -1) + 1
        ranked.append((turn[label], rank, place))
    told = [place for place in order.tolist() if right[place]]
    ends = [told[-1], told[len(told) // 2]][:_RIGHT] if len(told) > 1 else told
    return [place for *_, place in sorted(ranked)[:_WRONG]] + ends


def _refits(context: StepContext, dim: int, answers: Answers, pictures: int) -> int:
    cost = pictures * min(dim, pictures) * len(answers.classes)
    more = 1 if context.recipe.effort == "quick" else 10
    return int(more * _AFFORDABLE * pictures / max(1, cost))


def _heat(context: StepContext, explainer: Explainer, data: bytes, number: int) -> tuple[str, str]:
    (found, kind), *_ = explainer.maps([data])
    own = found[number] - found.mean(axis=0)
    picture = images.decode(data, hint=SIDE)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return encoded(why_overlay(picture, own, "", context.recipe.train.view)), kind
