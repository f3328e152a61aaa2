"""Labels by rules: from the folder of a picture and who is to be seen in it to a class.

Nothing is guessed: what a rule cannot tell is in doubt, and the recipe says what becomes of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tellapart.recipe.rules import Rule, Rules

#: The status codes of the older catalog.
NOT_SEEN, SEEN = -2, -1
AGE, MALE, NO_FACE, UNREADABLE, PEOPLE, NO_FACE_TURNED = -3, -4, -5, -6, -7, -8
#: Reasons of pictures that get no label.
NO_BUCKET, NOT_LOOKED_AT, DISQUALIFIED, DOUBT = "no_bucket", "not_seen", "disqualified", "doubt"
_RULES = ("face", "people", "male", "age")
#: All that a rule may say of a picture without a label.
LEFT_OUT = frozenset(
    {NO_BUCKET, NOT_LOOKED_AT}
    | {f"{why}_{rule}" for why in (DISQUALIFIED, DOUBT) for rule in _RULES}
)


class Age(Protocol):
    """One estimated age."""

    def under(self, years: float) -> float:
        """P(age < `years`), by the estimate's own error."""


@dataclass(frozen=True)
class Exact:
    """An age that is taken at its word."""

    years: float

    def under(self, years: float) -> float:
        """0 or 1."""
        return float(self.years < years)


@dataclass(frozen=True)
class Seen:
    """Who is to be seen in a picture, as far as somebody looked."""

    people: int | None
    #: P(at least one of them is male); None: not estimated.
    male: float | None = None
    #: None: not estimated.
    ages: Sequence[Age] | None = None
    #: Whether it was also looked for faces in the turned picture.
    turned: bool = True
    #: The status code with which the older catalog disqualified it, where that is all there is.
    code: int | None = None


@dataclass(frozen=True)
class Labelled:
    """A picture's class by the rules; an empty `label`: it is left out."""

    label: str
    #: The rule that decided, `passed`, or why it is left out.
    rule: str
    #: The older catalog's status code of what was seen.
    code: int = NOT_SEEN


def bucket_of(folder: Sequence[str], buckets: Mapping[str, str], *, anywhere: bool) -> str | None:
    """The bucket in which a picture lies, by the names of its folders from the root on.

    `anywhere`: the bucket's names may stand anywhere in a row (absolute paths of a list), else at
    the beginning. The longest counts, of equals the deepest.
    """
    names = tuple(folder)
    best: tuple[int, int, str] | None = None
    for bucket in buckets:
        parts = tuple(
            part for part in bucket.replace("\\", "/").split("/") if part not in ("", ".")
        )
        starts = range(len(names) - len(parts) + 1) if anywhere else range(1)
        for start in starts:
            if parts and names[start : start + len(parts)] == parts:
                found = (len(parts), start, bucket)
                best = found if best is None or found[:2] > best[:2] else best
    return None if best is None else best[2]


def decide(rules: Rules, bucket: str | None, seen: Seen | None) -> Labelled:
    """The class of one picture that can be read; `seen` None: nobody looked for people."""
    wanted = rules.otherwise if bucket is None else rules.buckets[bucket]
    code = status(rules, seen)
    for rule in rules.order:
        if rule == "bucket":
            if wanted is None:
                return Labelled("", NO_BUCKET, code)
            if wanted == rules.disqualified:
                return Labelled(wanted, "bucket", code)
            continue
        broken = _broken(rules, rule, seen)
        if broken is None:
            if seen is None and rules.doubtful == "leave_out":
                return Labelled("", NOT_LOOKED_AT, code)
            if rules.doubtful == "leave_out":
                return Labelled("", f"{DOUBT}_{rule}", code)
            broken = True
        if broken:
            if rules.disqualified is None:
                return Labelled("", f"{DISQUALIFIED}_{rule}", code)
            return Labelled(rules.disqualified, rule, code)
    return Labelled("", NO_BUCKET, code) if wanted is None else Labelled(wanted, "passed", code)


def status(rules: Rules, seen: Seen | None) -> int:
    """The older catalog's status code: what disqualifies, wherever the picture lies."""
    if seen is None:
        return NOT_SEEN
    if seen.code is not None:
        return seen.code
    for rule in rules.order:
        if rule != "bucket" and _broken(rules, rule, seen):
            face = NO_FACE_TURNED if seen.turned else NO_FACE
            return {"face": face, "people": PEOPLE, "male": MALE, "age": AGE}[rule]
    return SEEN


_BY_CODE: Mapping[int, Rule] = {
    AGE: "age",
    MALE: "male",
    NO_FACE: "face",
    NO_FACE_TURNED: "face",
    PEOPLE: "people",
}


def _broken(rules: Rules, rule: Rule, seen: Seen | None) -> bool | None:
    """Whether a rule disqualifies; None: that cannot be told."""
    if not _is_on(rules, rule):
        return False
    if seen is None:
        return None
    if seen.code is not None:
        return _BY_CODE.get(seen.code) == rule
    if seen.people is None:
        return None
    if rule == "face":
        return seen.people == 0
    if rule == "people":
        few = seen.people < rules.min_people
        return few or bool(rules.max_people and seen.people > rules.max_people)
    if seen.people == 0:
        return False  # nobody is there whose age or sex it could be
    if rule == "male":
        return _sure(rules, seen.male)
    return _age(rules, seen.ages)


def _is_on(rules: Rules, rule: Rule) -> bool:
    return {
        "bucket": True,
        "face": rules.face,
        "people": bool(rules.min_people or rules.max_people),
        "male": rules.fail_on_male,
        "age": bool(rules.min_age or rules.max_age),
    }[rule]


def _age(rules: Rules, ages: Sequence[Age] | None) -> bool | None:
    """Any age out of range, as far as the estimates' errors let that be told."""
    if ages is None:
        return None
    answers = []
    for age in ages:
        young = age.under(rules.min_age) if rules.min_age else 0.0
        # The highest age allowed is allowed.
        above = math.nextafter(rules.max_age, math.inf)
        old = 1 - age.under(above) if rules.max_age else 0.0
        answers.append(_sure(rules, max(young, old)))
    if any(answers):
        return True
    return None if None in answers else False


def _sure(rules: Rules, probability: float | None) -> bool | None:
    if probability is None:
        return None
    if probability >= rules.sure:
        return True
    return False if probability <= 1 - rules.sure else None
