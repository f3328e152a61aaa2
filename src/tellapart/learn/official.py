"""Honor the split that a data set brings, and keep its test pictures' twins out of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart.learn import dealing, similarity, splitting
from tellapart.learn.dealing import Members, Places, empty_notes, link_array
from tellapart.learn.sharing import ASIDE, PARTS, SPLITS, TEST, TRAIN, VALIDATION, Shares


def deal_official(
    members: Sequence[splitting.Member],
    given: Sequence[str],
    near: splitting.LinksLike,
    scenes: splitting.LinksLike,
    shares: Shares,
) -> splitting.Deal:
    """Deal members that are objects as `deal` does; `given`: their splits, empty for train."""
    splits = np.array([SPLITS.index(split or TRAIN) for split in given], dtype=np.int8)
    places = deal(splitting.columns_of(members), splits, near, scenes, shares)
    return splitting.placed(members, places)


def deal(
    members: Members,
    given: NDArray[np.int8],
    near: dealing.LinksLike,
    scenes: dealing.LinksLike,
    shares: Shares,
) -> Places:
    """Keep the splits `given` (n,), as places in `SPLITS`.

    `near` links (near duplicates, given groups) decide what is set aside: a training picture
    linked to validation or test, a validation picture linked to test. Where there is no
    validation or no test part, it is carved out of train, group by group, by the looser `scenes`.
    """
    kinds = _smallest(members.contents, link_array(near))
    names = np.empty(int(members.contents.max(initial=-1)) + 1, dtype=members.names.dtype)
    names[members.contents] = members.names
    highest = np.zeros(len(names), dtype=np.int8)
    np.maximum.at(highest, kinds, given)
    held = highest[kinds]
    aside = held != given
    splits = np.where(aside, PARTS.index(ASIDE), given).astype(np.int8)
    reasons = {
        place: f"linked to official {SPLITS[held[place]]}"
        for place in np.flatnonzero(aside).tolist()
    }
    places = Places(splits, names[kinds], reasons)
    if reasons:
        places.notes.append(
            f"{len(reasons)} pictures of the official train or validation part are set aside: near "
            "duplicates of a later part, or of one group with it."
        )
    missing = [s for s in (VALIDATION, TEST) if not (given == SPLITS.index(s)).any()]
    if missing:
        places.notes.append(
            f"The data set brings no {' and no '.join(missing)} split: taken from its train part."
        )
        _carve(members, link_array(scenes), shares, missing, places)
    places.notes += empty_notes(members, places)
    return places


def _smallest(contents: NDArray[np.int64], links: dealing.Links) -> NDArray[np.int64]:
    """For each member the first content of its group."""
    roots = similarity.groups(len(contents), links)
    least = contents.copy()
    np.minimum.at(least, roots, contents)
    return least[roots]


def _carve(
    members: Members,
    scenes: dealing.Links,
    shares: Shares,
    missing: Sequence[str],
    places: Places,
) -> None:
    """Deal the training pictures again into train and what is `missing`."""
    inside = np.flatnonzero(places.splits == SPLITS.index(TRAIN))
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
    found = dealing.deal(members.at(inside), linked, wanted)
    groups = np.promote_types(places.groups.dtype, found.groups.dtype)
    places.groups = places.groups.astype(groups)
    places.splits[inside], places.groups[inside] = found.splits, found.groups
    places.reasons.update({int(inside[place]): why for place, why in found.reasons.items()})
