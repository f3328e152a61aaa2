"""What a change costs: a sixth word, more pictures a class, one label among 10,000 pictures.

Words: `make` against the picture web, which counts requests. Label: the train step on rows and
cached features that are made up (10 clusters of 1,280 dimensions); it reads, fits and writes as
on real ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import main, spread, tellapart, timed
from tellapart.demo.picture_web import PictureWeb

_WORDS = ("apple", "boat", "car", "fish", "house", "star")
_CLASSES, _DIM = 10, 1280


def _make(web: PictureWeb, home: Path, words: tuple[str, ...], per_class: int) -> dict[str, Any]:
    """Run `make` once; the pictures asked for by word, searches, and seconds."""
    before = web.requests.copy()
    environment = {
        **os.environ,
        "TELLAPART_HOME": str(home),
        "TELLAPART_OPENVERSE_URL": web.openverse_url,
        "TELLAPART_COMMONS_URL": web.commons_url,
        "TELLAPART_ALLOW_HOSTS": web.host,
    }
    options = ("--name", "words", "--per-class", str(per_class), "--quiet", "--json")
    seconds, done = timed(tellapart("make", *words, *options), env=environment)
    asked = web.requests - before
    pictures = Counter(
        {web.entries[path].word: 0 for path in web.entries}
        | Counter(web.entries[path].word for path in asked.elements() if path in web.entries)
    )
    return {
        "seconds": round(seconds, 2),
        "version": json.loads(done.stdout.splitlines()[-1])["version"],
        "pictures_asked_for": {word: pictures[word] for word in _WORDS},
        "pictures_asked_for_twice": sum(
            n > 1 for path, n in web.requests.items() if path in web.entries
        ),
    }


def _words(small: bool) -> dict[str, Any]:
    few, more = (12, 16) if small else (60, 80)
    with (
        tempfile.TemporaryDirectory() as temporary,
        PictureWeb(_WORDS, n=more + 10, faults=False) as web,
    ):
        home = Path(temporary)
        return {
            "five_words": _make(web, home, _WORDS[:5], few),
            "the_same_again": _make(web, home, _WORDS[:5], few),
            "a_sixth_word": _make(web, home, _WORDS, few),
            f"per_class_{few}_to_{more}": _make(web, home, _WORDS, more),
        }


def _digest(number: int) -> str:
    return hashlib.sha256(f"picture {number}".encode()).hexdigest()


def _label(small: bool) -> dict[str, Any]:
    from tellapart.catalog import Assignment, Catalog, NewPicture, Verdict
    from tellapart.learn import backbone, features
    from tellapart.recipe import asked, check
    from tellapart.settings import Settings
    from tellapart.steps import open_context, train
    from tellapart.store.database import open_database

    n = 2000 if small else 10_000
    rng = np.random.default_rng(0)
    labels = [f"class {i % _CLASSES}" for i in range(n)]
    centers = np.maximum(rng.normal(size=(_CLASSES, _DIM)), 0)
    noise = rng.normal(size=(n, _DIM))
    vectors = np.maximum(centers[np.arange(n) % _CLASSES] + 1.5 * noise, 0).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(home=Path(temporary))
        classes = sorted(set(labels))
        recipe = check({"name": "many", "classes": classes})
        catalog = Catalog.create(open_database(settings), "many", asked(recipe))
        rows = [
            NewPicture(
                label=label,
                source="openverse",
                file_url=f"https://example.org/{i}.jpg",
                status="ok",
                sha256=_digest(i),
            )
            for i, label in enumerate(labels)
        ]
        catalog.add(rows)
        ids = [catalog.id_of(row) for row in rows]
        catalog.save_verdicts([Verdict(id=id, kept=True) for id in ids])
        # Seven of ten to learn from, one to check on.
        parts = ("train",) * 7 + ("validation",) + ("test",) * 2
        catalog.save_splits(
            [
                Assignment(id=id, split=parts[i // _CLASSES % 10], group=_digest(i)[:16])
                for i, id in enumerate(ids)
            ]
        )
        net = backbone.embedded(settings.cache_dir)
        key = features.cache_key(net, recipe.train.view)
        features.FeatureCache(settings.cache_dir, key).put([_digest(i) for i in range(n)], vectors)

        def step() -> tuple[float, dict[str, Any]]:
            start = time.perf_counter()
            result = train.run(open_context(settings, "many"))
            return time.perf_counter() - start, result

        first, result = step()
        again = []
        for i in range(3 if small else 5):
            catalog.relabel(ids[i * _CLASSES], classes[1 + i])
            seconds, _ = step()
            again.append(seconds)
        nothing, _ = step()
    return {
        "pictures": n,
        "in_training": sum(part["train"] for part in result["pictures"].values()),
        "first_s": round(first, 2),
        "a_label_changed_s": spread(again),
        "nothing_changed_s": round(nothing, 3),
    }


def run(data: Path, small: bool) -> dict[str, Any]:
    return {"words": _words(small), "label": _label(small)}


if __name__ == "__main__":
    main(run)
