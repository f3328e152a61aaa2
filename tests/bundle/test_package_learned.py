"""From what training and compiling leave to a bundle of format 2: networks and tables."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tellapart.bundle import Bundle, golden, verify
from tellapart.bundle.manifest import to_json
from tellapart.bundle.session import Session
from tellapart.catalog import Catalog
from tellapart.errors import DataError, NotFoundError
from tellapart.learn import outcome
from tellapart.learn.outcome import Outcome
from tellapart.recipe import check
from tellapart.registry import load as plugin
from tellapart.settings import Settings
from tellapart.steps import StepContext, open_context, run_step
from tellapart.steps.samples import gather
from tellapart.store.database import open_database

Run = Callable[..., subprocess.CompletedProcess[str]]
#: Stands in a few cells of the table and in the path to it, and must be nowhere in a bundle.
SECRET = "Mx7Quarz"


def table(path: Path) -> Path:
    """90 rows: a number with gaps, a category, a column of people's names, and the class."""
    draw = np.random.default_rng(5)
    lines = ["width,color,who,size"]
    for number in range(90):
        width, color = round(draw.uniform(0, 10), 3), ("red", "green", "blue")[number % 3]
        cell = "" if number % 17 == 3 else width
        lines.append(f"{cell},{color},{SECRET}{number},{'large' if width > 5 else 'small'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def started(root: Path, recipe: dict[str, Any]) -> StepContext:
    """A project whose samples are collected and split."""
    settings = Settings(home=root / "home", threads=1)
    engine = open_database(settings)
    asked = check(recipe)
    Catalog.create(engine, asked.name, recipe)
    context = open_context(settings, asked.name)
    for step in ("collect", "curate", "split"):
        run_step(step, context)
    return context


def dense_model(given: str, kind: int, shape: list[int], classes: tuple[str, ...]) -> bytes:
    """One dense layer over everything that goes in; a missing cell counts as 0."""
    size = int(np.prod(shape))
    weight = np.random.default_rng(1).normal(0, 0.01, (size, len(classes))).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [given], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["numbers"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numbers"], ["filled"]),
        helper.make_node("Flatten", ["filled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(classes)])
        for name in ("logits", "probabilities")
    ]
    constants = {"weight": weight, "zero": np.array(0, np.float32)}
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info(given, kind, ["N", *shape])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.metadata_props.add(key="names", value=repr(dict(enumerate(classes))))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def leave(context: StepContext, *, finished: bool = True, seconds: float = 1.0) -> bytes:
    """What `train`, `evaluate` and `compile` leave, around a model of one layer."""
    work, samples = context.work, gather(context)
    rows = samples.kind == "row"
    shape = list(samples.x.shape[1:])
    given, dtype = ("rows", TensorProto.FLOAT) if rows else ("image", TensorProto.UINT8)
    model = dense_model(given, dtype, shape, samples.classes)
    session = Session(model, threads=1)
    odds = session.run(samples.x, ("probabilities",))["probabilities"]
    facts: dict[str, Any] = {
        "finished": finished,
        "fingerprint": "abc",
        "notes": [f"read from /home/{SECRET}/table.csv"],
        "seconds": seconds,
        "device": "cpu",
        "epochs_asked": 5,
        "history": [{"epoch": 1, "loss": float("nan"), "accuracy": 0.5, "seconds": seconds}],
    }
    if rows:
        outcome.replace(work / outcome.TABLE, model)
        facts["candidates"] = [
            {"name": "logistic regression", "chosen": True, "why": "the best", "seconds": seconds},
            {"name": "gradient boosting", "chosen": False, "why": "behind", "seconds": seconds},
        ]
        assert samples.schema is not None
        listed, pictures = golden.rows(samples.schema, session), {}
        formats: dict[str, Any] = {"coreml": {"skipped": "made of networks alone"}}
    else:
        outcome.replace(work / outcome.NETWORK, b"weights")
        layer = {"name": "dense_1", "kind": "dense", "output": [10], "parameters": 650}
        facts |= {"network": {"layers": [layer]}, "parameters": 650, "optimizer": "adam"}
        size = (shape[0], shape[1])
        pictures = golden.small(size, "gray")
        listed = golden.answers(session, pictures, size, "squash", "gray", familiar=False)
        files = {"net.mlpackage/Manifest.json": b"{}", "net.mlpackage/Data/weight.bin": b"w"}
        for name, data in files.items():
            outcome.replace(work / "coreml" / name, data)
        formats = {
            "coreml": {
                "files": ["coreml/net.mlpackage"],
                "input": "image",
                "precision": "fp32",
                "max_difference": {"mlpackage": 2e-7},
            }
        }
    kind: Any = "table" if rows else "network"
    outcome.save(work, Outcome(kind, samples.classes, samples.ids, odds, facts))
    for name, data in pictures.items():
        outcome.replace(work / name, data)
    measured = {"n": 18, "accuracy": 0.75, "low": 0.5, "high": 0.9, "notes": facts["notes"]}
    for name, value in (
        ("metrics.json", measured),
        ("golden.json", {"golden": listed}),
        ("formats.json", formats),
    ):
        outcome.replace(work / name, to_json(value))
    outcome.replace(work / "report.html", f"<p>{SECRET}</p>".encode())
    outcome.replace(work / "report-public.html", b"<p>figures</p>")
    outcome.replace(work / "plots" / "confusion.png", b"\x89PNG")
    outcome.replace(work / "model.onnx", model)
    return model


def packaged(context: StepContext) -> Path:
    return context.folder / "versions" / str(run_step("package", context)["file"])


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def rows_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, Path]:
    """A packaged table and its bundle. Read-only by agreement."""
    root = tmp_path_factory.mktemp(SECRET)
    path = table(root / "table.csv")
    context = started(root, {"name": "sizes", "data": str(path), "target": "size"})
    leave(context)
    return context, packaged(context)


@pytest.fixture(scope="module")
def digits_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, Path]:
    """A packaged network on `digits`, its training stopped. Read-only by agreement."""
    layers = ["flatten", {"dense": {"units": 10}}]
    recipe = {"name": "net", "data": "digits", "layers": layers}
    context = started(tmp_path_factory.mktemp("digits"), recipe)
    leave(context, finished=False)
    return context, packaged(context)


def test_a_table_becomes_a_bundle_that_answers_rows(
    rows_made: tuple[StepContext, Path], bare: Run, tmp_path: Path
) -> None:
    report = verify(rows_made[1])
    assert (report.kind, report.golden, report.finished) == ("row", 8, True)
    bundle = Bundle.load(rows_made[1])
    assert bundle.columns == ("width", "color")
    assert bundle.labels == ("large", "small")
    assert bundle.predict({"width": 3, "color": None, "who": "x"}).best in bundle.labels
    manifest = bundle.manifest
    assert manifest["format"] == 2
    assert manifest["task"] == "tabular-classification"
    assert manifest["outputs"] == ["logits", "probabilities"]
    assert manifest["input"]["left_out"] == ["who"]
    assert manifest["input"]["target"] == "size"
    assert manifest["formats"]["coreml"] == {"skipped": "made of networks alone"}
    assert manifest["data"]["samples"] == 90
    assert sum(sum(counts.values()) for counts in manifest["data"]["splits"].values()) == 90
    assert manifest["data"]["licenses"] == {"unknown": 90}
    assert re.fullmatch("[0-9a-f]{64}", manifest["data"]["sha256"])
    again = bare(rows_made[1], "predict", table(tmp_path / "b.csv"))
    assert again.returncode == 0, again.stderr
    assert "90 rows: accuracy" in again.stdout
    assert again.stderr == ""


def test_no_row_and_no_path_is_in_a_bundle(rows_made: tuple[StepContext, Path]) -> None:
    files = members(rows_made[1])
    assert files["report.html"] == b"<p>figures</p>"
    assert not any(name.startswith(("dataset/", "coreml/", "weights")) for name in files)
    for name, data in files.items():
        assert SECRET.encode() not in data, name
        assert b"/home/" not in data, name
    assert "notes" not in json.loads(files["metrics.json"])
    assert '"seconds"' not in files["manifest.json"].decode()
    training = json.loads(files["manifest.json"])["training"]
    assert training["history"] == [{"accuracy": 0.5, "epoch": 1, "loss": None}]


def test_the_golden_rows_are_nobodys(rows_made: tuple[StepContext, Path]) -> None:
    manifest = Bundle.load(rows_made[1]).manifest
    width = manifest["input"]["columns"][0]
    drawn = [item["row"] for item in manifest["golden"]]
    there = [row["width"] for row in drawn if row["width"] is not None]
    assert all(width["low"] <= value <= width["high"] for value in there)
    assert len(set(there)) == len(there) >= 6
    assert any(row["width"] is None for row in drawn)
    assert any(row["color"] is None for row in drawn)
    text = (rows_made[0].settings.home.parent / "table.csv").read_text()
    cells = {line.split(",")[0] for line in text.splitlines()}
    assert cells.isdisjoint({str(value) for value in there})
    assert {row["color"] for row in drawn} >= {"red", "green", "blue"}


def test_a_network_becomes_a_bundle_marked_unfinished(
    digits_made: tuple[StepContext, Path], bare: Run
) -> None:
    report = verify(digits_made[1])
    assert (report.kind, report.golden, report.finished) == ("picture", 6, False)
    bundle = Bundle.load(digits_made[1])
    assert not bundle.finished
    assert bundle.manifest["input"] == {
        "kind": "picture",
        "name": "image",
        "type": "uint8",
        "layout": "NHWC",
        "color": "gray",
        "size": [8, 8],
        "view": "squash",
    }
    assert bundle.manifest["data"]["name"] == "digits"
    assert bundle.manifest["data"]["licenses"] == {"CC BY 4.0": 1797}
    files = members(digits_made[1])
    assert files["weights.safetensors"] == b"weights"
    assert files["coreml/net.mlpackage/Data/weight.bin"] == b"w"
    assert "stopped before its end" in bare(digits_made[1], "verify").stdout
    notes = run_step("package", digits_made[0])["notes"]
    assert notes[0].startswith("Training was stopped before its end")


def test_small_gray_pictures_are_answered_as_the_model_sees_them(
    digits_made: tuple[StepContext, Path],
) -> None:
    context, path = digits_made
    samples, bundle = gather(context), Bundle.load(path)
    odds = outcome.load(context.work).probabilities[:40]
    assert samples.x.shape[1:] == (8, 8, 1)
    found = bundle.predict(list(np.asarray(samples.x[:40])))
    answers = np.array([list(each.probabilities.values()) for each in found])
    assert np.abs(answers - odds).max() < 1e-5
    assert found[0].familiarity is None
    assert bundle.predict(np.zeros((50, 30, 3), np.uint8)).label is not None


def test_the_cards_say_how_to_use_each_file(
    rows_made: tuple[StepContext, Path], digits_made: tuple[StepContext, Path], tmp_path: Path
) -> None:
    rows = members(rows_made[1])["README.md"].decode()
    assert "Unfinished" not in rows
    assert "There is no Core ML file: made of networks alone" in rows
    assert "| color | the place, from 0, of: blue, green, red |" in rows
    assert "| logistic regression | yes | the best |" in rows
    net = members(digits_made[1])["README.md"].decode()
    assert "> **Unfinished.** Its training was stopped after 1 of 5 epochs" in net
    assert "`coreml/net.mlpackage`" in net
    assert "within 1e-06 of the trained network (fp32)" in net
    assert "uint8 (gray, 0 is black), N×8×8×1" in net
    assert "| dense\\_1 | dense | 10 | 650 |" in net
    for text, path in ((rows, rows_made[1]), (net, digits_made[1])):
        yaml = pytest.importorskip("yaml")
        front = yaml.safe_load(text.split("---")[1])
        assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.75
        snippet = re.findall(r"```python\n(.*?)```", text, re.S)[0]
        if path == digits_made[1]:
            (tmp_path / "picture.png").write_bytes(
                golden.small((8, 8), "gray")["golden/03-ring.png"]
            )
        space: dict[str, Any] = {}
        here = snippet.replace(repr(path.name), repr(str(path)))
        exec(here.replace("picture.png", str(tmp_path / "picture.png")), space)
        assert space["answer"].best in Bundle.load(path).labels


def test_the_same_content_keeps_its_bytes_and_version(tmp_path: Path) -> None:
    """Made twice, under other paths and with other times."""
    found = []
    for place, seconds in (("a", 1.0), ("b", 2.5)):
        path = table(tmp_path / place / "table.csv")
        recipe = {"name": "sizes", "data": str(path), "target": "size"}
        context = started(tmp_path / place, recipe)
        leave(context, seconds=seconds)
        found.append((context, packaged(context)))
    assert found[0][1].read_bytes() == found[1][1].read_bytes()
    context = found[0][0]
    assert run_step("package", context)["version"] == 1
    outcome.replace(context.work / "report-public.html", b"<p>other figures</p>")
    assert run_step("package", context)["version"] == 2


def test_it_says_which_step_is_missing(tmp_path: Path) -> None:
    path = table(tmp_path / "table.csv")
    context = started(tmp_path, {"name": "sizes", "data": str(path), "target": "size"})
    with pytest.raises(NotFoundError) as caught:
        run_step("package", context)
    assert "table.onnx" in caught.value.what
    assert "tellapart train" in caught.value.do


def test_a_wrong_model_is_not_left_behind(tmp_path: Path) -> None:
    path = table(tmp_path / "table.csv")
    context = started(tmp_path, {"name": "sizes", "data": str(path), "target": "size"})
    leave(context)
    told = json.loads((context.work / "golden.json").read_bytes())
    told["golden"][3]["probabilities"] = [0.9, 0.1]
    outcome.replace(context.work / "golden.json", to_json(told))
    with pytest.raises(Exception, match="golden row 3"):
        run_step("package", context)
    assert not list((context.folder / "versions").glob("*.zip"))


def test_what_is_exported(
    rows_made: tuple[StepContext, Path], digits_made: tuple[StepContext, Path], tmp_path: Path
) -> None:
    net, rows = Bundle.load(digits_made[1]), Bundle.load(rows_made[1])
    for bundle in (net, rows):
        target = plugin("exporter", "onnx")().export(bundle, tmp_path / bundle.name)
        model = onnx.load(target / "model.onnx")
        names = {prop.key: prop.value for prop in model.metadata_props}["names"]
        assert names == repr(dict(enumerate(bundle.labels)))
        assert (target / "labels.txt").read_text().split() == list(bundle.labels)
    plugin("exporter", "coreml")().export(net, tmp_path / "apple")
    assert (tmp_path / "apple" / "net.mlpackage" / "Data" / "weight.bin").read_bytes() == b"w"
    with pytest.raises(DataError, match="made of networks alone"):
        plugin("exporter", "coreml")().export(rows, tmp_path / "none")
    for bundle, word in ((rows, "holds no rows"), (net, "holds no pictures")):
        with pytest.raises(DataError, match=word) as caught:
            plugin("exporter", "dataset")().export(bundle, tmp_path / "none")
        assert "withheld.csv" not in caught.value.do
    assert not (tmp_path / "none").exists()
