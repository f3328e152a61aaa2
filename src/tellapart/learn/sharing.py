"""Which group goes to which part: near the asked fractions, class by class, in a drawn order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAIN, VALIDATION, TEST, ASIDE = "train", "validation", "test", "aside"
SPLITS = (TRAIN, VALIDATION, TEST)
PARTS = (*SPLITS, ASIDE)
#: Of a group that has no part yet.
OPEN = -1


@dataclass(frozen=True)
class Shares:
    """The asked fractions and the seed. Fractions need not sum to 1; their ratios count."""

    train: float
    validation: float
    test: float
    seed: int = 0

    def of(self, split: str) -> float:
        total = self.train + self.validation + self.test
        return float(getattr(self, split)) / total if total > 0 else float(split == TRAIN)


@dataclass
class _Table:
    """How many of each class (row) a part (column) is to have, and has."""

    want: list[list[int]]
    have: list[list[int]]
    #: Parts that are to have anything, as places in `SPLITS`.
    asked: list[int]


def fill(
    labels: NDArray[np.int64],
    classes: int,
    of: NDArray[np.int64],
    splits: NDArray[np.int8],
    names: NDArray[np.bytes_],
    shares: Shares,
) -> NDArray[np.int8]:
    """Give each open group a part, large ones first, in an order drawn from the seed.

    `labels` (n,): numbers of so many `classes`; `of` (n,): each member's group; `splits` and
    `names` (g,): part and name of each group. Returns the parts (g,), as places in `PARTS`.
    """
    splits = splits.copy()
    sizes = np.bincount(of, minlength=len(splits))
    opened = _in_turn(np.flatnonzero(splits == OPEN), sizes, names, shares.seed)
    table = _table(labels, classes, splits[of], shares)
    several = opened[sizes[opened] > 1]
    parts = _counted(labels, of, several)
    for group in several.tolist():
        chosen = _best(parts[group], table)
        splits[group] = chosen
        for label, count in parts[group].items():
            table.have[label][chosen] += count
    # Single ones come last: in each class by themselves.
    single = opened[sizes[opened] == 1]
    kinds = np.empty(len(splits), dtype=np.int64)
    kinds[of] = labels
    for label in np.unique(kinds[single]).tolist():
        mine = single[kinds[single] == label]
        splits[mine] = _dealt(len(mine), table.want[label], table.have[label], table.asked)
    for label, split in _lacking(table, shares):
        if not table.have[label][split]:
            mine = [group for group in several.tolist() if label in parts[group]]
            mine += single[kinds[single] == label].tolist()
            _borrow(split, {g: parts.get(g) or Counter({label: 1}) for g in mine}, splits, table)
    return splits


def _lacking(table: _Table, shares: Shares) -> list[tuple[int, int]]:
    """Classes, by alphabet, and the parts that each must have something in and has not."""
    wanted = [SPLITS.index(split) for split in (TRAIN, TEST) if shares.of(split) > 0]
    return [
        (label, split)
        for label, want in enumerate(table.want)
        for split in wanted
        if any(want) and not table.have[label][split]
    ]


def _in_turn(
    groups: NDArray[np.int64], sizes: NDArray[np.int64], names: NDArray[np.bytes_], seed: int
) -> NDArray[np.int64]:
    """Large groups first (by powers of two, or the last one would spoil the sizes)."""
    if not len(groups):
        return groups
    drawn = f"{seed}\0".encode()
    turns = [hashlib.sha256(drawn + name).digest() for name in names[groups].tolist()]
    size = np.frexp(sizes[groups])[1]
    # NUL bytes at the end are no less than none: all are of one length.
    return groups[np.lexsort((np.array(turns, dtype="S32"), -size))]


def _table(
    labels: NDArray[np.int64], classes: int, splits: NDArray[np.int8], shares: Shares
) -> _Table:
    parts = len(SPLITS)
    totals = np.bincount(labels[splits != PARTS.index(ASIDE)], minlength=classes)
    there = (splits >= 0) & (splits < parts)
    cells = np.bincount(labels[there] * parts + splits[there], minlength=classes * parts)
    return _Table(
        [_quota(total, shares) for total in totals.tolist()],
        cells.reshape(classes, parts).tolist(),
        [place for place, s in enumerate(SPLITS) if s == TRAIN or shares.of(s) > 0],
    )


def _quota(n: int, shares: Shares) -> list[int]:
    """Whole pictures a split, by largest remainder."""
    exact = [n * shares.of(split) for split in SPLITS]
    quota = [int(value) for value in exact]
    by_rest = sorted(range(len(SPLITS)), key=lambda at: (quota[at] - exact[at], at))
    for at in by_rest[: n - sum(quota)]:
        quota[at] += 1
    return quota


def _counted(
    labels: NDArray[np.int64], of: NDArray[np.int64], groups: NDArray[np.int64]
) -> dict[int, Counter[int]]:
    """How many of each class `groups` have."""
    found: dict[int, Counter[int]] = {group: Counter() for group in groups.tolist()}
    inside = np.flatnonzero(np.isin(of, groups)) if found else np.empty(0, np.int64)
    for group, label in zip(of[inside].tolist(), labels[inside].tolist(), strict=True):
        found[group][label] += 1
    return found


def _best(sizes: Mapping[int, int], table: _Table) -> int:
    """The split that this group brings nearest to its quotas; the emptiest of equals."""

    def cost(split: int) -> tuple[int, float, int]:
        change, room = 0, 0.0
        for label, n in sizes.items():
            wanted = table.want[label][split]
            missing = wanted - table.have[label][split]
            change += abs(missing - n) - abs(missing)
            room += n * missing / max(1, wanted)
            if SPLITS[split] != TRAIN and n > 1 and 2 * n > wanted:
                # A test of one or two scenes is no test: at most half a quota from one group.
                change += 2 * n
        return change, -room, split

    return min(table.asked, key=cost)


def _dealt(count: int, want: Sequence[int], have: list[int], asked: Iterable[int]) -> list[int]:
    """The same for `count` groups of one picture each, all of one class; `have` is brought up."""
    places = [(split, max(1, want[split])) for split in asked]
    found = []
    for _ in range(count):
        chosen, least = -1, (True, 0.0)
        for split, wanted in places:
            missing = want[split] - have[split]
            cost = (missing < 1, -(missing / wanted))
            if chosen < 0 or cost < least:
                chosen, least = split, cost
        have[chosen] += 1
        found.append(chosen)
    return found


def _borrow(
    split: int,
    groups: Mapping[int, Mapping[int, int]],
    splits: NDArray[np.int8],
    table: _Table,
) -> None:
    """Move the smallest of `groups`, all open before, into a split that has none of their class.

    The giver must keep something of every class in the group.
    """
    for group in sorted(groups, key=lambda g: (sum(groups[g].values()), splits[g])):
        giver, parts = int(splits[group]), groups[group]
        spares = SPLITS[giver] == VALIDATION or all(
            table.have[label][giver] > n for label, n in parts.items()
        )
        if giver != split and spares:
            for label, n in parts.items():
                table.have[label][giver] -= n
                table.have[label][split] += n
            splits[group] = split
            return
