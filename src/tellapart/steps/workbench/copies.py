"""Groups of near duplicates, each with its best picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.bundle import licenses
from tellapart.catalog import PictureRow
from tellapart.learn.workbench.shapes import Copies, Copy
from tellapart.steps.workbench.seen import Seen, key_of

#: More than this on the shorter side no backbone looks at.
_ENOUGH = 1024
#: A frame begins here, in 255ths of a side.
_FRAME = 3


def copies(seen: Seen) -> list[Copies]:
    """All groups, those first where the best picture is not the one that stays."""
    rows = {row.id: row for row in seen.rows}
    found = [_group(seen, [rows[id] for id in ids]) for ids in _groups(seen.rows)]
    return sorted(found, key=lambda one: (one.settled, one.label, one.key))


def _groups(rows: Sequence[PictureRow]) -> list[list[str]]:
    """Ids that verdicts lead to one another."""
    root = {row.id: row.id for row in rows}

    def top(id: str) -> str:
        while root[id] != id:
            root[id] = root[root[id]]
            id = root[id]
        return id

    for row in rows:
        of = str(row.detail.get("of", ""))
        if of in root:
            one, other = sorted((top(row.id), top(of)))
            root[other] = one
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[top(row.id)].append(row.id)
    return [sorted(ids) for _, ids in sorted(groups.items()) if len(ids) > 1]


def _group(seen: Seen, rows: Sequence[PictureRow]) -> Copies:
    figures = {row.id: seen.material.figures[row.sha256] for row in rows}
    ranked = sorted((_copy(row, figures[row.id]) for row in rows), key=best_first)
    one_class = len({row.label for row in rows}) == 1
    kept = [one for one in ranked if one.kept]
    best = ranked[0]
    stays = kept[0].id if kept and one_class else ""
    label = next((one.label for one in ranked if one.id == stays), best.label)
    return Copies(
        key=key_of(one.id for one in ranked),
        label=label,
        stays=stays,
        best=best.id,
        why=why(ranked),
        pictures=tuple(ranked),
    )


def _copy(row: PictureRow, figures: Mapping[str, Any]) -> Copy:
    return Copy(
        id=row.id,
        label=row.label,
        width=int(figures["width"]),
        height=int(figures["height"]),
        sharpness=float(figures["sharpness"]),
        bytes=int(figures["bytes"]),
        license=row.license,
        shareable=licenses.read(row.license).may_pass_on,
        framed=_is_framed(str(figures.get("frame", ""))),
        kept=row.kept,
        verdict=row.verdict,
        split=row.split,
    )


def best_first(one: Copy) -> tuple[Any, ...]:
    """No frame, resolution, sharpness, licence; in steps, so that a hair decides nothing."""
    side, sharp = _sides(one), round(2 * math.log2(1 + one.sharpness))
    exact = (-one.width * one.height, -one.sharpness, -one.bytes, one.id)
    return (one.framed, -round(2 * math.log2(max(1, side))), -sharp, not one.shareable, *exact)


def _is_framed(frame: str) -> bool:
    """Whether the analyzers saw a frame: a byte for each side, in 255ths of it."""
    return len(frame) == 8 and any(width >= _FRAME for width in bytes.fromhex(frame))


def _sides(one: Copy) -> int:
    return min(_ENOUGH, one.width, one.height)


def why(ranked: Sequence[Copy]) -> str:
    """In what the best one is ahead of the others."""
    best, others = ranked[0], ranked[1:]
    first = best_first(best)
    said = []
    if not best.framed and all(one.framed for one in others):
        said.append("without a frame")
    if all(first[1] < best_first(one)[1] for one in others):
        said.append(f"largest ({best.width} × {best.height})")
    if all(first[2] < best_first(one)[2] for one in others):
        said.append("sharpest")
    if best.shareable and not any(one.shareable for one in others):
        said.append("may be passed on")
    if not said and any(best.width * best.height > one.width * one.height for one in others):
        said.append(f"a little larger ({best.width} × {best.height})")
    return ", ".join(said) or "as good as the others"
