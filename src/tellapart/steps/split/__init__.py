"""Split: deal the kept pictures into train, validation and test, group by group.

A group is what must not be torn apart: near duplicates, pictures of one scene by their features,
pictures of one page, and groups that the data set brings. Test pictures stay test pictures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from tellapart.catalog import Assignment
from tellapart.catalog.columns import Brief, briefs, name_of, read
from tellapart.errors import DataError
from tellapart.learn import nearness, splitting
from tellapart.learn.official import deal_official
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.plainly import is_plain
from tellapart.steps.split.links import feature_key, given_links, hash_links, picture_links
from tellapart.steps.sweeping import sweeping

STEP = "split"
PLAIN = (
    "Dealt without features: near duplicates by their hash alone hold together, pictures of one "
    "scene do not (name a column of scenes: split.group_by)."
)
#: Raise it whenever the same pictures would be dealt otherwise.
VERSION = 1


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
    rows = briefs(context.catalog, status="ok", kept=True)
    _require_classes(context, rows)
    rules = _rules(context, rows)
    inputs = _inputs(context, rows, rules)
    done = context.catalog.finished(STEP, inputs)
    if done is not None:
        return done
    context.progress(Progress(STEP, 0, len(rows), "grouping"))
    last = context.catalog.finished(STEP) or {}
    again = last.get("rules") == rules
    deal, official = _deal(context, rows, keep_old=again)
    _save(context, rows, deal, keep_old=again)
    notes = list(deal.notes)
    if last and not again:
        notes.insert(0, "Split anew: seed, fractions or grouping rules of the recipe have changed.")
    result = {**_summary(rows, deal), "official": official, "rules": rules, "notes": notes}
    _require_test(context, result)
    context.catalog.finish(STEP, inputs, result)
    context.progress(Progress(STEP, len(rows), len(rows)))
    return result


def _rules(context: StepContext, rows: Sequence[Brief]) -> str:
    """What was asked for: while it is the same, what was dealt stays."""
    chosen = context.recipe.split.model_dump(mode="json")
    return fingerprint([VERSION, context.recipe.seed, chosen, _is_official(context, rows)])


def _inputs(context: StepContext, rows: Sequence[Brief], rules: str) -> str:
    curate = context.recipe.curate
    plain = {"plain": True} if is_plain(context) else {}
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
            "pictures": [
                [row.id, row.label, row.sha256, row.page_url, row.group_hint, row.split_hint]
                for row in sorted(rows, key=attrgetter("id"))
            ],
        }
    )


def _is_official(context: StepContext, rows: Sequence[Brief]) -> bool:
    """Whether the data set brings a split worth the name: something held out of train."""
    held_out = {splitting.VALIDATION, splitting.TEST}
    return context.recipe.split.official and any(row.split_hint in held_out for row in rows)


def _deal(
    context: StepContext, rows: Sequence[Brief], *, keep_old: bool
) -> tuple[splitting.Deal, bool]:
    asked = context.recipe.split
    shares = splitting.Shares(asked.train, asked.validation, asked.test, context.recipe.seed)
    members = [
        splitting.Member(
            id=row.id,
            label=row.label,
            sha256=row.sha256,
            before=row.split if keep_old and row.split else None,
            group_before=row.group if keep_old and row.group else None,
        )
        for row in rows
    ]
    plain = is_plain(context)
    given, notes = given_links(rows)
    if plain:
        notes.append(PLAIN)
    near, alike = hash_links(context, rows) if plain else picture_links(context, rows)
    close = np.concatenate([given, near.rows])
    scenes, more = nearness.scenes_apart(
        alike, close, [row.label for row in rows], asked.scene_cosine
    )
    official = _is_official(context, rows)
    if official:
        hints = [row.split_hint for row in rows]
        loose = np.concatenate([close, scenes])
        deal = deal_official(members, hints, close, loose, shares)
    else:
        deal = splitting.deal(members, np.concatenate([close, scenes]), shares)
        aside = sum(place.split == splitting.ASIDE for place in deal.places.values())
        if aside:
            deal.notes.append(
                f"{aside} new pictures are set aside from training: they are linked to pictures "
                "of an earlier test or validation part."
            )
    deal.notes.extend([*notes, *more])
    if asked.group_by and not any(row.group_hint for row in rows):
        deal.notes.append(f"No picture has a value in the column {asked.group_by!r} to group by.")
    return deal, official


def _save(
    context: StepContext, rows: Sequence[Brief], deal: splitting.Deal, *, keep_old: bool
) -> None:
    """Store all places.

    A picture that is not kept now has its old place kept for it (until the rules change): one
    set aside for a while comes back to where it was, and no test picture ever comes to train.
    """
    stale = []
    if not keep_old:
        table = read(context.catalog, ("id", "split"))
        dealt = np.flatnonzero(~table.words("split").are(""))
        names = (name_of(int(id)) for id in table.ids[dealt])
        stale = [Assignment(id=id, split="") for id in names if id not in deal.places]
    known = {row.id: (row.split, row.group) for row in rows}
    fresh = [
        Assignment(id=id, split=place.split, group=place.group)
        for id, place in sorted(deal.places.items())
        if known[id] != (place.split, place.group)
    ]
    context.catalog.save_splits([*stale, *fresh])


def _summary(rows: Sequence[Brief], deal: splitting.Deal) -> dict[str, Any]:
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        classes[row.label][deal.places[row.id].split] += 1
    totals = sum(classes.values(), Counter())
    groups = Counter(place.group for place in deal.places.values())
    reasons = Counter(place.reason.split(" group ")[0] for place in _aside(deal))
    return {
        "splits": _counts(totals),
        "classes": {label: _counts(classes[label]) for label in sorted(classes)},
        "groups": len(groups),
        "largest_group": max(groups.values()),
        "largest_group_share": round(max(groups.values()) / len(rows), 4),
        "aside": dict(sorted(reasons.items())),
    }


def _aside(deal: splitting.Deal) -> Iterator[splitting.Place]:
    return (place for place in deal.places.values() if place.split == splitting.ASIDE)


def _counts(counts: Counter[str]) -> dict[str, int]:
    return {split: counts[split] for split in (*splitting.SPLITS, splitting.ASIDE)}


def _require_classes(context: StepContext, rows: Sequence[Brief]) -> None:
    counts = Counter(row.label for row in rows)
    labels, name = sorted(counts), context.catalog.name
    alone = [label for label in labels if counts[label] == 1]
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
    if result["splits"][splitting.TEST] and result["splits"][splitting.TRAIN]:
        return
    counts = ", ".join(f"{split} {count}" for split, count in result["splits"].items())
    raise DataError(
        f"There is nothing to test on or to train with: {counts}. " + " ".join(result["notes"]),
        expected="at least one class with pictures of two different groups",
        do="Add pictures of other scenes or sources, or raise `split.scene_cosine` in the recipe "
        f"if different scenes were taken for one (tellapart show {context.catalog.name} "
        "--pictures).",
    )
