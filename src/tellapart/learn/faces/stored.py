"""Faces as rows that a database keeps, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.learn.faces.age_sex import SexEstimate
from tellapart.learn.faces.estimate import AgeEstimate
from tellapart.learn.faces.people import Face


def to_rows(faces: Sequence[Face]) -> list[dict[str, Any]]:
    """One object a face: `box`, `landmarks`, `confidence`, `angle`; `age` (years, error, bias) and
    `sex` (male or female, probability) where they were estimated."""
    return [
        {
            "box": [round(side, 1) for side in face.box],
            "landmarks": [[round(x, 1), round(y, 1)] for x, y in face.landmarks],
            "confidence": round(face.confidence, 4),
            "angle": round(face.angle, 1),
            **({"age": [face.age.years, face.age.error, face.age.bias]} if face.age else {}),
            **({"sex": [face.sex.sex, face.sex.probability]} if face.sex else {}),
        }
        for face in faces
    ]


def from_rows(rows: Sequence[Mapping[str, Any]]) -> list[Face]:
    """The faces that `to_rows` wrote, to a tenth of a pixel."""
    return [
        Face(
            (row["box"][0], row["box"][1], row["box"][2], row["box"][3]),
            tuple((x, y) for x, y in row["landmarks"]),
            row["confidence"],
            row["angle"],
            AgeEstimate(*row["age"]) if "age" in row else None,
            SexEstimate(*row["sex"]) if "sex" in row else None,
        )
        for row in rows
    ]
