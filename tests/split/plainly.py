"""The dealer as it is told in words: one object a member, one after the other.

`tellapart.learn.dealing` must give the very same, by columns.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tellapart.learn import similarity
from tellapart.learn.splitting import (
    ASIDE,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Deal,
    Links,
    LinksLike,
    Member,
    Place,
    Shares,
    link_array,
)


@dataclass(slots=True)
class _Group:
    name: str
    rows: list[int]
    split: str | None = None
    reason: str = ""


def deal(members: Sequence[Member], links: LinksLike, shares: Shares) -> Deal:
    """Deal `members` by `shares`; `links` (pairs of positions) hold groups together.

    Members with `before` keep their split: test always; train and validation unless a link now
    joins them to test (then aside) or to each other (then train). Sizes come as near the asked
    fractions, class by class, as whole groups allow; a class of two groups or more gets a test
    picture and keeps a training picture. Independent of the order of `members` and `links`.
    """
    order = sorted(range(len(members)), key=lambda i: (members[i].sha256, members[i].id))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    rows = [members[i] for i in order]
    pairs = rank[link_array(links)]
    settled = _settle(rows, pairs)
    settled += _attach(rows, pairs, settled)
    _fill(rows, settled, shares)
    places = _places(rows, settled)
    return Deal(places, _notes(rows, settled, places))


def _components(rows: Sequence[int], n: int, links: Links) -> list[list[int]]:
    """Positions (of `n`) joined by `links`, both ends of which must lie in `rows`; in order."""
    at = np.full(n, -1, dtype=np.int64)
    at[list(rows)] = np.arange(len(rows))
    inner = at[links]
    inner = inner[(inner >= 0).all(axis=1)]
    parts: dict[int, list[int]] = defaultdict(list)
    for k, root in enumerate(similarity.groups(len(rows), inner).tolist()):
        parts[root].append(rows[k])
    return list(parts.values())


def _settle(rows: Sequence[Member], links: Links) -> list[_Group]:
    """The groups of an earlier deal, with what new links between them change."""
    old = [i for i, row in enumerate(rows) if row.before in SPLITS]
    first: dict[str, int] = {}
    joined = [(first.setdefault(rows[i].group_before or rows[i].sha256, i), i) for i in old]
    groups = []
    for part in _components(old, len(rows), np.concatenate([links, link_array(joined)])):
        splits = {rows[i].before for i in part}
        name = min(rows[i].group_before or rows[i].sha256[:16] for i in part)
        if TEST in splits:
            stay = [i for i in part if rows[i].before == TEST]
            gone = [i for i in part if rows[i].before != TEST]
            groups.append(_Group(name, stay, TEST))
            if gone:
                groups.append(_Group(name, gone, ASIDE, f"linked to test group {name}"))
        else:
            groups.append(_Group(name, part, TRAIN if TRAIN in splits else VALIDATION))
    return groups


def _attach(rows: Sequence[Member], links: Links, settled: Sequence[_Group]) -> list[_Group]:
    """Newcomers, grouped: those linked to one settled split join it, others stay open."""
    home = {i: group for group in settled for i in group.rows}
    fresh = [i for i in range(len(rows)) if i not in home]
    touched: dict[int, list[_Group]] = defaultdict(list)
    is_old = np.zeros(len(rows), dtype=bool)
    is_old[sorted(home)] = True
    crossing = links[is_old[links[:, 0]] != is_old[links[:, 1]]]
    for a, b in crossing.tolist():
        new, old = (b, a) if a in home else (a, b)
        touched[new].append(home[old])
    groups: list[_Group] = []
    merged: list[list[_Group]] = []
    for part in _components(fresh, len(rows), links):
        near = [group for i in part for group in touched.get(i, ())]
        splits = {group.split for group in near}
        if not near:
            groups.append(_Group(min(rows[i].sha256 for i in part)[:16], part))
            continue
        name = min(group.name for group in near)
        if splits <= {TRAIN} or splits <= {VALIDATION}:
            joined = _Group(name, part, next(iter(splits)))
            groups.append(joined)
            merged.append([joined, *near])
            continue
        held = sorted(g.name for g in near if g.split in (TEST, ASIDE))
        reason = f"linked to test group {held[0]}" if held else "joins train and validation"
        groups.append(_Group(held[0] if held else name, part, ASIDE, reason))
    _share_names(merged)
    return groups


def _share_names(merged: Sequence[Sequence[_Group]]) -> None:
    """Groups that a newcomer joins are one group from now on, under the smallest name."""
    changed = True
    while changed:
        changed = False
        for together in merged:
            name = min(group.name for group in together)
            for group in together:
                changed |= group.name != name
                group.name = name


def _fill(rows: Sequence[Member], groups: Sequence[_Group], shares: Shares) -> None:
    """Give each open group a split, large ones first, in an order drawn from the seed."""
    dealt = [g for g in groups if g.split != ASIDE]
    sizes = {id(g): Counter(rows[i].label for i in g.rows) for g in dealt if g.split is None}
    totals = Counter(rows[i].label for g in dealt for i in g.rows)
    want = {label: _quota(n, shares) for label, n in totals.items()}
    have = {label: Counter[str]() for label in totals}
    before = Counter((rows[i].label, g.split) for g in dealt if g.split for i in g.rows)
    for (label, split), n in before.items():
        have[label][split] = n
    opened = sorted((g for g in dealt if g.split is None), key=lambda g: _turn(g, shares.seed))
    for group in opened:
        group.split = _best(sizes[id(group)], want, have, shares)
        for label, n in sizes[id(group)].items():
            have[label][group.split] += n
    for label in sorted(totals):
        for split in (TRAIN, TEST):
            if shares.of(split) > 0 and not have[label][split]:
                _borrow(label, split, opened, sizes, have)


def _turn(group: _Group, seed: int) -> tuple[int, str]:
    """Large groups first (by powers of two, or the last one would spoil the sizes)."""
    drawn = hashlib.sha256(f"{seed}\0{group.name}".encode()).hexdigest()
    return -len(group.rows).bit_length(), drawn


def _quota(n: int, shares: Shares) -> dict[str, int]:
    """Whole pictures a split, by largest remainder."""
    exact = {split: n * shares.of(split) for split in SPLITS}
    quota = {split: int(value) for split, value in exact.items()}
    by_rest = sorted(SPLITS, key=lambda s: (quota[s] - exact[s], SPLITS.index(s)))
    for split in by_rest[: n - sum(quota.values())]:
        quota[split] += 1
    return quota


def _best(
    sizes: Mapping[str, int],
    want: Mapping[str, Mapping[str, int]],
    have: Mapping[str, Mapping[str, int]],
    shares: Shares,
) -> str:
    """The split that this group brings nearest to its quotas; the emptiest of equals."""

    def cost(split: str) -> tuple[int, float, int]:
        change, room = 0, 0.0
        for label, n in sizes.items():
            missing = want[label][split] - have[label].get(split, 0)
            change += abs(missing - n) - abs(missing)
            room += n * missing / max(1, want[label][split])
            if split != TRAIN and n > 1 and 2 * n > want[label][split]:
                # A test of one or two scenes is no test: at most half a quota from one group.
                change += 2 * n
        return change, -room, SPLITS.index(split)

    return min((s for s in SPLITS if s == TRAIN or shares.of(s) > 0), key=cost)


def _borrow(
    label: str,
    split: str,
    opened: Sequence[_Group],
    sizes: Mapping[int, Counter[str]],
    have: Mapping[str, Counter[str]],
) -> None:
    """Move the smallest open group of a class into a split that has none of it.

    The giver must keep something of every class in the group.
    """
    for group in sorted(opened, key=lambda g: (len(g.rows), SPLITS.index(g.split or TRAIN))):
        giver, parts = group.split or TRAIN, sizes[id(group)]
        spares = giver == VALIDATION or all(have[k][giver] > n for k, n in parts.items())
        if label in parts and giver != split and spares:
            for k, n in parts.items():
                have[k][giver] -= n
                have[k][split] += n
            group.split = split
            return


def _places(rows: Sequence[Member], groups: Sequence[_Group]) -> dict[str, Place]:
    return {
        rows[i].id: Place(group.split or TRAIN, group.name, group.reason)
        for group in groups
        for i in group.rows
    }


def _notes(
    rows: Sequence[Member], groups: Sequence[_Group], places: Mapping[str, Place]
) -> list[str]:
    notes = []
    names: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        for i in group.rows:
            names[rows[i].label].add(group.name)
    totals = Counter(row.label for row in rows)
    alone = {label for label, found in names.items() if len(found) == 1}
    for label in sorted(alone):
        if totals[label] == 1:
            notes.append(f"Class {label!r} has one picture: no honest test picture.")
        else:
            notes.append(
                f"Class {label!r} lies in one group of {totals[label]} pictures (the same scene "
                "or source): no honest test picture."
            )
    others = [row for row in rows if row.label not in alone]
    return notes + empty_notes(others, places)


def empty_notes(members: Sequence[Member], places: Mapping[str, Place]) -> list[str]:
    """Say which classes miss train or test."""
    seen: dict[str, set[str]] = defaultdict(set)
    for member in members:
        seen[member.label].add(places[member.id].split)
    return [
        f"Class {label!r} has no picture in {split}."
        for label in sorted(seen)
        for split in (TRAIN, TEST)
        if split not in seen[label]
    ]


def deal_official(
    members: Sequence[Member],
    given: Sequence[str],
    near: LinksLike,
    scenes: LinksLike,
    shares: Shares,
) -> Deal:
    """Keep the splits `given` (one a member; empty counts as train).

    `near` links (near duplicates, given groups) decide what is set aside: a training picture
    linked to validation or test, a validation picture linked to test. Where there is no
    validation or no test part, it is carved out of train, group by group, by the looser `scenes`.
    """
    splits = [split or TRAIN for split in given]
    names = [
        sha[:16]
        for sha in similarity.group_names([member.sha256 for member in members], link_array(near))
    ]
    highest: dict[str, int] = {}
    for name, split in zip(names, splits, strict=True):
        highest[name] = max(highest.get(name, 0), SPLITS.index(split))
    places: dict[str, Place] = {}
    for member, name, split in zip(members, names, splits, strict=True):
        held = SPLITS[highest[name]]
        if held == split:
            places[member.id] = Place(split, name)
        else:
            places[member.id] = Place(ASIDE, name, f"linked to official {held}")
    notes = _aside_notes(places)
    missing = [split for split in (VALIDATION, TEST) if split not in splits]
    if missing:
        notes.append(
            f"The data set brings no {' and no '.join(missing)} split: taken from its train part."
        )
        _carve(members, link_array(scenes), shares, missing, places)
    return Deal(places, notes + empty_notes(members, places))


def _aside_notes(places: dict[str, Place]) -> list[str]:
    aside = sum(place.split == ASIDE for place in places.values())
    if not aside:
        return []
    note = "pictures of the official train or validation part are set aside"
    return [f"{aside} {note}: near duplicates of a later part, or of one group with it."]


def _carve(
    members: Sequence[Member],
    scenes: Links,
    shares: Shares,
    missing: Sequence[str],
    places: dict[str, Place],
) -> None:
    """Deal the training pictures again into train and what is `missing`."""
    inside = [i for i, member in enumerate(members) if places[member.id].split == TRAIN]
    at = np.full(len(members), -1, dtype=np.int64)
    at[inside] = np.arange(len(inside))
    wanted = Shares(
        train=shares.train,
        validation=shares.validation if VALIDATION in missing else 0.0,
        test=shares.test if TEST in missing else 0.0,
        seed=shares.seed,
    )
    linked = at[scenes]
    linked = linked[(linked >= 0).all(axis=1)]
    places.update(deal([members[i] for i in inside], linked, wanted).places)
