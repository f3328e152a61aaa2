"""Policies: how a deck decides, checked, applied to one candidate, and explained.

Pure: it reads a policy's file and nothing else, keeps nothing and asks no model but by the eyes it
is given.
"""

from tellapart.policy.adults import ADULT, declared_adult
from tellapart.policy.checking import check
from tellapart.policy.deciding import decide, decide_as_told, seed_of, unreadable
from tellapart.policy.describing import changes, describe, schema, template
from tellapart.policy.facts import (
    ACTS,
    Action,
    AgeEstimate,
    Decision,
    Eyes,
    Facts,
    Judged,
    Standing,
)
from tellapart.policy.reading import parse, read
from tellapart.policy.replaying import Difference, Recorded, Replayed, replay
from tellapart.policy.schema import Policy
from tellapart.policy.texts import RULES

__all__ = [
    "ACTS",
    "ADULT",
    "RULES",
    "Action",
    "AgeEstimate",
    "Decision",
    "Difference",
    "Eyes",
    "Facts",
    "Judged",
    "Policy",
    "Recorded",
    "Replayed",
    "Standing",
    "changes",
    "check",
    "decide",
    "decide_as_told",
    "declared_adult",
    "describe",
    "parse",
    "read",
    "replay",
    "schema",
    "seed_of",
    "template",
    "unreadable",
]
