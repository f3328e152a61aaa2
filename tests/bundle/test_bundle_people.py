"""Where most pictures show faces, every card says what the model must not be used for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tellapart.bundle import card_people
from tellapart.bundle.learned_card import card
from tellapart.bundle.manifest import Manifest

Maker = Callable[..., dict[str, bytes]]


@pytest.mark.parametrize(("found", "said"), [(9, True), (5, False)])
def test_the_card_of_a_network_says_it_too(gray_files: Maker, found: int, said: bool) -> None:
    manifest = json.loads(gray_files()["manifest.json"])
    manifest |= {
        "task": "image-classification",
        "metrics": {"n": 4, "accuracy": 0.75},
        "training": {},
        "data": {
            "samples": 9,
            "included": 0,
            "splits": {"train": dict.fromkeys(manifest["labels"], 3)},
            "licenses": {"unknown": 9},
            "fingerprint": "f",
        },
    }
    manifest["people"] = {"looked": 10, "with_faces": found}
    _, problems = Manifest.parse(json.dumps(manifest).encode())
    assert problems == []
    text = card(manifest)
    assert ("## What it must not be used for" in text) is said
    assert all((use in text) is said for use in card_people.NOT_FOR)
    for word in ("who somebody is", "work, school, housing", "police"):
        assert (word in text) is said
