"""Tables through the chain: what training and compiling leave, and what a second run does."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tellapart import Bundle
from tellapart.api import run
from tellapart.errors import DataError, InputError, NotFoundError
from tellapart.learn import outcome
from tellapart.settings import Settings
from tellapart.steps import Progress, open_context
from tellapart.steps.samples import gather
from tellapart.steps.train import table


def _write(folder: Path, rows: int = 60, effort: str = "quick", more: str = "") -> Path:
    """A table of flowers with gaps, and a recipe for it."""
    draw = np.random.default_rng(0)
    lines = ["length,width,color,species"]
    for number in range(rows):
        tall = number % 2
        color = ("red", "blue")[int(draw.random() < 0.3 + 0.4 * tall)]
        cells = [f"{5 + 2 * tall + draw.normal():.2f}", f"{draw.normal():.2f}", color]
        if number % 7 == 0:
            cells[number % 3] = ""
        lines.append(",".join([*cells, ("small", "tall")[tall]]))
    (folder / "flowers.csv").write_text("\n".join(lines) + "\n")
    recipe = folder / "flowers.yaml"
    recipe.write_text(
        f"name: flowers\ndata: {folder / 'flowers.csv'}\ntarget: species\neffort: {effort}\n{more}"
    )
    return recipe


def test_a_table_becomes_a_bundle_that_answers_as_the_trained_model(
    tmp_path: Path, settings: Settings
) -> None:
    seen: list[Progress] = []
    recipe = _write(tmp_path)
    result = run(recipe, settings=settings, progress=seen.append, spawn=False)
    assert [one.signal for one in seen if one.signal] == ["built", "trained", "compiled"]
    context = open_context(settings, "flowers")
    try:
        samples, trained = gather(context), outcome.load(context.work)
    finally:
        context.close()
    assert trained.kind == "table"
    assert trained.finished
    assert trained.ids == samples.ids
    assert trained.probabilities.shape == (60, 2)
    facts = trained.facts
    assert sum(one["chosen"] for one in facts["candidates"]) == 1
    assert all(one["validation"]["n"] == facts["validation"]["n"] for one in facts["candidates"])
    assert facts["importance"][0]["column"] == "length"
    assert [one["name"] for one in facts["input"]["columns"]] == ["length", "width", "color"]
    model = (context.work / outcome.TABLE).read_bytes()
    answers = Bundle.load(result.bundle).predict(
        [{"length": 9.0, "width": None, "color": "blue"}, {"length": 3, "width": 0, "color": "?"}]
    )
    assert [one.best for one in answers] == ["tall", "small"]
    formats = json.loads((context.work / "formats.json").read_text())
    assert "layers" in formats["coreml"]["skipped"]

    before = (context.work / outcome.OUTCOME).stat().st_mtime_ns
    again = run(recipe, settings=settings, spawn=False)
    assert again.version == result.version
    assert (context.work / outcome.OUTCOME).stat().st_mtime_ns == before

    (context.work / outcome.TABLE).unlink()
    run(recipe, settings=settings, spawn=False)
    assert (context.work / outcome.TABLE).read_bytes() == model


@pytest.mark.parametrize("rows", [60, 8])
def test_a_table_without_a_validation_row_becomes_a_bundle(
    tmp_path: Path, settings: Settings, rows: int
) -> None:
    recipe = _write(tmp_path, rows, more="split: {train: 0.75, validation: 0, test: 0.25}\n")
    result = run(recipe, settings=settings, spawn=False)
    work = settings.projects_dir / "flowers" / "work"
    facts = outcome.load(work).facts
    assert facts["validation"] == {"n": 0}
    assert [one["validation"] for one in facts["candidates"]] == [{"n": 0}] * len(
        facts["candidates"]
    )
    assert facts["importance"] == []
    assert Bundle.load(result.bundle).predict({"length": 9, "width": 0, "color": "blue"}).best


def _members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


@pytest.mark.parametrize("rows", [24, 90])
def test_no_cell_of_a_column_left_out_is_in_the_bundle_nor_the_name_of_the_file(
    tmp_path: Path, settings: Settings, rows: int
) -> None:
    draw = np.random.default_rng(0)
    names = [f"Zébédée Secretname{number}" for number in range(rows)]
    lines = ["patient,age,ward,state"]
    for number, name in enumerate(names):
        ward = ("cardio", "onco")[int(draw.random() < 0.5)]
        age = f"{30 + 20 * (number % 2) + draw.normal() * 8:.2f}"
        lines.append(f"{name},{age},{ward},{('well', 'ill')[number % 2]}")
    data = tmp_path / "patients of Dr Mueller.csv"
    data.write_bytes("\n".join(lines).encode("cp1252"))
    recipe = tmp_path / "ward.yaml"
    recipe.write_text(f"name: ward\ndata: {data}\ntarget: state\n")
    result = run(recipe, settings=settings, spawn=False)
    private = (settings.projects_dir / "ward" / "work" / "report.html").read_text()
    assert "Mueller" in private and "Zébédée" in private
    for name, content in _members(result.bundle).items():
        text = content.decode(errors="replace")
        found = [word for word in (*names, "Secretname", "Mueller") if word in text + name]
        assert not found, (name, found)


def test_a_stopped_training_says_so_and_the_next_one_is_whole(
    tmp_path: Path, settings: Settings
) -> None:
    run(_write(tmp_path), settings=settings, spawn=False)
    context = open_context(settings, "flowers")
    try:
        (context.work / outcome.OUTCOME).unlink()
        context.stop_file.touch()
        assert table.run(context)["finished"] is False
        stopped = outcome.load(context.work)
        assert not stopped.finished
        assert np.isfinite(stopped.probabilities).all()
        context.stop_file.unlink()
        assert table.run(context)["finished"] is True
        assert outcome.load(context.work).finished
    finally:
        context.close()


def test_a_request_to_stop_that_was_left_behind_stops_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    recipe = _write(tmp_path)
    work = settings.projects_dir / "flowers" / "work"
    work.mkdir(parents=True)
    (work / "stop").touch()
    run(recipe, settings=settings, spawn=False)
    assert outcome.load(work).finished
    assert not (work / "stop").exists()


def test_what_cannot_be_trained_is_said(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match="Core ML"):
        run(_write(tmp_path, more="compile: {coreml: true}\n"), settings=settings, spawn=False)
    with pytest.raises(NotFoundError):
        outcome.load(settings.projects_dir / "flowers" / "work")
    lonely = tmp_path / "flowers.csv"
    lonely.write_text("length,species\n1,a\n2,a\n3,a\n")
    with pytest.raises(DataError):
        run(_lonely(tmp_path), settings=settings, spawn=False)


def _lonely(folder: Path) -> Path:
    recipe = folder / "lonely.yaml"
    recipe.write_text(f"name: lonely\ndata: {folder / 'flowers.csv'}\ntarget: species\n")
    return recipe


@pytest.mark.slow
def test_a_network_is_one_more_candidate_where_effort_is_good(
    tmp_path: Path, settings: Settings
) -> None:
    pytest.importorskip("lightning")
    result = run(_write(tmp_path, effort="good"), settings=settings, spawn=False)
    work = settings.projects_dir / "flowers" / "work"
    facts = outcome.load(work).facts
    names = [one["name"] for one in facts["candidates"]]
    assert names[-1] == "network"
    assert facts["candidates"][-1]["cross_validation"]["n"] > 30
    assert not (work / outcome.CHECKPOINT).exists()
    assert Bundle.load(result.bundle).predict({"length": 9, "width": 0, "color": "blue"}).best


def test_the_network_is_judged_by_rows_it_has_not_seen_and_compiled(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    from tellapart.learn.deep import rows
    from tellapart.learn.deep.deployed import predict
    from tellapart.learn.deep.onnx import export
    from tellapart.learn.tabular.proof import prove

    draw = np.random.default_rng(0)
    x = draw.normal(size=(80, 3)).astype(np.float32)
    x[:, 1] = draw.integers(0, 4, 80)
    x[::9, 0] = np.nan
    y = (np.nan_to_num(x[:, 2]) > 0).astype(np.int64)
    y[:1] = 2
    task = rows.Task(x, y, 3, [0, 4, 0], 0, tmp_path)
    held_out = rows.cross(task, np.arange(80) % 2, lambda done, total: None, lambda: False)
    fitted, how = rows.train(task, "all", lambda: False)
    assert held_out is not None
    assert np.isnan(held_out[0]).all()  # the only row of its class
    assert (held_out[1:].argmax(axis=1) == y[1:]).mean() > 0.75
    deployed = rows.deploy(fitted, how, 2.0)
    plain = predict(rows.deploy(fitted, how, 1.0), x)
    soft = predict(deployed, x)
    assert soft.max(axis=1).mean() < plain.max(axis=1).mean()
    ids = [str(place) for place in range(80)]
    assert prove(export(deployed, {}), x, soft, ids, ["a", "b", "c"], 1).engines


def test_the_network_goes_on_only_from_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning")
    from tellapart.learn.deep import rows

    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    first = rows.Task(x, y, 2, [0, 0, 0], 0, tmp_path / "kept")
    left = [rows.train(first, "fold-0", lambda: False)[0]]
    others = [
        rows.Task(x, 1 - y, 2, [0, 0, 0], 0, tmp_path / "kept"),
        rows.Task(x, y, 2, [0, 0, 0], 5, tmp_path / "kept"),
        rows.Task(x[:, :2], y, 2, [0, 0], 0, tmp_path / "kept"),
        rows.Task(x * 2, y, 2, [0, 0, 0], 0, tmp_path / "kept"),
    ]
    for number, task in enumerate(others):
        found, _ = rows.train(task, "fold-0", lambda: False)
        fresh = replace(task, folder=tmp_path / f"fresh-{number}")
        alone, _ = rows.train(fresh, "fold-0", lambda: False)
        a, b = found.net.state_dict(), alone.net.state_dict()
        assert all(torch.equal(a[name], b[name]) for name in b)
        assert found.seconds and found.history[0]["loss"] == alone.history[0]["loss"]
        left.append(found)
    again, _ = rows.train(others[-1], "fold-0", lambda: False)
    assert again.history == left[-1].history  # with its seconds: it was not trained again
