"""The shipped recipes on drawn pictures with a small network: the log is what the recipes say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tellapart
from tellapart.errors import InputError
from tellapart.learn import backbone, trained
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.steps import Progress

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

SMALL = "test_resnet"


def _folder(root: Path) -> Path:
    """40 drawn pictures of two classes: stripes along and across, in noise."""
    draws = np.random.default_rng(3)
    for kind, name in enumerate(("along", "across")):
        (root / name).mkdir(parents=True)
        for number in range(20):
            y, x = np.mgrid[0:72, 0:96]
            wave = np.sin(((x, y)[kind] + draws.uniform(0, 20)) / draws.uniform(2, 5)) > 0
            shade = np.where(wave[..., None], draws.integers(0, 256, 3), draws.integers(0, 256, 3))
            noisy = np.clip(shade + draws.normal(0, 25, (72, 96, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(root / name / f"{number}.png")
    return root


class Ran:
    """A recipe carried out as far as the report, and what it said on the way."""

    def __init__(self, root: Path, name: str, **more: Any) -> None:
        self.settings = Settings.from_env({"TELLAPART_HOME": str(root / "home")})
        self.data = _folder(root / "stripes")
        self.asked = {"name": name, "recipe": name, "data": str(self.data), **more}
        self.said: list[Progress] = []
        self.project = tellapart.Project.create(check(self.asked), self.settings)
        self.result = self.run()
        self.work = self.project.folder / "work"

    def run(self) -> tellapart.Result:
        return self.project.run("evaluate", progress=self.said.append, spawn=False)

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.work / "train.json").read_text())
        return found

    @property
    def splits(self) -> dict[str, str]:
        return {row.sha256: row.split for row in self.project.pictures() if row.kept}


@pytest.fixture(scope="module")
def swipr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    train = {"backbone": SMALL, "weights": "none"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        # The finder walks the same way in fewer steps.
        patch.setattr("tellapart.learn.deep.tuning.finding.STEPS", 20)
        yield Ran(tmp_path_factory.mktemp("swipr"), "swipr", train=train)


@pytest.fixture(scope="module")
def picaisso(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    train = {"backbone": SMALL, "weights": "none", "epochs": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield Ran(tmp_path_factory.mktemp("picaisso"), "picaisso", train=train)


@pytest.mark.slow
def test_swiprs_log_is_what_the_old_system_did(swipr: Ran) -> None:
    log = swipr.facts["tuning"]
    first, second = log["stages"]
    assert (first["size"], second["size"]) == (224, 229)
    assert (first["lr"], second["lr"]) == (1e-4, 1e-3)
    for stage in (first, second):
        assert stage["freeze"] == "body" and stage["schedule"] == "cosine"
        assert stage["cycles"] == [1, 2, 4] and stage["epochs"] == 7
        assert [group["frozen"] for group in stage["groups"]] == [True] * 5 + [False]
        # About 28 pictures in batches of 24: the rate falls in each cycle, then restarts.
        rates = [rate for _, rate in stage["rates"]]
        assert len(rates) == 14 and max(rates) == pytest.approx(stage["lr"])
        rises = [n for n in range(1, 14) if rates[n] > rates[n - 1]]
        assert rises == [2, 6]
    settings = log["settings"]
    assert (log["head"], settings["batch_size"]) == ("concat512", 24)
    varied = settings["augmentation"]
    assert (varied["flip"], varied["zoom"], varied["rotate"], varied["lighting"]) == (
        *(True, 1.1, 10, 0.05),
    )
    assert any("head only" in note for note in swipr.result.notes)
    assert len(log["history"]) == 14 and swipr.facts["finished"]


@pytest.mark.slow
def test_the_finder_leaves_its_plot(swipr: Ran) -> None:
    first, second = swipr.facts["tuning"]["stages"]
    rates = [rate for rate, _ in first["search"]]
    assert len(rates) >= 10 and rates == sorted(rates) and rates[-1] > 100 * rates[0]
    assert first["lr_found"] and first["lr_suggested"] and first["lr"] == 1e-4
    assert not second["search"]
    with Image.open(swipr.work / "plots" / "learning_rate.png") as plot:
        assert min(plot.size) > 400
    page = (swipr.work / "report.html").read_text(encoding="utf-8")
    assert "Finder of the rate, stage 1" in page and "stage 2</h3>" not in page
    assert "70 % train, 20 % validation, 10 % test, seed 42; stored" in page
    public = (swipr.work / "report-public.html").read_text(encoding="utf-8")
    assert "Pictures/s" in page and "Pictures/s" not in public


@pytest.mark.slow
def test_the_split_is_a_fifth_dealt_by_seed_42_stored_and_used_again(swipr: Ran) -> None:
    before, head = swipr.splits, (swipr.work / trained.HEAD).read_bytes()
    counts = {part: list(before.values()).count(part) for part in set(before.values())}
    assert counts["validation"] / len(before) == pytest.approx(0.2, abs=0.04)
    assert counts["test"] / len(before) == pytest.approx(0.1, abs=0.04)
    assert swipr.facts["tuning"]["split"] == {
        "seed": 42,
        "train": 0.7,
        "validation": 0.2,
        "test": 0.1,
        "official": False,
    }
    swipr.said.clear()
    swipr.run()
    assert swipr.splits == before
    assert (swipr.work / trained.HEAD).read_bytes() == head
    assert not any(event.figures for event in swipr.said), "nothing is trained again"


@pytest.mark.slow
def test_the_body_of_a_frozen_network_stays_as_it_came(swipr: Ran) -> None:
    """Random weights of the recipe's seed: the very ones that timm makes."""
    import torch

    from tellapart.learn.deep import tuning
    from tellapart.learn.deep.tuning.network import build

    kept = backbone.of(swipr.work, swipr.facts, swipr.settings.cache_dir)
    assert kept.tuned and not kept.has_map and kept.dim == 512
    start = build(tuning.Plan(SMALL, (), head="concat512", seed=42), None, 2)
    own = {f"body.{name}": value for name, value in start.body.state_dict().items()}
    held = kept.timm_weights()
    same = [name for name in own if name in held and name.endswith("weight")]
    assert len(same) >= 10
    for name in same:
        assert torch.equal(own[name], torch.as_tensor(held[name])), name


@pytest.mark.slow
def test_picaissos_log_is_what_the_old_system_did(picaisso: Ran) -> None:
    log = picaisso.facts["tuning"]
    (stage,) = log["stages"]
    assert (stage["freeze"], stage["size"], stage["lr"]) == ("none", 224, 1e-3)
    assert not any(group["frozen"] for group in stage["groups"])
    assert {group["share"] for group in stage["groups"]} == {1}, "the whole net at one rate"
    assert {rate for _, rate in stage["rates"]} == {1e-3}
    settings = log["settings"]
    assert (settings["optimizer"], settings["batch_size"]) == ("adam", 4)
    assert settings["best_weights"] and not settings["freeze_norm"]
    assert log["planned"][0]["epochs"] == 3 and 6 <= stage["batches"] <= 7
    losses = [line["validation_scaled_loss"] for line in log["history"]]
    assert log["best_epoch"] == 1 + int(np.argmin(losses)), "the best validation weights"
    splits = list(picaisso.splits.values())
    assert splits.count("validation") / len(splits) == pytest.approx(0.2, abs=0.04)
    assert picaisso.facts["view"] == "crop"
    assert not (picaisso.work / "plots" / "learning_rate.png").exists()
    assert not (picaisso.work / "tuning").exists(), "checkpoints go where the training is over"


@pytest.mark.slow
def test_what_is_kept_answers_as_the_network_did(picaisso: Ran) -> None:
    found = trained.load(picaisso.work)
    assert found.facts["validation"]["n"] == list(picaisso.splits.values()).count("validation")
    kept = backbone.of(picaisso.work, found.facts, picaisso.settings.cache_dir)
    assert kept.tuned and kept.has_map and kept.size == 224
    assert found.weight.shape == (2, kept.dim)
    best = picaisso.facts["tuning"]["history"][picaisso.facts["tuning"]["best_epoch"] - 1]
    assert found.facts["validation"]["accuracy"] == pytest.approx(best["validation_accuracy"])


def _allowed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds from each command's start to the end of its tuning, from now on."""
    from tellapart.learn.deep.tuning import fitting
    from tellapart.steps.train import stages

    found: list[float] = []
    starts: list[float] = []
    of_step, of_tuning = stages.run, fitting.tune

    def run(context: Any) -> Any:
        starts.append(context.command.started)
        return of_step(context)

    def tune(*given: Any, **options: Any) -> Any:
        found.append(options["deadline"] - starts[-1])
        return of_tuning(*given, **options)

    monkeypatch.setattr(stages, "run", run)
    monkeypatch.setattr(fitting, "tune", tune)
    return found


@pytest.mark.slow
def test_a_stopped_tuning_stands_and_goes_on_where_it_was(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    asked = {
        "name": "stopped",
        "data": str(_folder(tmp_path / "stripes")),
        "train": {
            "backbone": SMALL,
            "weights": "none",
            "size": 64,
            "mirror": True,
            "stages": [{"freeze": "none", "epochs": 4}, {"freeze": 3, "epochs": 2, "size": 96}],
        },
    }
    project = tellapart.Project.create(check({**asked, "budget": "1h"}), settings)
    allowed = _allowed(monkeypatch)
    epochs: list[tuple[int, int]] = []

    def watch(event: Progress) -> None:
        if event.step == "train" and event.figures:
            epochs.append((len(epochs), int(event.figures["epoch"])))
            if len(epochs) == 3:
                project.context().stop_file.touch()

    project.run("train", progress=watch, spawn=False)
    facts = json.loads((project.folder / "work" / "train.json").read_text())
    assert not facts["finished"] and any("goes on from there" in note for note in facts["notes"])
    parts = facts["backbone"]["parts"]
    assert [part["mirror"] for part in parts] == [True], "the model looks at the mirror image too"

    spent = facts["tuning"]["seconds"]
    project.update({"budget": "2h"})  # more time is no reason to begin again
    project.run("train", progress=watch, spawn=False)
    assert allowed[0] == pytest.approx(3600 - 12), "the export has its reserve"
    assert allowed[0] + 3600 - spent <= allowed[1] < allowed[0] + 3600, "what was spent counts"
    facts = json.loads((project.folder / "work" / "train.json").read_text())
    assert facts["finished"] and not any("goes on from there" in note for note in facts["notes"])
    assert [epoch for _, epoch in epochs] == [1, 2, 3, 4, 5, 6], "no epoch is repeated"
    first, second = facts["tuning"]["stages"]
    assert [first["size"], second["size"]] == [64, 96]
    assert [group["frozen"] for group in second["groups"]] == [True] * 3 + [False] * 3
    found = trained.load(project.folder / "work")
    net = backbone.of(project.folder / "work", found.facts, settings.cache_dir)
    assert found.weight.shape == (2, net.dim)


def test_missing_weights_are_told_with_the_ways_to_get_them(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLAPART_HUB_URL", "http://127.0.0.1:9")
    data = _folder(tmp_path / "stripes")
    with pytest.raises(InputError) as caught:
        tellapart.train(data, name="taste", recipe="swipr")
    error = caught.value
    assert "'resnext50_32x4d'" in error.what
    for way in ("weights get", "TELLAPART_WEIGHTS", "train.weights: FILE", "train.weights: none"):
        assert way in error.do
    assert not (settings.projects_dir / "taste").exists(), "nothing is made"
