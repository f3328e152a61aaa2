"""What a deal gave, in figures and in words: for pictures and for rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tellapart.errors import DataError
from tellapart.learn import splitting


def same_links(members: Sequence[splitting.Member]) -> splitting.Links:
    """Pairs of members of equal content, each with the first of its kind."""
    first: dict[str, int] = {}
    pairs = [
        (first[member.sha256], i)
        for i, member in enumerate(members)
        if first.setdefault(member.sha256, i) != i
    ]
    return splitting.link_array(pairs)


def summary(
    members: Sequence[splitting.Member], deal: splitting.Deal, classes: Sequence[str]
) -> dict[str, Any]:
    """Counts by split and class, and the groups' sizes."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        counts[member.label][deal.places[member.id].split] += 1
    groups = Counter(place.group for place in deal.places.values())
    largest = max(groups.values(), default=0)
    places = deal.places.values()
    reasons = Counter(p.reason.split(" group ")[0] for p in places if p.split == splitting.ASIDE)
    return {
        "splits": _counts(sum(counts.values(), Counter())),
        "classes": {label: _counts(counts[label]) for label in classes if label in counts},
        "groups": len(groups),
        "largest_group": largest,
        "largest_group_share": round(largest / max(1, len(members)), 4),
        "aside": dict(sorted(reasons.items())),
    }


def notes(
    members: Sequence[splitting.Member], deal: splitting.Deal, *, thing: str, official: bool
) -> list[str]:
    """What a person should know; `thing` is `row` or `picture`."""
    said = []
    aside = sum(place.split == splitting.ASIDE for place in deal.places.values())
    if aside:
        said.append(
            f"{aside} {thing}s are set aside from training: they are equal to, or of one group "
            f"with, {thing}s of the test or validation part."
        )
    if official:
        said.append("The split that the data set brings is kept.")
    seen: dict[str, set[str]] = defaultdict(set)
    for member in members:
        seen[member.label].add(deal.places[member.id].split)
    return said + [
        f"Class {label!r} has no {thing} in {split}: all of its {thing}s are equal or of one group."
        for label in sorted(seen)
        for split in (splitting.TRAIN, splitting.TEST)
        if split not in seen[label]
    ]


def require_test(result: dict[str, Any], thing: str) -> None:
    """Raise `DataError` where there is nothing to learn from or nothing to test on."""
    splits = result["splits"]
    if splits[splitting.TRAIN] and splits[splitting.TEST]:
        return
    counts = ", ".join(f"{split} {count}" for split, count in splits.items())
    raise DataError(
        f"There is nothing to test on or to learn from: {counts}. " + " ".join(result["notes"]),
        expected=f"at least one class with {thing}s of two different groups",
        do=f"Add {thing}s, or leave out `split.group_by` if it joins almost all of them.",
    )


def _counts(counts: Counter[str]) -> dict[str, int]:
    return {split: counts[split] for split in (*splitting.SPLITS, splitting.ASIDE)}
