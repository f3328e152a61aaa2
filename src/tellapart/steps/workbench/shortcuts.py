"""Classes that something beside the point gives away, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.learn.workbench import giveaways
from tellapart.learn.workbench.shapes import Shortcut, Shortcuts
from tellapart.steps.workbench.seen import Seen

_SHOWN = 12
#: Fewer answers on one side are no share.
_FEWEST = 8
#: Two cues that say much the same: of a pair the stronger is told.
_KIN = (frozenset({"file_size", "picture_size"}), frozenset({"border", "background"}))
_BY = {
    "file_size": "the size of their files",
    "picture_size": "their width and height",
    "border": "their border",
    "background": "the color of their ground",
    "source": "the source they were found by",
}
_DO = {
    "file_size": "Mix in pictures of the other classes that were saved the same way, or save all "
    "of them alike.",
    "picture_size": "Mix in pictures of other shapes, or try `train.view: pad`, which keeps shapes "
    "as they are; what all pictures of a class share, a model may learn instead of the thing.",
    "border": "Crop the borders away, or add pictures without one.",
    "background": "Add pictures of this class on other grounds, and of the others on this one.",
    "source": "Collect every class from the same sources.",
}


def shortcuts(seen: Seen) -> Shortcuts:
    """What gives classes of the kept pictures away, the strongest first."""
    places = [
        place
        for place, row in enumerate(seen.rows)
        if row.kept and not seen.is_copy(row) and seen.around[place] is not None
    ]
    rows = [seen.rows[place] for place in places]
    facts = [[row.id, row.sha256, row.label, row.source, row.group] for row in rows]
    return seen.kept("shortcuts", facts, Shortcuts, lambda: _found(seen, places, rows))


def _found(seen: Seen, places: Sequence[int], rows: Sequence[PictureRow]) -> Shortcuts:
    around = [one for place in places if (one := seen.around[place]) is not None]
    cues = giveaways.cues(
        [seen.figures[place] for place in places], around, [row.source for row in rows]
    )
    tried = giveaways.search(
        [row.label for row in rows], [row.group or row.sha256 for row in rows], cues
    )
    warned = sorted(
        (one for one in tried if one.gives_away),
        key=lambda one: (-round(one.accuracy, 4), one.label, one.cue),
    )
    told = [one for place, one in enumerate(warned) if not _same(one, warned[:place])]
    notes = () if tried else (_FEW,)
    return Shortcuts(tuple(_shortcut(seen, rows, one) for one in told), len(tried), notes)


_FEW = (
    f"Nothing could be tried: it takes {giveaways.FEWEST} pictures of a class, and as many others."
)


def _same(one: giveaways.Found, stronger: Sequence[giveaways.Found]) -> bool:
    """Whether a stronger cue of its kin gives the same class away."""
    return any(other.label == one.label and {other.cue, one.cue} in _KIN for other in stronger)


def _shortcut(seen: Seen, rows: Sequence[PictureRow], one: giveaways.Found) -> Shortcut:
    looked = [rows[i] for i in one.rows.tolist()]
    own = np.array([row.label == one.label for row in looked])
    agrees = one.taken == own
    right = [seen.taken_right(row.id) for row in looked]
    known = np.array([said is not None for said in right])
    hits = np.array([bool(said) for said in right])
    inside, outside = int((one.taken & own).sum()), int((one.taken & ~own).sum())
    return Shortcut(
        label=one.label,
        cue=one.cue,
        sentence=f"{inside:,} of {int(own.sum()):,} pictures of {one.label!r} are told by "
        f"{_BY[one.cue]} alone; of the others {outside:,} of {int((~own).sum()):,} look so too.",
        do=_DO[one.cue],
        accuracy=round(one.accuracy, 4),
        low=round(one.low, 4),
        high=round(one.high, 4),
        p=float(f"{one.p:.3g}"),
        inside=round(one.inside, 4),
        outside=round(one.outside, 4),
        agreeing=_share(hits, known & agrees),
        contradicting=_share(hits, known & ~agrees),
        typical=_ids(looked, one.taken & own),
        against=_ids(looked, ~one.taken & own),
    )


def _share(hits: NDArray[np.bool_], which: NDArray[np.bool_]) -> float | None:
    return round(float(hits[which].mean()), 4) if int(which.sum()) >= _FEWEST else None


def _ids(rows: Sequence[PictureRow], which: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(rows[i].id for i in np.flatnonzero(which)[:_SHOWN].tolist())
