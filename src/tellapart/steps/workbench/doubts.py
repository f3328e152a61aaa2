"""The label-noise ranking: whose label is the least likely to be right."""

from __future__ import annotations

from collections.abc import Sequence

from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError
from tellapart.learn.workbench.shapes import Doubt, Doubtful
from tellapart.steps.workbench.seen import Seen

#: Below, a picture fits its class badly, and another class from here on well: as `curate` judges.
_FITS_BADLY, _FITS_WELL = 0.65, 0.8
#: Above, nothing is doubtful about a label.
_DOUBTED = 0.5
_MOST = 5000


def doubtful(seen: Seen, label: str | None = None, limit: int = 100) -> Doubtful:
    """The most doubtful first: by the probability of their own label, then by how badly they fit.

    Raises `NotFoundError` for a class that there is not, `DataError` without features.
    """
    seen.need_features()
    names = sorted({row.label for row in seen.rows})
    if label is not None and label not in names:
        raise NotFoundError(
            f"The project {seen.context.catalog.name!r} has no pictures of a class {label!r}.",
            expected=f"one of {', '.join(names)}",
            do="Name one of these classes.",
        )
    quality = seen.scores.get("mislabelled", {})
    asked = [row for row in seen.rows if row.id in quality and not seen.is_copy(row)]
    found = [one for row in asked if (one := _doubt(seen, row)) is not None]
    mine = [one for one in found if label in (None, one.label)]
    return Doubtful(
        asked=sum(1 for row in asked if label in (None, row.label)),
        doubtful=len(mine),
        items=tuple(_ranked(mine)[: max(1, min(limit, _MOST))]),
    )


def _doubt(seen: Seen, row: PictureRow) -> Doubt | None:
    quality = seen.scores["mislabelled"][row.id]
    fit = seen.scores["off_topic"][row.id]
    chance, elsewhere = (
        seen.scores[name][row.id] for name in ("suggested_chance", "suggested_fit")
    )
    foreign = fit < _FITS_BADLY and elsewhere < _FITS_WELL
    if quality >= _DOUBTED and not foreign:
        return None
    wrong = chance >= _DOUBTED or (fit < _FITS_BADLY and elsewhere >= _FITS_WELL)
    return Doubt(
        id=row.id,
        label=row.label,
        suggested=seen.suggested(row.id),
        quality=quality,
        chance=chance,
        fit=fit,
        suggested_fit=elsewhere,
        kind="foreign" if foreign else "wrong_label" if wrong else "hard",
        kept=row.kept,
        verdict=row.verdict,
        split=row.split,
    )


def _ranked(found: Sequence[Doubt]) -> list[Doubt]:
    return sorted(found, key=lambda one: (one.quality, one.fit or 0.0, -one.chance, one.id))
