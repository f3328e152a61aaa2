"""Faces in a picture, upright wherever they stand, and estimates of their age and sex.

Nothing here is kept: who asks decides what becomes of it (docs/people.md).
"""

from __future__ import annotations

from tellapart.learn.faces.age_sex import SexEstimate
from tellapart.learn.faces.estimate import AgeEstimate
from tellapart.learn.faces.people import Face, People

__all__ = ["AgeEstimate", "Face", "People", "SexEstimate"]
