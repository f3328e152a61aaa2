"""Split: deal the kept pictures into train, validation and test, group by group.

A group is what must not be torn apart: near duplicates, pictures of one scene by their features,
pictures of one page, and groups that the data set brings. Test pictures stay test pictures.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import Assignment
from tellapart.catalog.columns import Columns, Words, name_of, read
from tellapart.errors import DataError
from tellapart.learn import dealing, nearness, official, sharing, splitting
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.plainly import is_plain
from tellapart.steps.split.links import (
    Contents,
    feature_key,
    given_links,
    hash_links,
    picture_links,
)
from tellapart.steps.sweeping import sweeping

STEP = "split"
PLAIN = (
    "Dealt without features: near duplicates by their hash alone hold together, pictures of one "
    "scene do not (name a column of scenes: split.group_by)."
)
#: Raise it whenever the same pictures would be dealt otherwise.
VERSION = 1
#: What a deal depends on, and what it is compared with.
_COLUMNS = (*("id", "label", "sha256", "page_url", "group_hint", "split_hint", "split", "group"),)
_ASIDE = sharing.PARTS.index(sharing.ASIDE)


def run(context: StepContext) -> dict[str, Any]:
    """Split the kept pictures; return counts by split and class, groups, and notes.

    Raises `DataError` for fewer than two classes and for a class of one picture, and, after the
    splits are stored, where no class has a test picture.
    """
    if context.recipe.data_kind != "pictures":
        from tellapart.steps.split import rows as of_rows

        return of_rows.run(context)
    if context.recipe.from_project is not None:
        from tellapart.steps.split import taken

        return taken.run(context)
    with sweeping():
        return _run(context)


def _run(context: StepContext) -> dict[str, Any]:
    plain = is_plain(context)
    # Features are looked at by their files' paths; of very many, those are not in memory.
    names = _COLUMNS if plain else (*_COLUMNS, "path")
    rows = read(context.catalog, names, status="ok", kept=True)
    _require_classes(context, rows)
    rules = _rules(context, rows)
    inputs = _inputs(context, rows, rules)
    done = context.catalog.finished(STEP, inputs)
    if done is not None:
        return done
    context.progress(Progress(STEP, 0, len(rows), "grouping"))
    last = context.catalog.finished(STEP) or {}
    again = last.get("rules") == rules
    places, brought = _deal(context, rows, keep_old=again)
    _save(context, rows, places, keep_old=again)
    notes = list(places.notes)
    if last and not again:
        notes.insert(0, "Split anew: seed, fractions or grouping rules of the recipe have changed.")
    result = {**_summary(rows, places), "official": brought, "rules": rules, "notes": notes}
    _require_test(context, result)
    context.catalog.finish(STEP, inputs, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _rules(context: StepContext, rows: Columns) -> str:
    """What was asked for: while it is the same, what was dealt stays."""
    chosen = context.recipe.split.model_dump(mode="json")
    return fingerprint([VERSION, context.recipe.seed, chosen, _is_official(context, rows)])


def _inputs(context: StepContext, rows: Columns, rules: str) -> str:
    curate = context.recipe.curate
    plain = {"plain": True} if is_plain(context) else {}
    order = np.argsort(rows.ids)
    digest = hashlib.sha256(np.ascontiguousarray(rows.ids[order]).tobytes())
    digest.update(np.ascontiguousarray(rows.shas[order]).tobytes())
    for name in ("label", "page_url", "group_hint", "split_hint"):
        number, names = _ranked(rows.words(name))
        digest.update(fingerprint(names).encode())
        digest.update(number[order].tobytes())
    return fingerprint(
        {
            **plain,
            "rules": rules,
            "near": [
                curate.near_duplicate_bits,
                curate.near_duplicate_cosine,
                curate.near_duplicate_likeness,
            ],
            "features": feature_key(context),
            "pictures": digest.hexdigest(),
        }
    )


def _ranked(words: Words) -> tuple[NDArray[np.int64], list[str]]:
    """The words there are, by alphabet, and for each place the number of its word."""
    there = np.flatnonzero(np.bincount(words.codes, minlength=len(words.names)))
    names = [words.names[code] for code in there.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    number = np.zeros(len(words.names), dtype=np.int64)
    number[there[order]] = np.arange(len(order))
    return number[words.codes], [names[at] for at in order]


def _is_official(context: StepContext, rows: Columns) -> bool:
    """Whether the data set brings a split worth the name: something held out of train."""
    hints = rows.words("split_hint")
    held_out = hints.are(sharing.VALIDATION) | hints.are(sharing.TEST)
    return context.recipe.split.official and bool(held_out.any())


def _deal(context: StepContext, rows: Columns, *, keep_old: bool) -> tuple[dealing.Places, bool]:
    asked = context.recipe.split
    shares = sharing.Shares(asked.train, asked.validation, asked.test, context.recipe.seed)
    contents = Contents.among(rows)
    members = _members(rows, contents, keep_old=keep_old)
    plain = is_plain(context)
    given, notes = given_links(rows, contents)
    if plain:
        notes.append(PLAIN)
    near, alike = hash_links(context, contents) if plain else picture_links(context, rows, contents)
    close = np.concatenate([given, near.rows])
    scenes, more = close[:0], list[str]()
    if not plain:
        labels = list(rows.words("label").each())
        scenes, more = nearness.scenes_apart(alike, close, labels, asked.scene_cosine)
    loose = np.concatenate([close, scenes])
    given_split = _is_official(context, rows)
    if given_split:
        splits = _coded(rows.words("split_hint"), lacking=0)
        places = official.deal(members, splits, close, loose, shares)
    else:
        places = dealing.deal(members, loose, shares)
        if aside := int((places.splits == _ASIDE).sum()):
            places.notes.append(
                f"{aside} new pictures are set aside from training: they are linked to pictures "
                "of an earlier test or validation part."
            )
    places.notes += [*notes, *more]
    if asked.group_by and rows.words("group_hint").are("").all():
        places.notes.append(f"No picture has a value in the column {asked.group_by!r} to group by.")
    return places, given_split


def _members(rows: Columns, contents: Contents, *, keep_old: bool) -> dealing.Members:
    labels, classes = _ranked(rows.words("label"))
    digits = np.frombuffer(_first_letters(contents.shas), f"S{splitting.NAMED}")
    count = len(rows)
    before = _coded(rows.words("split"), lacking=-1)
    return dealing.Members(
        ids=rows.ids,
        labels=labels,
        classes=classes,
        contents=contents.of,
        names=digits[contents.of],
        before=before if keep_old else np.full(count, -1, np.int8),
        groups_before=rows.groups if keep_old else np.zeros(count, "S1"),
    )


def _first_letters(shas: NDArray[np.bytes_]) -> bytes:
    """What contents are called, in hex digits, one after the other."""
    parts = np.ascontiguousarray(shas).view(np.uint8).reshape(len(shas), -1)
    return parts[:, : splitting.NAMED // 2].tobytes().hex().encode()


def _coded(words: Words, *, lacking: int) -> NDArray[np.int8]:
    """Splits as places in `SPLITS`; for anything else, `lacking`."""
    codes = {split: code for code, split in enumerate(sharing.SPLITS)}
    found = np.array([codes.get(name, lacking) for name in words.names], dtype=np.int8)
    return found[words.codes]


def _save(context: StepContext, rows: Columns, places: dealing.Places, *, keep_old: bool) -> None:
    """Store all places.

    A picture that is not kept now has its old place kept for it (until the rules change): one
    set aside for a while comes back to where it was, and no test picture ever comes to train.
    """
    stale = []
    if not keep_old:
        table = read(context.catalog, ("id", "split"))
        dealt = table.ids[~table.words("split").are("")]
        stale = [Assignment(id=name_of(id), split="") for id in np.setdiff1d(dealt, rows.ids)]
    stored = rows.words("split")
    parts = {part: code for code, part in enumerate(sharing.PARTS)}
    codes = np.array([parts.get(name, -1) for name in stored.names], dtype=np.int8)
    changed = (codes[stored.codes] != places.splits) | (rows.groups != places.groups)
    at = np.flatnonzero(changed)
    at = at[np.argsort(rows.ids[at])]
    fresh = [
        Assignment(id=name_of(id), split=sharing.PARTS[split], group=group.decode())
        for id, split, group in zip(
            rows.ids[at].tolist(),
            places.splits[at].tolist(),
            places.groups[at].tolist(),
            strict=True,
        )
    ]
    context.catalog.save_splits([*stale, *fresh])


def _summary(rows: Columns, places: dealing.Places) -> dict[str, Any]:
    labels, classes = _ranked(rows.words("label"))
    kinds = len(sharing.PARTS)
    cells = np.bincount(labels * kinds + places.splits, minlength=len(classes) * kinds)
    counts = cells.reshape(len(classes), kinds)
    sizes = np.unique(places.groups, return_counts=True)[1]
    reasons = Counter(why.split(" group ")[0] for why in places.reasons.values())
    return {
        "splits": _counts(counts.sum(axis=0)),
        "classes": {label: _counts(own) for label, own in zip(classes, counts, strict=True)},
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "largest_group_share": round(int(sizes.max()) / len(rows), 4),
        "aside": dict(sorted(reasons.items())),
    }


def _counts(counts: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip(sharing.PARTS, counts.tolist(), strict=True))


def _require_classes(context: StepContext, rows: Columns) -> None:
    codes, labels = _ranked(rows.words("label"))
    counts, name = np.bincount(codes, minlength=len(labels)), context.catalog.name
    alone = [label for label, count in zip(labels, counts.tolist(), strict=True) if count == 1]
    if len(labels) >= 2:
        if alone:
            raise _only_one(name, alone)
        return
    raise DataError(
        f"Only {labels[0]!r} has kept pictures." if labels else "No picture is kept.",
        expected="kept pictures of at least two classes",
        do=f"Run `tellapart curate {name}` first, or keep some by hand "
        f"(tellapart curate {name} --keep ID).",
    )


def _only_one(name: str, labels: Sequence[str]) -> DataError:
    """One picture cannot both teach and test: whatever a bundle said of its class, nobody knew."""
    more = f" The same holds for {', '.join(map(repr, labels[1:]))}." if labels[1:] else ""
    return DataError(
        f"Of class {labels[0]!r} only one picture is kept.{more}",
        expected="at least two pictures of every class, one to learn from and one to test on; "
        "10 or more are a start",
        do=f"Add pictures, keep some that were set aside (tellapart show {name} --pictures, then "
        f"tellapart curate {name} --keep ID), or leave the class out.",
    )


def _require_test(context: StepContext, result: dict[str, Any]) -> None:
    if result["splits"][sharing.TEST] and result["splits"][sharing.TRAIN]:
        return
    counts = ", ".join(f"{split} {count}" for split, count in result["splits"].items())
    raise DataError(
        f"There is nothing to test on or to train with: {counts}. " + " ".join(result["notes"]),
        expected="at least one class with pictures of two different groups",
        do="Add pictures of other scenes or sources, or raise `split.scene_cosine` in the recipe "
        f"if different scenes were taken for one (tellapart show {context.catalog.name} "
        "--pictures).",
    )
