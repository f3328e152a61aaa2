"""The step on a real catalog and a real cache of features; the features themselves are made up."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tellapart.catalog import Assignment, Catalog, NewPicture, Verdict
from tellapart.errors import InputError
from tellapart.learn import backbone, features, stages, trained
from tellapart.learn.ladder import kept, rungs
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import Command, Progress, StepContext, train
from tellapart.steps.train import ladder, reserve
from tellapart.store.database import open_database

#: What gives 112 and 192 features of spread 1 half the length of 1,280, as powers of two.
_SCALES = (2.0, 1.0)
_TURN = ["train"] * 7 + ["validation"] + ["test"] * 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose backbones are built once for all tests here."""
    home = tmp_path_factory.mktemp("home")
    for size in (224, 320, 384):
        backbone.embedded(home / "cache", size)
    return home


@pytest.fixture(autouse=True)
def heads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where torch is not installed, on a machine of known speed."""
    known = reserve.weights.speed

    def speed(net: backbone.Backbone, *others: Any, **more: Any) -> float:
        return 200.0 if net.is_embedded else known(net, *others, **more)

    monkeypatch.setattr(reserve.weights, "speed", speed)
    monkeypatch.setattr(ladder, "is_deep", lambda: False)
    monkeypatch.setattr(rungs, "FILLING", ())
    monkeypatch.setattr(rungs, "MORE_SIZES", (320,))


def _dice(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(repr(parts).encode()).hexdigest()[:16], 16))


@dataclass
class Bench:
    """A project whose pictures exist as rows and cached features of several sizes only."""

    settings: Settings
    name: str
    said: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        catalog = Catalog.create(open_database(self.settings), self.name, {})
        recipe = check({"name": self.name, "classes": ["a", "b"], "effort": "good"})
        self.context = StepContext(
            self.settings,
            catalog,
            recipe,
            self.settings.projects_dir / self.name,
            self.said.append,
            Command(time.monotonic(), ("train",)),
        )

    def add(self, count: int, apart: dict[int, float]) -> None:
        """`count` pictures a class; `apart`: how well each size of pictures tells them."""
        places = {
            hashlib.sha256(f"{self.name}{label}{i}".encode()).hexdigest(): (label, i)
            for label in "ab"
            for i in range(count)
        }
        for size, distance in apart.items():
            net = backbone.embedded(self.settings.cache_dir, size)
            if size == 224:
                self._look(net, places, size, distance, upside=False)
                continue
            folder = self.settings.cache_dir / backbone.FOLDER
            dims = [tap.dim for tap in stages.taps(net)]
            plain = stages.widened(net, [1.0] * len(dims), folder)
            vectors = self._look(plain, places, size, distance, upside=False)
            scaled = stages.widened(net, stages.scales_of(vectors, dims), folder)
            for upside in (False, True):
                self._look(scaled, places, size, distance, upside=upside)
        catalog = self.context.catalog
        catalog.add(
            [
                NewPicture(
                    label=label,
                    source="made",
                    key=sha,
                    path=f"/gone/{sha}",
                    status="ok",
                    sha256=sha,
                )
                for sha, (label, _) in places.items()
            ]
        )
        rows = catalog.pictures()
        catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
        catalog.save_splits(
            [
                Assignment(
                    id=row.id, split=_TURN[places[row.sha256][1] % 10], group=row.sha256[:16]
                )
                for row in rows
            ]
        )

    def _nets(self, size: int) -> Iterator[tuple[backbone.Backbone, NDArray[np.float64]]]:
        """The network, and what scales its features: alone, with its stages, and those scaled."""
        net = backbone.embedded(self.settings.cache_dir, size)
        yield net, np.ones(net.dim)
        for scales in ((1.0, 1.0), _SCALES):
            gain = np.repeat([*scales, 1.0], [tap.dim for tap in stages.taps(net)] + [net.dim])
            yield stages.widened(net, scales, self.settings.cache_dir / backbone.FOLDER), gain

    def _look(
        self,
        net: backbone.Backbone,
        places: dict[str, tuple[str, int]],
        size: int,
        apart: float,
        *,
        upside: bool,
    ) -> np.ndarray:
        """Put made-up features into the cache, the same for a picture and its mirror image.

        Upside down they say nothing at all.
        """
        rows = [
            1
            + (0 if upside else apart) * _dice(label).normal(size=net.dim)
            + _dice(sha, size, upside).normal(size=net.dim)
            for sha, (label, _) in places.items()
        ]
        vectors = np.stack(rows).astype(np.float32)
        for mirrored in (False, True):
            key = features.cache_key(net, "squash", (mirrored, upside))
            space = features.FeatureCache(self.settings.cache_dir, key, net.dim)
            space.put(list(places), vectors)
        return vectors

    def run(self, **recipe: Any) -> dict[str, Any]:
        chosen = self.context.recipe.model_copy(update=recipe)
        command = Command(time.monotonic(), ("train",))
        return train.run(replace(self.context, recipe=chosen, command=command))

    @property
    def rungs(self) -> list[dict[str, Any]]:
        return list(trained.load(self.context.work).facts["ladder"])


@pytest.fixture
def bench(cache: Path) -> Callable[[str], Bench]:
    settings = Settings(home=cache, threads=1)
    return lambda name: Bench(settings, name)


def test_a_dearer_rung_that_tells_better_becomes_the_model(bench: Callable[[str], Bench]) -> None:
    made = bench("better")
    made.add(60, {224: 0.02, 384: 0.3})
    done = made.run()
    first, second = made.rungs[:2]
    assert (first["kept"], second["kept"]) == (True, True)
    assert second["accuracy"] > first["accuracy"]
    assert second["p"] <= 0.05
    model = trained.load(made.context.work)
    assert model.facts["backbone"]["size"] == second["size"] == 384
    assert len(made.rungs) == 2  # one that looks less often has nothing to add
    assert done["finished"]
    assert done["rung"] == model.facts["rung"] == second["rung"]
    assert any("gained" in note for note in done["notes"])
    assert any("[deep]" in note for note in done["notes"])


def test_rungs_within_noise_leave_the_quick_head_as_it_is(bench: Callable[[str], Bench]) -> None:
    made = bench("alike")
    made.add(60, {224: 0.08, 384: 0.0})
    done = made.run()
    assert done["rung"] == made.rungs[0]["rung"]
    assert len(made.rungs) == 3
    model = trained.load(made.context.work)
    assert model.facts["backbone"] == backbone.save(
        made.context.work, backbone.embedded(made.settings.cache_dir)
    )
    assert any("quick head stands" in note for note in done["notes"])


def test_the_first_rung_is_the_quick_head(bench: Callable[[str], Bench]) -> None:
    made = bench("as-quick")
    made.add(40, {224: 0.08, 384: 0.0})
    made.run()
    ours = trained.load(made.context.work)
    made.run(effort="quick")
    quick = trained.load(made.context.work)
    assert "ladder" not in quick.facts
    np.testing.assert_array_equal(ours.weight, quick.weight)
    np.testing.assert_array_equal(ours.bank, quick.bank)
    assert ours.min_familiarity == quick.min_familiarity


def test_finished_it_is_not_climbed_again_and_a_longer_budget_goes_on(
    bench: Callable[[str], Bench],
) -> None:
    made = bench("again")
    made.add(30, dict.fromkeys((224, 320, 384), 0.05))
    made.run()
    head = made.context.work / trained.HEAD
    before = head.read_bytes()
    made.said.clear()
    made.run()
    assert head.read_bytes() == before
    assert not [one for one in made.said if one.signal == "rung"]
    made.run(budget=900.0)  # asked for by name: what seldom pays is tried as well
    climbed = [one.figures["rung"] for one in made.said if one.signal == "rung" and one.figures]
    assert climbed
    assert not set(climbed) & {row["rung"] for row in made.rungs[: -len(climbed)]}
    assert trained.load(made.context.work).facts["budget"] == 900.0


def test_a_stop_request_keeps_what_was_reached_and_the_next_run_goes_on(
    bench: Callable[[str], Bench],
) -> None:
    made = bench("stopped")
    made.add(40, {224: 0.02, 320: 0.0, 384: 0.3})

    def stop_after_two(event: Progress) -> None:
        made.said.append(event)
        if sum(one.signal == "rung" for one in made.said) == 2:
            made.context.stop_file.touch()

    made.context = replace(made.context, progress=stop_after_two)
    done = made.run(budget=900.0)
    assert not done["finished"]
    assert len(made.rungs) == 2
    assert any("stopped" in note for note in done["notes"])
    assert trained.load(made.context.work).facts["backbone"]["size"] == 384
    made.context.stop_file.unlink()
    made.said.clear()
    made.context = replace(made.context, progress=made.said.append)
    done = made.run(budget=900.0)
    assert done["finished"]
    assert len(made.rungs) > 2
    climbed = [one.figures["rung"] for one in made.said if one.signal == "rung" and one.figures]
    assert not {row["rung"] for row in made.rungs[:2]} & set(climbed)


def test_a_killed_ladder_leaves_the_last_rung_and_goes_on(bench: Callable[[str], Bench]) -> None:
    made = bench("killed")
    made.add(40, {224: 0.02, 320: 0.0, 384: 0.3})

    class Killed(BaseException):
        pass

    def die_after_two(event: Progress) -> None:
        made.said.append(event)
        if sum(one.signal == "rung" for one in made.said) == 2:
            raise Killed

    made.context = replace(made.context, progress=die_after_two)
    with pytest.raises(Killed):
        made.run(budget=900.0)
    assert trained.load(made.context.work).facts["backbone"]["size"] == 384
    made.said.clear()
    made.context = replace(made.context, progress=made.said.append)
    assert made.run(budget=900.0)["finished"]
    climbed = [one.figures["rung"] for one in made.said if one.signal == "rung" and one.figures]
    assert len(climbed) == len(made.rungs) - 2


def test_without_time_the_quick_head_alone_is_made(bench: Callable[[str], Bench]) -> None:
    made = bench("hurried")
    made.add(30, dict.fromkeys((224, 320, 384), 0.05))
    done = made.run(budget=0.001)
    assert len(made.rungs) == 1
    assert done["finished"]


def test_the_test_split_has_no_part(bench: Callable[[str], Bench]) -> None:
    made = bench("untouched")
    made.add(40, {224: 0.05, 384: 0.1})
    made.run()
    assert {row["n"] for row in made.rungs} == {64}  # 80 pictures, a fifth of them test
    state = json.loads((made.context.work / kept.FOLDER / "state.json").read_bytes())
    assert [row["rung"] for row in state["rungs"]] == [row["rung"] for row in made.rungs]


def test_the_quick_head_in_between_does_not_lose_the_ladder(bench: Callable[[str], Bench]) -> None:
    made = bench("there-and-back")
    made.add(60, {224: 0.02, 384: 0.3})
    first = made.run()
    assert made.run(effort="quick")["pictures"] == first["pictures"]
    again = made.run()
    facts = trained.load(made.context.work).facts
    assert (facts["rung"], facts["backbone"]["size"]) == (first["rung"], 384)
    assert [note for note in again["notes"] if "gained" in note]
    # The networks are gone altogether: what is said is true of the model that there is.
    shutil.rmtree(made.context.work / backbone.FOLDER)
    for file in (made.settings.cache_dir / backbone.FOLDER).glob("*upside*384*.onnx"):
        file.unlink()
    again = made.run()
    facts = trained.load(made.context.work).facts
    assert (facts["rung"], facts["backbone"]["size"]) == (first["rung"], 384)
    backbone.of(made.context.work, facts, made.settings.cache_dir)


def test_another_threshold_climbs_nothing_anew(bench: Callable[[str], Bench]) -> None:
    made = bench("threshold")
    made.add(60, {224: 0.02, 384: 0.3})
    before = made.run()
    made.said.clear()
    chosen = made.context.recipe.train.model_copy(update={"refuse": 0.2})
    after = made.run(train=chosen)
    assert after["thresholds"] != before["thresholds"]
    assert (after["rung"], after["finished"]) == (before["rung"], True)
    assert not [one for one in made.said if one.signal == "rung"]
    assert after["notes"] == before["notes"]


def test_time_asked_for_is_spent_and_what_is_left_is_said(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "FILLING", (320,))
    monkeypatch.setattr(rungs, "SIZES", (320,))
    monkeypatch.setattr(rungs, "MORE_SIZES", ())
    made = bench("filled")
    made.add(20, {224: 0.0, 320: 0.0})
    done = made.run(budget=900.0)
    names = [row["rung"] for row in made.rungs]
    assert [name for name in names if "320 px" in name and "mirrored" in name]
    assert [name for name in names if name.endswith("320 px, several layers")]
    assert [note for note in done["notes"] if "left over: nothing was left to try" in note]
    kept_for = done["reserve"]
    assert kept_for["seconds"] == 0.0  # no step follows
    assert kept_for["speed"] > 0
    before = len(names)
    done = made.run()  # no time asked for by name: nothing to be filled
    assert len(made.rungs) == before
    assert not [note for note in done["notes"] if "left over" in note]


def test_networks_that_cannot_be_tuned_are_left_out_with_a_note(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("timm")
    from safetensors.numpy import save_file

    save_file({"conv1.weight": np.zeros((1, 1), np.float32)}, tmp_path / "resnet18.safetensors")
    monkeypatch.setattr(ladder, "is_deep", lambda: True)
    monkeypatch.setattr(rungs, "SIZES", (320,))
    monkeypatch.setattr(rungs, "MORE_SIZES", ())
    made = bench("unusable")
    made.add(20, {224: 0.05, 320: 0.05})
    settings = replace(made.settings, weights_dir=tmp_path)
    made.context = replace(made.context, settings=settings)
    done = made.run(budget=900.0)
    assert done["finished"]
    assert {row["kind"] for row in made.rungs} == {"head"}
    untuned = [note for note in done["notes"] if "was not tuned" in note]
    # Of one the pictures are gone, the other's file is none.
    assert [note.split()[0] for note in untuned] == [backbone.NAME, "resnet18"]


@pytest.mark.parametrize("named", [{"devices": 64}, {"device": "mps"}])
def test_devices_that_are_not_here_are_said_before_any_rung_is_climbed(
    named: dict[str, Any],
    bench: Callable[[str], Bench],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = pytest.importorskip("tellapart.learn.deep.numbers")
    monkeypatch.setattr(numbers.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(numbers.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(numbers.torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(ladder, "is_deep", lambda: True)
    made = bench("-".join(named))
    made.add(20, {224: 0.5})
    asked = made.context.recipe.train.model_copy(update=named)
    with pytest.raises(InputError, match=f"train.{next(iter(named))}"):
        made.run(train=asked)
    assert not (made.context.work / kept.FOLDER / "state.json").exists()


def test_classes_that_cannot_be_held_out_are_named(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "is_deep", lambda: True)
    made = bench("single")
    made.add(1, {224: 0.3, 384: 0.3})
    done = made.run()
    assert [note for note in done["notes"] if "No network was tuned" in note and "'a'" in note]
