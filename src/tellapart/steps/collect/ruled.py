"""Labels by rules: which class a picture of one's own has, by its folder and who is to be seen.

Decided anew with every run, from what lies where and what was measured; a class that a person gave
stays.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tellapart import registry
from tellapart.catalog import Outcome, PictureRow
from tellapart.catalog.ruling import Ruled, rule, ruled
from tellapart.doors import Format, Hit
from tellapart.errors import NotFoundError
from tellapart.learn.faces import AgeEstimate
from tellapart.learn.labelling import (
    AGE,
    LEFT_OUT,
    NO_FACE,
    NO_FACE_TURNED,
    NOT_SEEN,
    SEEN,
    UNREADABLE,
    Age,
    Exact,
    Labelled,
    Seen,
    bucket_of,
    decide,
)
from tellapart.recipe import Rules
from tellapart.steps import StepContext
from tellapart.steps.collect.candidates import changed
from tellapart.steps.collect.seeing import see


class Listed(Format):
    """A data set whose classes count for nothing: every picture comes without one.

    `noted` holds what a list says of each picture beside its path.
    """

    name = "listed"

    def __init__(self, find_format: Callable[[Path], Format]) -> None:
        self._find = find_format
        self.noted: dict[str, Mapping[str, str]] = {}

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    def read(self, path: Path) -> Iterator[Hit]:
        """Raises `InputError` as the format of `path` does."""
        inner = registry.load("format", "tree")() if path.is_dir() else self._find(path)
        for hit in inner.read(path):
            problem = "" if hit.problem in {"no_label", "case_clash"} else hit.problem
            if hit.path is None and not problem:
                problem = "not_local"
            if hit.path is not None and hit.columns:
                self.noted[str(hit.path)] = hit.columns
            yield replace(hit, label="", problem=problem, columns=hit.columns)


@dataclass(frozen=True)
class _Pictures:
    """What was found, and where the buckets' names count from."""

    rows: list[PictureRow]
    root: Path
    #: Whether the rows come from a list of absolute paths.
    anywhere: bool


def apply(
    context: StepContext, rules: Rules, noted: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, ...], list[str]]:
    """Give every picture its class by the rules; return the classes, and notes in plain words.

    What gets none becomes `refused`, with the rule as its reason. `noted`: what an older catalog
    says, by path. Raises `NotFoundError` where faces are asked for and cannot be found.
    """
    path = Path(context.recipe.data or "").absolute()
    rows = [row for row in context.catalog.pictures() if _is_open(row)]
    found = _Pictures(rows, path if path.is_dir() else path.parent, not path.is_dir())
    told = {row.id: seen for row in rows if (seen := _noted(rules, noted.get(row.path)))}
    lacking = [row for row in rows if row.id not in told] if rules.asks_faces else []
    said: dict[str, Ruled] = {}
    first = _decided(rules, found, {**told, **dict.fromkeys((r.id for r in lacking), None)})
    # Where the folder decides alone, nobody has to look at the picture.
    wanted = [row for row in lacking if _needs_a_look(rules, first[row.id])]
    notes = []
    try:
        told.update(see(context, rules, wanted))
    except NotFoundError as error:
        if not told:
            raise
        # An older catalog saw most of them: what nobody saw is left out, and said.
        notes.append(f"{len(wanted)} pictures were not looked at: {error.what} {error.do}")
    for id, one in _decided(rules, found, told).items():
        said[id] = Ruled(one.label, one.rule, one.code)
    _store(context, found.rows, said)
    return rules.classes, [*notes, *_notes(rules, said)]


def _is_open(row: PictureRow) -> bool:
    """Whether there is a picture for the rules to decide on."""
    return row.status == "ok" or (row.status == "refused" and row.reason in LEFT_OUT)


def _decided(
    rules: Rules, found: _Pictures, told: Mapping[str, Seen | None]
) -> dict[str, Labelled]:
    buckets: dict[str, str | None] = {}
    decided = {}
    for row in found.rows:
        folder = os.path.dirname(row.path)  # noqa: PTH120 - three hundred thousand of them
        if folder not in buckets:
            names = _names(folder, found)
            buckets[folder] = bucket_of(names, rules.buckets, anywhere=found.anywhere)
        decided[row.id] = decide(rules, buckets[folder], told.get(row.id))
    return decided


def _names(folder: str, found: _Pictures) -> tuple[str, ...]:
    """The folders' names from the data set's root on; of a list's, all of them."""
    place = Path(folder)
    if not found.anywhere:
        place = Path(os.path.relpath(folder, found.root))
    return tuple(part for part in place.parts if part not in (place.anchor, "."))


def _needs_a_look(rules: Rules, first: Labelled) -> bool:
    return first.rule not in {"bucket", "no_bucket"} and rules.asks_faces


def _noted(rules: Rules, columns: Mapping[str, str] | None) -> Seen | None:
    """What an older catalog says of a picture; None: nobody looked, or it could not be read.

    That one called a picture unreadable when the rule on males failed on it: what can be read is
    looked at again.
    """
    if not columns or "num_people" not in columns:
        return None
    code, people = _whole(columns.get("label")), _whole(columns.get("num_people"))
    ages = _ages(rules, columns.get("ages", ""))
    male = _whole(columns.get("male_present"))
    if code is None or code in (NOT_SEEN, UNREADABLE) or code > SEEN:
        return None
    if code in (NO_FACE, NO_FACE_TURNED):
        return Seen(people=0, male=0.0, ages=(), turned=code == NO_FACE_TURNED)
    if people is None or people < 0 or (code == AGE and not ages):
        return Seen(people=None, code=code) if code < SEEN else None
    return Seen(people=people, male=None if male is None else float(bool(male)), ages=ages)


def _ages(rules: Rules, text: str) -> tuple[Age, ...] | None:
    try:
        years = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        return None
    if not rules.age_error:
        return tuple(map(Exact, years)) or None
    return tuple(AgeEstimate(each, rules.age_error) for each in years) or None


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _store(context: StepContext, rows: list[PictureRow], said: Mapping[str, Ruled]) -> None:
    before = ruled(context.catalog)
    labels: dict[str, str] = {}
    changes: list[Outcome] = []
    for row in rows:
        one = said[row.id]
        # Another class than the rules gave is a person's word.
        own = row.id in before and row.label != before[row.id].label
        label = row.label if own else one.label
        if label != row.label:
            labels[row.id] = label
        wanted = ("ok", "") if label else ("refused", one.rule)
        if (row.status, row.reason) != wanted:
            changes.append(changed(row, "ok" if label else "refused", wanted[1]))
    differing = {id: one for id, one in said.items() if before.get(id) != one}
    rule(context.catalog, differing, labels, set(before) - set(said))
    context.catalog.record(changes)


def _notes(rules: Rules, said: Mapping[str, Ruled]) -> list[str]:
    out = Counter(one.rule for one in said.values() if not one.label)
    doubt = sum(number for word, number in out.items() if word.startswith("doubt"))
    notes = []
    if doubt:
        notes.append(
            f"{doubt} pictures are left out because an estimate of age or sex was not sure enough "
            f"({rules.sure:.0%}) to decide."
        )
    if out["no_bucket"]:
        notes.append(f"{out['no_bucket']} pictures lie in none of the folders of `rules.buckets`.")
    if out["not_seen"]:
        notes.append(f"{out['not_seen']} pictures were looked at by nobody and are left out.")
    return notes
