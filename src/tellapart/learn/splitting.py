"""Deal pictures into train, validation and test: grouped, stratified, seeded, and stable.

Pictures of one group never cross a split. What is once in test stays there; a newcomer linked to
it is set `aside`, so that no test picture was ever seen in training by way of its twin. Members
are objects here; very many are dealt as columns by `dealing`, which does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tellapart.learn import dealing
from tellapart.learn.dealing import Links, LinksLike, link_array
from tellapart.learn.sharing import ASIDE, PARTS, SPLITS, TEST, TRAIN, VALIDATION, Shares

__all__ = [
    "ASIDE",
    "PARTS",
    "SPLITS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Deal",
    "Links",
    "LinksLike",
    "Member",
    "Place",
    "Shares",
    "columns_of",
    "deal",
    "link_array",
    "placed",
]

#: Letters of a content that name a group.
NAMED = 16


@dataclass(frozen=True, slots=True)
class Member:
    """One picture to be dealt."""

    id: str
    label: str
    #: Content; names groups and orders them, so that paths and machines change nothing.
    sha256: str
    #: Its split in an earlier deal, or None.
    before: str | None = None
    #: The name of its group in that deal.
    group_before: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture went, with the name of its group."""

    split: str
    group: str
    #: Why it is aside; empty otherwise.
    reason: str = ""


@dataclass
class Deal:
    """The outcome: a place for every member, and what a person should know."""

    places: dict[str, Place] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def deal(members: Sequence[Member], links: LinksLike, shares: Shares) -> Deal:
    """Deal `members` by `shares`, as `dealing.deal` does; `links` are pairs of positions."""
    return placed(members, dealing.deal(columns_of(members), links, shares))


def columns_of(members: Sequence[Member]) -> dealing.Members:
    """Members as columns."""
    labels = [member.label for member in members]
    classes = sorted(set(labels))
    number = {label: place for place, label in enumerate(classes)}
    shas = [member.sha256 for member in members]
    rank = {sha: place for place, sha in enumerate(sorted(set(shas)))}
    code = {split: place for place, split in enumerate(SPLITS)}
    groups = [(member.group_before or "").encode() for member in members]
    return dealing.Members(
        ids=np.array([member.id for member in members], dtype=np.str_),
        labels=np.array([number[label] for label in labels], dtype=np.int64),
        classes=classes,
        contents=np.array([rank[sha] for sha in shas], dtype=np.int64),
        names=np.array([sha[:NAMED].encode() for sha in shas], dtype=np.bytes_),
        before=np.array([code.get(member.before or "", -1) for member in members], dtype=np.int8),
        groups_before=np.array(groups, dtype=np.bytes_),
    )


def placed(members: Sequence[Member], places: dealing.Places) -> Deal:
    """Places by the members' ids."""
    found = {
        member.id: Place(PARTS[split], group.decode(), places.reasons.get(at, ""))
        for at, (member, split, group) in enumerate(
            zip(members, places.splits.tolist(), places.groups.tolist(), strict=True)
        )
    }
    return Deal(found, places.notes)
