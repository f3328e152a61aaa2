"""The step on a real catalog and a real feature cache; the features themselves are made up."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tellapart.catalog import Assignment, Catalog, NewPicture, Verdict
from tellapart.errors import DataError
from tellapart.learn import backbone, features, trained
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import StepContext, train
from tellapart.store.database import open_database

_DIM = 1280
#: Of ten pictures of a class in a row: which split.
_TURN = ["train"] * 7 + ["validation"] + ["test"] * 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder whose backbone is built once for all tests here."""
    home = tmp_path_factory.mktemp("home")
    backbone.embedded(home / "cache")
    return home


@pytest.fixture
def settings(cache: Path) -> Settings:
    return Settings(home=cache, threads=1)


def _sha(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _dice(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int(_sha(*parts)[:16], 16))


class _Bench:
    """A project whose pictures exist as rows and cached features only."""

    def __init__(self, settings: Settings, name: str, **recipe: Any) -> None:
        self.settings, self.name = settings, name
        self.places: dict[str, tuple[str, str]] = {}
        catalog = Catalog.create(open_database(settings), name, {})
        self.context = StepContext(
            settings,
            catalog,
            check({"name": name, "classes": ["a", "b"], **recipe}),
            settings.projects_dir / name,
        )
        net = backbone.embedded(settings.cache_dir)
        self.cache = features.FeatureCache(settings.cache_dir, features.cache_key(net, "squash"))

    def add(self, counts: dict[str, int], *, apart: float = 1.0, splits: list[str] = _TURN) -> None:
        places, vectors = {}, {}
        for label, count in counts.items():
            center = np.abs(_dice(label).normal(size=_DIM))
            for i in range(count):
                sha = _sha(self.name, label, i)
                vectors[sha] = 1 + apart * center + _dice(sha).normal(size=_DIM)
                places[sha] = (label, splits[i % len(splits)])
        self.cache.put(list(vectors), np.stack(list(vectors.values())).astype(np.float32))
        self.insert(places)

    def insert(self, places: dict[str, tuple[str, str]], folder: Path = Path("/gone")) -> None:
        """Rows of `places`: label and split by SHA-256. All are kept, each a group of its own."""
        catalog = self.context.catalog
        catalog.add(
            [
                NewPicture(
                    label=label,
                    source="made",
                    key=sha,
                    path=str(folder / sha),
                    status="ok",
                    sha256=sha,
                )
                for sha, (label, _) in places.items()
            ]
        )
        self.places.update(places)
        rows = catalog.pictures()
        catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
        catalog.save_splits(
            [
                Assignment(id=row.id, split=self.places[row.sha256][1], group=row.sha256[:16])
                for row in rows
            ]
        )

    def change(self, **keys: Any) -> None:
        recipe = self.context.recipe
        chosen = recipe.model_copy(update={"train": recipe.train.model_copy(update=keys)})
        self.context = replace(self.context, recipe=chosen)

    def test_accuracy(self) -> float:
        rows = self.context.catalog.pictures(split="test")
        vectors, missing = self.cache.get([row.sha256 for row in rows])
        assert not missing
        model = trained.load(self.context.work)
        answers = model.head.probabilities(vectors).argmax(axis=1)
        return float(
            np.mean([model.classes[a] == r.label for a, r in zip(answers, rows, strict=True)])
        )

    def bytes(self) -> bytes:
        return (self.context.work / trained.HEAD).read_bytes()


def test_it_trains_on_train_and_stores_what_the_next_steps_need(settings: Settings) -> None:
    bench = _Bench(settings, "plain")
    bench.add({"a": 60, "b": 40})
    seen: list[str] = []
    bench.context = replace(bench.context, progress=lambda p: seen.append(p.step))
    result = train.run(bench.context)
    assert bench.test_accuracy() > 0.95 and set(seen) == {"train"}
    assert result["pictures"] == {
        "a": {"train": 42, "validation": 6},
        "b": {"train": 28, "validation": 4},
    }
    assert result["validation"]["n"] == 10 and result["notes"] == []
    model = trained.load(bench.context.work)
    assert model.classes == ("a", "b") and model.bank.shape == (70, _DIM)
    facts = json.loads((bench.context.work / trained.FACTS).read_text("utf-8"))
    assert facts["backbone"]["name"] == "tf_efficientnet_lite0" and facts["C"] == result["C"]
    assert str(settings.home) not in json.dumps(facts)
    # Far-off features are refused, most own ones are not.
    strange = np.random.default_rng(5).normal(size=(50, _DIM))
    own, _ = bench.cache.get([r.sha256 for r in bench.context.catalog.pictures(split="test")])
    assert model.refuses(strange).all() and model.refuses(own).mean() <= 0.15
    assert bench.context.catalog.finished("train") == result


def test_it_does_nothing_twice_and_the_same_again(settings: Settings) -> None:
    bench = _Bench(settings, "again")
    bench.add({"a": 30, "b": 30})
    first = train.run(bench.context)
    made, when = bench.bytes(), (bench.context.work / trained.HEAD).stat().st_mtime_ns
    assert train.run(bench.context) == first
    assert (bench.context.work / trained.HEAD).stat().st_mtime_ns == when
    # Cut off between the file and the ledger, or with the file gone or broken.
    bench.context.catalog.finish("train", "another", {})
    assert train.run(bench.context) == first and bench.bytes() == made
    (bench.context.work / trained.HEAD).write_bytes(made[:1000])
    assert train.run(bench.context) == first and bench.bytes() == made


def test_the_order_of_arrival_and_the_projects_name_change_nothing(settings: Settings) -> None:
    made = []
    for name, turned in (("one-way", False), ("the-other", True)):
        bench = _Bench(settings, name)
        bench.name = "same"  # the same pictures
        counts = {"a": 30, "b": 30}
        bench.add(dict(reversed(counts.items())) if turned else counts)
        train.run(bench.context)
        made.append(bench.bytes())
    assert made[0] == made[1]


def test_validation_and_test_have_no_part_in_the_head(settings: Settings) -> None:
    heads = []
    for name, lie in (("honest", False), ("lying", True)):
        bench = _Bench(settings, name)
        bench.name = "held"
        bench.add({"a": 40, "b": 40})
        if lie:
            for row in bench.context.catalog.pictures():
                if row.split in ("test", "validation"):
                    bench.context.catalog.relabel(row.id, "b" if row.label == "a" else "a")
        train.run(bench.context)
        heads.append(trained.load(bench.context.work).head)
    assert np.array_equal(heads[0].weight, heads[1].weight)
    assert heads[0].temperature == heads[1].temperature


def test_a_changed_refusal_keeps_the_head(settings: Settings) -> None:
    bench = _Bench(settings, "refusal")
    bench.add({"a": 80, "b": 80})
    train.run(bench.context)
    before = trained.load(bench.context.work)
    bench.change(refuse=0.2)
    result = train.run(bench.context)
    after = trained.load(bench.context.work)
    assert np.array_equal(before.head.weight, after.head.weight)
    assert after.min_familiarity > before.min_familiarity and not result["warm"]
    assert after.facts["cross_validation"] == before.facts["cross_validation"] != []
    bench.change(C=0.5)
    assert train.run(bench.context)["C"] == 0.5


def test_small_sets_are_fitted_anew_and_large_ones_go_on(settings: Settings) -> None:
    small = _Bench(settings, "small")
    small.add({"a": 60, "b": 60})
    train.run(small.context)
    victim = small.context.catalog.pictures(label="a", split="train")[0]
    small.context.catalog.relabel(victim.id, "b")
    assert train.run(small.context)["warm"] is False
    large = _Bench(settings, "large")
    large.add({"a": 1600, "b": 1600}, apart=0.2)
    assert train.run(large.context)["warm"] is False
    cold = trained.load(large.context.work)
    victims = large.context.catalog.pictures(label="a", split="train")
    large.context.catalog.relabel(victims[0].id, "b")
    assert train.run(large.context)["warm"] is True
    assert trained.load(large.context.work).head.C == cold.head.C
    assert large.test_accuracy() > 0.9
    # It does not matter on which way a change was made, and one taken back leaves no trace.
    at_once = large.bytes()
    large.context.catalog.relabel(victims[1].id, "b")
    train.run(large.context)
    large.context.catalog.relabel(victims[1].id, "a")
    assert train.run(large.context)["warm"] is True
    assert large.bytes() == at_once
    large.context.catalog.relabel(victims[0].id, "a")
    assert train.run(large.context)["warm"] is False
    assert trained.load(large.context.work).sha256 == cold.sha256
    large.context.catalog.relabel(victims[0].id, "b")
    train.run(large.context)
    assert large.bytes() == at_once
    # Many changes are too many, though each step of them was small.
    for victim in victims[1:30]:
        large.context.catalog.relabel(victim.id, "b")
    assert train.run(large.context)["warm"] is False


def test_twins_of_an_official_split_do_not_count_as_unseen(settings: Settings) -> None:
    """Without the scenes joined in, every held-out picture would have its twin in the bank."""
    losses = []
    for name, official in (("flattered", False), ("true", True)):
        bench = _Bench(settings, name, train={"C": 100})
        bench.name = "twins"
        bench.add({"a": 40, "b": 40}, apart=0.0)
        rows = bench.context.catalog.pictures(split="train")
        first, _ = bench.cache.get([row.sha256 for row in rows])
        # Each picture's twin: the same features, moved by a hair.
        twins = [_sha("twin", row.sha256) for row in rows]
        bench.cache.put(twins, first + np.float32(1e-3))
        bench.insert({sha: (row.label, "train") for sha, row in zip(twins, rows, strict=True)})
        bench.context.catalog.finish("split", "x", {"official": official})
        train.run(bench.context)
        [tried] = trained.load(bench.context.work).facts["cross_validation"]
        losses.append(tried["accuracy"])
    assert losses[0] > 0.9 and losses[1] < 0.75


def test_a_class_without_pictures_and_files_that_are_gone_are_said(settings: Settings) -> None:
    empty = _Bench(settings, "empty", classes=["a", "b", "c"])
    empty.add({"a": 20, "b": 20})
    with pytest.raises(DataError, match="class 'c' there is no picture to learn from"):
        train.run(empty.context)
    assert not (empty.context.work / trained.HEAD).exists()
    gone = _Bench(settings, "gone")
    gone.add({"a": 20, "b": 20})
    gone.insert({_sha("never seen"): ("a", "train")})
    with pytest.raises(DataError, match="cannot be read any more"):
        train.run(gone.context)


def test_classes_of_one_and_two_pictures_are_learned_with_a_note(settings: Settings) -> None:
    bench = _Bench(settings, "tiny")
    bench.add({"a": 1, "b": 2}, splits=["train"])
    result = train.run(bench.context)
    assert [note.split(" to learn")[0] for note in result["notes"]] == [
        "Class 'a' has 1 picture",
        "Class 'b' has 2 pictures",
    ]
    assert result["validation"] == {"n": 0}


def test_features_that_are_missing_are_extracted(settings: Settings, tmp_path: Path) -> None:
    bench = _Bench(settings, "real")
    colors = {"a": (200, 30, 30), "b": (30, 30, 200)}
    places = {}
    for label, color in colors.items():
        for i in range(6):
            pixels = np.clip(_dice(label, i).normal(color, 20, size=(40, 40, 3)), 0, 255)
            out = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
            sha = hashlib.sha256(out.getvalue()).hexdigest()
            (tmp_path / sha).write_bytes(out.getvalue())
            places[sha] = (label, "train" if i < 4 else "test")
    bench.insert(places, tmp_path)
    train.run(bench.context)
    vectors, missing = bench.cache.get(
        [sha for sha, (_, split) in places.items() if split == "train"]
    )
    assert not missing and np.isfinite(vectors).all()
    model = trained.load(bench.context.work)
    assert (model.head.probabilities(vectors).argmax(axis=1) == [0] * 4 + [1] * 4).all()
