"""People are judged only as adults: what no policy, no setting and no chance gets around.

Before anything else the declared age; after everything else the ages estimated from the pictures.
A declared age may admit, an estimate may only refuse. Nothing here takes a policy.
"""

from __future__ import annotations

import math

from tellapart.errors import Interrupted
from tellapart.policy.facts import ACTS, Decision, Eyes, Facts
from tellapart.policy.texts import reason

#: Years from which on people are judged; a duty, not a setting.
ADULT = 18


def declared_adult(facts: Facts) -> bool:
    """Whether the declared age is a number and 18 or more."""
    age: object = facts.age
    return isinstance(age, int | float) and math.isfinite(age) and age >= ADULT


def refused(facts: Facts) -> Decision | None:
    """The refusal of who is not declared an adult: nothing of them may be kept but a count."""
    if declared_adult(facts):
        return None
    return Decision("leave", "adult", reason("adult"))


def guarded(decision: Decision, eyes: Eyes) -> Decision:
    """`decision`, or its handing over to a person where an estimate is not clearly adult."""
    if decision.action not in ACTS:
        return decision
    try:
        ages = eyes.ages()
        # Whatever is not plainly true is not clear.
        clear = ages is None or all(age.clearly_adult is True for age in ages)
        key = "estimate"
    except Interrupted:
        raise
    except Exception:
        clear, key = False, "estimate_failed"
    if clear:
        return decision
    return Decision(
        "leave",
        "estimate",
        reason(key),
        picture=decision.picture,
        score=decision.score,
        person=True,
    )
