"""The shapes in which the stand-in service answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks.standin.people import Person


def rec(person: Person, number: int, host: str) -> dict[str, Any]:
    photos = [
        {
            "id": f"photo-{i}",
            "url": f"{host}{path}",
            "processedFiles": [
                {"url": f"{host}{path}", "width": 640, "height": 800},
                {"url": f"{host}{path}?small", "width": 84, "height": 106},
            ],
        }
        for i, path in enumerate(paths(person))
    ]
    photos += [{"id": f"far-{i}", "url": url} for i, url in enumerate(person.elsewhere)]
    user: dict[str, Any] = {
        "_id": person.ref,
        "name": person.name,
        "bio": person.bio,
        "gender": 1,
        "photos": photos,
        "jobs": [{"title": {"name": "Baker"}, "company": {"name": "Bread"}}],
        "schools": [{"name": "School of Bread"}],
    }
    if person.birth_date is not None:
        user["birth_date"] = person.birth_date
    user |= person.says
    # `...` takes a key away.
    user = {name: value for name, value in user.items() if value is not ...}
    return {
        "type": "user",
        "distance_mi": person.distance_mi,
        "s_number": number,
        "content_hash": "h",
        "user": user,
    }


def tinder_answer(action: str, match: bool, likes: int, supers: int) -> dict[str, Any]:
    if action == "pass":
        return {"status": 200}
    said: Any = {"_id": "m", "is_boost_match": False} if match else False
    answer: dict[str, Any] = {"match": said, "likes_remaining": likes}
    if action == "super_like":
        answer |= {"status": 200, "super_likes": {"remaining": supers}}
    return answer


def tinder_match(person: Person | None, ref: str, at: float) -> dict[str, Any]:
    return {
        "_id": f"me{ref}",
        "created_date": iso(at) + "Z",
        "person": {"_id": ref, "name": person.name if person is not None else ""},
        "messages": [{"message": "words that are none of the program's business"}],
    }


def paths(person: Person) -> list[str]:
    return [f"/pictures/{person.ref}/{i}.jpg" for i in range(len(person.words))]


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def candidate(person: Person) -> dict[str, Any]:
    """A candidate of the deck protocol."""
    said = {
        "id": person.ref,
        "name": person.name,
        "bio": person.bio,
        "birth_date": person.birth_date,
        "distance_mi": person.distance_mi,
        "pictures": [*(f"../..{path}" for path in paths(person)), *person.elsewhere],
        "fields": {"jobs": ["baker"]},
        **person.says,
    }
    return {name: value for name, value in said.items() if value is not ...}
