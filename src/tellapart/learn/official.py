"""Honor the split that a data set brings, and keep its test pictures' twins out of training."""

from __future__ import annotations

from collections.abc import Sequence

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
    deal,
    empty_notes,
    link_array,
)


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
