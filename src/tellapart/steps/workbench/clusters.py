"""What each class consists of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError
from tellapart.learn.similarity import normalized
from tellapart.learn.workbench import clustering, wording
from tellapart.learn.workbench.shapes import ClassClusters, Cluster
from tellapart.steps.workbench.seen import Seen, key_of

_TYPICAL = 12
#: How well a part must fit its class, and how large a share of a class may be said to be off.
_FITS, _MAIN = 0.65, 0.75
#: A part is as far off as another class from here on.
_FAR = 1.0
#: A part is taken for another class where so much of it is.
_MOSTLY = 0.5


def clusters(seen: Seen, label: str | None = None) -> list[ClassClusters]:
    """Each class in its clusters, in alphabetical order. Raises `NotFoundError`, `DataError`."""
    seen.need_features()
    by_class: dict[str, list[int]] = {}
    for place, row in enumerate(seen.rows):
        by_class.setdefault(row.label, []).append(place)
    if label is not None and label not in by_class:
        raise NotFoundError(
            f"The project {seen.context.catalog.name!r} has no pictures of a class {label!r}.",
            expected=f"one of {', '.join(sorted(by_class))}",
            do="Name one of these classes.",
        )
    facts = [[row.id, row.label, row.sha256, row.title, row.query] for row in seen.rows]
    words = {name: _known(seen, name) for name in by_class}
    inputs = [facts, words, seen.material.feature_key]
    found = seen.kept("clusters", inputs, list[ClassClusters], lambda: _all(seen, by_class))
    rows = {row.id: row for row in seen.rows}
    return [_counted(one, rows) for one in found if label in (None, one.label)]


def _all(seen: Seen, by_class: Mapping[str, list[int]]) -> list[ClassClusters]:
    rows = {name: [seen.rows[i] for i in places] for name, places in by_class.items()}
    vectors = {name: seen.vectors(own) for name, own in rows.items()}
    total = sum(own.sum(axis=0, dtype=np.float64) for own in vectors.values())
    middle = np.asarray(total / max(1, len(seen.rows)), np.float32)
    between = _between(vectors, middle)
    out = []
    for name in sorted(by_class):
        material = _material(seen, by_class[name])
        cells = []
        for part in _parts(seen, rows[name], vectors[name], middle):
            apart = _apart(vectors[name], part, middle) / between
            cells.append(_cluster(seen, (name, rows[name]), part, material, apart))
        out.append(ClassClusters(name, len(rows[name]), tuple(_judged(cells))))
    return out


def _parts(
    seen: Seen,
    rows: Sequence[PictureRow],
    vectors: NDArray[np.float32],
    middle: NDArray[np.float32],
) -> list[NDArray[np.int64]]:
    """Places of each part; copies go with the picture that stands for them."""
    at = {row.id: place for place, row in enumerate(rows)}
    first = np.arange(len(rows))
    for place, row in enumerate(rows):
        of = at.get(str(row.detail.get("of", "")), place) if seen.is_copy(row) else place
        first[place] = of
    own = np.flatnonzero(first == np.arange(len(rows)))
    number = np.full(len(rows), -1)
    order = np.full(len(rows), np.inf)
    for which, part in enumerate(clustering.parts(vectors[own], middle)):
        number[own[part.rows]] = which
        order[own[part.rows]] = np.arange(len(part.rows))
    # A copy of a copy: up the chain, which is short.
    for _ in range(8):
        lost = np.flatnonzero(number < 0)
        number[lost] = number[first[lost]]
        order[lost] = order[first[lost]] + 0.5
    number[number < 0] = 0
    found = [np.flatnonzero(number == which) for which in range(int(number.max(initial=0)) + 1)]
    return [part[np.argsort(order[part], kind="stable")] for part in found if len(part)]


def _between(vectors: Mapping[str, NDArray[np.float32]], middle: NDArray[np.float32]) -> float:
    """The median distance of two classes' middles."""
    means = [normalized(rows - middle).mean(axis=0) for rows in vectors.values() if len(rows)]
    found = [
        float(np.linalg.norm(one - other)) for i, one in enumerate(means) for other in means[:i]
    ]
    return max(1e-6, float(np.median(found))) if found else 1.0


def _apart(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], middle: NDArray[np.float32]
) -> float:
    inside = np.zeros(len(vectors), bool)
    inside[rows] = True
    return clustering.apart(vectors, inside, middle)


def _material(seen: Seen, places: Sequence[int]) -> wording.Material:
    rows, here = [seen.rows[i] for i in places], np.array(places, np.int64)
    return wording.Material(
        texts=[text_of(row) for row in rows],
        sources=[row.source for row in rows],
        queries=[row.query for row in rows],
        creators=[row.creator for row in rows],
        looks=[replace(look, mask=look.mask[here]) for look in seen.looks],
    )


def text_of(row: PictureRow) -> str:
    """What a picture came with in words: title, and the name of its file and folder."""
    place = row.path.replace("\\", "/").split("/")[-1:] if row.path else []
    if not row.path and row.file_url:
        place = row.file_url.split("?")[0].split("/")[-1:]
    return " ".join([row.title, *place])


def _known(seen: Seen, label: str) -> list[str]:
    """The words a class is called by."""
    options = seen.context.recipe.classes.get(label)
    return [label, *(options.searched if options else ())]


def _cluster(
    seen: Seen,
    of: tuple[str, Sequence[PictureRow]],
    places: NDArray[np.int64],
    material: wording.Material,
    apart: float,
) -> Cluster:
    label, rows = of
    inside = np.zeros(len(rows), bool)
    inside[places] = True
    ids = tuple(rows[i].id for i in places.tolist())
    known = _known(seen, label)
    words = wording.telling(material, inside)
    name = wording.name(words, known)
    fits = [seen.scores.get("off_topic", {}).get(id) for id in ids]
    judged = [fit for fit in fits if fit is not None and not np.isnan(fit)]
    return Cluster(
        key=key_of(ids),
        label=label,
        name=name,
        sentence=wording.sentence(label, len(ids), len(rows), name),
        size=len(ids),
        share=round(len(ids) / len(rows), 4),
        kept=0,
        set_aside=0,
        words=words,
        fit=round(float(np.median(judged)), 4) if judged else None,
        looks_like=_taken_for(seen, label, ids),
        apart=round(apart, 4),
        suspect=False,
        better=wording.better(known[1] if len(known) > 1 else label, material, inside, known),
        typical=ids[:_TYPICAL],
        ids=ids,
    )


def _taken_for(seen: Seen, label: str, ids: Sequence[str]) -> str:
    """Another class that more than half of it is taken for."""
    wrong = [seen.suggested(id) for id in ids if seen.taken_right(id) is False]
    common = Counter(name for name in wrong if name and name != label).most_common(1)
    return common[0][0] if common and common[0][1] > _MOSTLY * len(ids) else ""


def _judged(cells: Sequence[Cluster]) -> list[Cluster]:
    """Which should be looked at. Of one that is most of its class, being apart is the others'."""
    return [
        replace(
            one,
            suspect=bool(one.looks_like)
            or (one.fit is not None and one.fit < _FITS)
            or (one.apart >= _FAR and one.share < _MAIN),
        )
        for one in cells
    ]


def _counted(found: ClassClusters, rows: Mapping[str, PictureRow]) -> ClassClusters:
    """With what is kept at this moment."""
    cells = []
    for one in found.clusters:
        kept = sum(1 for id in one.ids if rows[id].kept)
        cells.append(replace(one, kept=kept, set_aside=one.size - kept))
    return replace(found, clusters=tuple(cells))
