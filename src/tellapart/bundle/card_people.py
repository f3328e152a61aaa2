"""What is said where most pictures show people: what a model must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Of the pictures looked at, the share with faces from which these are pictures of people.
MOST = 0.5
LEAD = "Most of its pictures show faces. It must not be used"
NOT_FOR = (
    "to find out or to confirm who somebody is;",
    "to rank or choose people for work, school, housing, credit or insurance;",
    "by police, courts or border guards, or to watch people;",
    "to tell somebody's origin, health, faith, leaning or character, which no face shows;",
    "on children, or to prove that somebody is an adult.",
)
WHY = (
    "Such models err more often on people unlike those that they learned from, and whoever is "
    "judged cannot see it. In many countries some of these uses are against the law."
)


def mostly(people: Mapping[str, Any] | None) -> bool:
    """Whether most pictures show people. `people`: how many were `looked` at, and `with_faces`."""
    if not people or not people.get("looked"):
        return False
    return bool(people["with_faces"] > MOST * people["looked"])


def section(manifest: Mapping[str, Any]) -> str:
    """The card's section on people; empty where most pictures show none."""
    people = manifest.get("people")
    if people is None or not mostly(people):
        return ""
    counted = f"{people['with_faces']:,} of {people['looked']:,} that were looked at"
    lines = ["## What it must not be used for\n", f"{LEAD} ({counted}):\n"]
    return "\n".join([*lines, *(f"- {use}" for use in NOT_FOR), "", WHY, ""])


def seen(given: Mapping[str, Any]) -> str:
    """How the card tells what the model sees of a picture, where it looks for faces."""
    if given.get("view") == "face":
        return (
            " Of each picture the model sees the largest face, upright (found by `faces.onnx`), or "
            "the whole picture where there is none."
        )
    if given.get("view") == "both":
        return (
            " The model sees the whole picture and, below it, the largest face, upright (found by "
            "`faces.onnx`); where there is none, the whole picture twice."
        )
    return ""
