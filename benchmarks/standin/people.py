"""Who is on offer at the stand-in service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(frozen=True)
class Person:
    """One candidate as the service holds it."""

    ref: str
    name: str = "Ada"
    bio: str = ""
    birth_date: str | None = "1995-03-02T00:00:00.000Z"
    distance_mi: float | None = 3.0
    #: What is drawn on its pictures.
    words: tuple[str, ...] = ("apple",)
    likes_back: bool = False
    #: Addresses of pictures elsewhere, after the drawn ones.
    elsewhere: tuple[str, ...] = ()
    #: What a rec's `user` (or a candidate of the protocol) says beside this, or instead of it.
    says: Mapping[str, Any] = field(default_factory=dict)


def crowd(
    n: int, *, seed: int = 0, words: Sequence[str] = ("apple", "boat"), pictures: int = 2
) -> list[Person]:
    """`n` adults; each shows one of `words`, one in three likes back."""
    rng = Random(f"crowd {seed}")
    return [
        Person(
            ref=f"{seed:02x}{i:06x}{rng.getrandbits(64):016x}",
            name=f"{rng.choice(('Ada', 'Bo', 'Cleo', 'Dov', 'Eli', 'Fay'))} {i}",
            bio=rng.choice(("", "Likes walks.", "Coffee and books.", "Here for a week.")),
            birth_date=f"{rng.randint(1970, 2000)}-{rng.randint(1, 12):02}-15T00:00:00.000Z",
            distance_mi=rng.randint(1, 60),
            words=(rng.choice(list(words)),) * pictures,
            likes_back=i % 3 == 0,
        )
        for i in range(n)
    ]
