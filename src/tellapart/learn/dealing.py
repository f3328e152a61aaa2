"""Deal members into train, validation and test by columns: hundreds of thousands in a second.

What holds together is found here; which group goes where, `sharing` decides. `splitting` deals
members that are objects, by the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import similarity
from tellapart.learn.sharing import ASIDE, OPEN, PARTS, SPLITS, TEST, TRAIN, Shares, fill

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))
_ASIDE = PARTS.index(ASIDE)
#: Pairs of positions, shape (m, 2), or what becomes one.
Links = NDArray[np.int64]
LinksLike = Links | Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Members:
    """What is to be dealt: columns of one length n."""

    #: Of equal contents one id decides who comes first; any type that can be sorted.
    ids: NDArray[Any]
    #: Numbers of `classes`.
    labels: NDArray[np.int64]
    #: In alphabetical order.
    classes: Sequence[str]
    #: Rank of the content among the different ones: paths and machines change nothing.
    contents: NDArray[np.int64]
    #: The first letters of the content: what a group is called, in UTF-8.
    names: NDArray[np.bytes_]
    #: Place in `SPLITS` in an earlier deal; -1: in none, or aside.
    before: NDArray[np.int8]
    #: The name of the group in that deal, in UTF-8; empty: not known.
    groups_before: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, places: NDArray[np.int64]) -> Members:
        """The members at `places`, in that order."""
        return Members(
            self.ids[places],
            self.labels[places],
            self.classes,
            self.contents[places],
            self.names[places],
            self.before[places],
            self.groups_before[places],
        )


@dataclass
class Places:
    """The outcome: columns of n, and what a person should know."""

    #: Place in `PARTS`.
    splits: NDArray[np.int8]
    #: Names of groups, in UTF-8.
    groups: NDArray[np.bytes_]
    #: By place, why it is aside.
    reasons: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Groups:
    """`of` (n,): each member's group; the others: one entry a group."""

    of: NDArray[np.int64]
    splits: NDArray[np.int8]
    names: NDArray[np.bytes_]
    reasons: dict[int, str]


def deal(members: Members, links: LinksLike, shares: Shares) -> Places:
    """Deal `members` by `shares`; `links` (pairs of positions) hold groups together.

    Members with `before` keep their split: test always; train and validation unless a link now
    joins them to test (then aside) or to each other (then train). Sizes come as near the asked
    fractions, class by class, as whole groups allow; a class of two groups or more gets a test
    picture and keeps a training picture. Independent of the order of `members` and `links`.
    """
    order = np.lexsort((members.ids, members.contents))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    rows, pairs = members.at(order), rank[link_array(links)]
    groups = _settle(rows, pairs)
    _attach(rows, pairs, groups)
    splits = fill(rows.labels, len(rows.classes), groups.of, groups.splits, groups.names, shares)
    of = groups.of[rank]
    why = groups.reasons
    held = np.flatnonzero(np.isin(of, list(why))).tolist() if why else []
    reasons = {place: why[int(of[place])] for place in held}
    places = Places(splits[of], groups.names[of], reasons)
    places.notes = _notes(members, places)
    return places


def link_array(links: LinksLike) -> Links:
    """Links as an array (m, 2); none at all as (0, 2)."""
    return np.asarray(links, dtype=np.int64).reshape(-1, 2)


def stars(kinds: NDArray[np.int64], places: NDArray[np.int64]) -> Links:
    """Links (m, 2) that join those of `places` (k,) whose `kinds` (k,) are equal: each with the
    first of its kind."""
    order = np.argsort(kinds, kind="stable")
    kinds, places = kinds[order], places[order]
    first = np.ones(len(kinds), dtype=bool)
    first[1:] = kinds[1:] != kinds[:-1]
    hubs = places[np.flatnonzero(first)[np.cumsum(first) - 1]] if len(kinds) else places
    return np.stack([hubs, places], axis=1)[~first]


def _settle(rows: Members, links: Links) -> _Groups:
    """The groups of an earlier deal, with what new links between them change; those of newcomers
    are open yet."""
    old = rows.before >= 0
    alike = links[old[links[:, 0]] == old[links[:, 1]]]
    roots = similarity.groups(len(rows), np.concatenate([alike, _joined(rows, old)]))
    own = np.where(old & (rows.groups_before != b""), rows.groups_before, rows.names)
    has_test, has_train = np.zeros((2, len(rows)), dtype=bool)
    has_test[roots[rows.before == _TEST]] = True
    has_train[roots[rows.before == _TRAIN]] = True
    gone = old & has_test[roots] & (rows.before != _TEST)
    kinds, first, of = np.unique(roots + gone * len(rows), return_index=True, return_inverse=True)
    root = kinds % max(1, len(rows))
    splits = np.where(has_train[root], _TRAIN, _VALIDATION)
    splits = np.where(has_test[root], np.where(gone[first], _ASIDE, _TEST), splits)
    names = _smallest(own, roots)[first]
    reasons = {
        group: f"linked to test group {names[group].decode()}"
        for group in np.flatnonzero(gone[first]).tolist()
    }
    splits = np.where(old[first], splits, OPEN).astype(np.int8)
    return _Groups(of.reshape(-1), splits, names, reasons)


def _joined(rows: Members, old: NDArray[np.bool_]) -> Links:
    """What holds together because it did so in an earlier deal."""
    there = np.flatnonzero(old)
    names = rows.groups_before[there]
    kinds, codes = np.unique(names, return_inverse=True)
    # Of no group's name: the same content is one group.
    alone = len(kinds) + rows.contents[there]
    return stars(np.where(names == b"", alone, codes.reshape(-1)), there)


def _smallest(names: NDArray[np.bytes_], roots: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """For each member the smallest of its group's `names`."""
    several = np.flatnonzero(np.bincount(roots, minlength=len(roots))[roots] > 1)
    kinds, codes = np.unique(names[several], return_inverse=True)
    least = np.full(len(roots), len(kinds), dtype=np.int64)
    np.minimum.at(least, roots[several], codes.reshape(-1))
    found = names.copy()
    found[several] = kinds[least[roots[several]]]
    return found


def _attach(rows: Members, links: Links, groups: _Groups) -> None:
    """Newcomers linked to one settled split join it; those between two are set aside."""
    old = rows.before >= 0
    crossing = links[old[links[:, 0]] != old[links[:, 1]]]
    touched: dict[int, set[int]] = defaultdict(set)
    for a, b in crossing.tolist():
        new, home = (b, a) if old[a] else (a, b)
        touched[int(groups.of[new])].add(int(groups.of[home]))
    joins: list[tuple[int, int]] = []
    found: dict[int, bytes] = {}
    for new, near in touched.items():
        splits = {int(groups.splits[home]) for home in near}
        found[new] = min(bytes(groups.names[home]) for home in near)
        if splits in ({_TRAIN}, {_VALIDATION}):
            groups.splits[new] = splits.pop()
            joins += [(new, home) for home in near]
            continue
        held = [bytes(groups.names[g]) for g in near if groups.splits[g] in (_TEST, _ASIDE)]
        reason = "joins train and validation"
        if held:
            found[new] = min(held)
            reason = f"linked to test group {found[new].decode()}"
        groups.splits[new], groups.reasons[new] = _ASIDE, reason
    for new, name in found.items():
        groups.names[new] = name
    if joins:
        # Groups that a newcomer joins are one group from now on, under the smallest name.
        groups.names = _smallest(groups.names, similarity.groups(len(groups.names), joins))


def _notes(members: Members, places: Places) -> list[str]:
    """What is to be said of classes that lie in one group, and of those that miss a part."""
    labels, count = members.labels, len(members.classes)
    totals = np.bincount(labels, minlength=count)
    first = np.zeros(count, dtype=np.int64)
    first[labels[::-1]] = np.arange(len(labels))[::-1]
    other = labels[places.groups != places.groups[first[labels]]]
    alone = (totals > 0) & (np.bincount(other, minlength=count) == 0)
    notes = []
    for label in np.flatnonzero(alone).tolist():
        name = members.classes[label]
        if totals[label] == 1:
            notes.append(f"Class {name!r} has one picture: no honest test picture.")
        else:
            notes.append(
                f"Class {name!r} lies in one group of {totals[label]} pictures (the same scene "
                "or source): no honest test picture."
            )
    return notes + empty_notes(members, places, ~alone)


def empty_notes(
    members: Members, places: Places, asked: NDArray[np.bool_] | None = None
) -> list[str]:
    """Say which classes, of those `asked` for, miss train or test."""
    seen = np.zeros((len(members.classes), len(PARTS)), dtype=bool)
    seen[members.labels, places.splits] = True
    there = seen.any(axis=1) if asked is None else seen.any(axis=1) & asked
    return [
        f"Class {members.classes[label]!r} has no picture in {SPLITS[split]}."
        for label in np.flatnonzero(there).tolist()
        for split in (SPLITS.index(TRAIN), SPLITS.index(TEST))
        if not seen[label, split]
    ]
