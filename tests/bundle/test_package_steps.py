"""From a trained head to a proved bundle: compile and package on a real small project."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from PIL import Image

from tellapart import images
from tellapart.bundle import Bundle, verify
from tellapart.catalog import Assignment, Catalog, NewPicture, Verdict
from tellapart.demo.drawing import WORDS, draw
from tellapart.errors import DataError, NotFoundError, PictureError, VerificationError
from tellapart.learn import graph, parity
from tellapart.learn.backbone import embedded
from tellapart.learn.engine import Engine
from tellapart.learn.trained import load
from tellapart.recipe import asked, check
from tellapart.registry import load as plugin
from tellapart.settings import Settings
from tellapart.steps import StepContext, open_context, run_step
from tellapart.store.database import open_database

LABELS = tuple(WORDS[:3])
LICENSES = ("cc0", "by", "", "by-nc-sa", "by-nd", "all rights reserved")


def pictures() -> list[tuple[str, str, bytes, str]]:
    """(label, split, JPEG bytes, licence): 12 drawings a class, 3 of them for test."""
    found = []
    for label in LABELS:
        for number in range(12):
            out = io.BytesIO()
            draw(label, number, (120, 90)).save(out, "JPEG", quality=88)
            split = "test" if number >= 9 else "validation" if number == 8 else "train"
            found.append((label, split, out.getvalue(), LICENSES[number % len(LICENSES)]))
    return found


def project(root: Path, shuffle: int = 0, cache: Path | None = None) -> StepContext:
    """A project trained and evaluated on `pictures`, which lie in `root` and came in any order."""
    settings = Settings(home=root / "home", threads=1 + shuffle % 2)
    if cache is not None:
        shutil.copytree(cache / "backbones", settings.cache_dir / "backbones")
    recipe = check({"name": "drawn", "classes": list(LABELS)})
    engine = open_database(settings)
    catalog = Catalog.create(engine, "drawn", asked(recipe))
    drawn = list(enumerate(pictures()))
    random.Random(shuffle).shuffle(drawn)
    splits = {}
    for number, (label, split, data, license) in drawn:
        path = root / "pictures" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        splits[digest] = split
        row = NewPicture(
            label=label,
            source="folder",
            key=f"{label}/{number}.jpg",
            path=str(path),
            license=license,
            license_version="4.0" if license.startswith("by") else "",
            creator='=Ann "A", B',
            title=f"{label}\n{number}",
            page_url=f"https://example.org/{number}",
            status="ok",
            sha256=digest,
            bytes=len(data),
            width=120,
            height=90,
        )
        catalog.add([row])
    rows = catalog.pictures()
    catalog.save_verdicts([Verdict(id=row.id, kept=True) for row in rows])
    catalog.save_splits(
        [Assignment(id=row.id, split=splits[row.sha256], group=row.id) for row in rows]
    )
    context = open_context(settings, "drawn")
    run_step("train", context)
    run_step("evaluate", context)
    return context


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, Path]:
    """A packaged project and its bundle. Read-only by agreement."""
    context = project(tmp_path_factory.mktemp("project"))
    run_step("compile", context)
    return context, versions(context) / run_step("package", context)["file"]


def copied(made: tuple[StepContext, Path], root: Path) -> StepContext:
    """The packaged project again, to be changed; it reads the same pictures in place."""
    shutil.copytree(made[0].settings.home, root / "home")
    return open_context(replace(made[0].settings, home=root / "home"), "drawn")


@pytest.fixture(scope="module")
def zipped(made: tuple[StepContext, Path]) -> Path:
    return made[1]


def versions(context: StepContext) -> Path:
    return context.folder / "versions"


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(path, "manifest.json"))
    return found


# -- compile ---------------------------------------------------------------------------------


def test_the_model_is_as_the_conventions_want_it(zipped: Path) -> None:
    model = onnx.load_from_string(read(zipped, "model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    given = model.graph.input[0]
    assert given.name == "image"
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert given.type.tensor_type.shape.dim[0].dim_param
    assert tuple(output.name for output in model.graph.output) == graph.OUTPUTS
    facts = {item.key: item.value for item in model.metadata_props}
    assert facts["Image.BitmapPixelFormat"] == "Rgb8"
    assert facts["Image.ColorSpaceGamma"] == "SRGB"
    assert facts["Image.NominalPixelRange"] == "NominalRange_0_255"
    assert facts["names"] == repr(dict(enumerate(LABELS)))
    assert facts["imgsz"] == "[224, 224]"
    assert facts["task"] == "classify"


def test_compile_says_what_it_checked(made: tuple[StepContext, Path]) -> None:
    context, _ = made
    done = run_step("compile", context)
    assert done["checked"] == 32  # nine test pictures, then others until they are enough
    assert "onnxruntime" in done["engines"]
    assert max(done["max_difference"].values()) < 1e-4
    assert done["golden"] >= 6


def test_a_model_that_answers_differently_is_not_left_behind(
    made: tuple[StepContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = copied(made, tmp_path)
    real = graph.assemble

    def wrong(backbone: bytes, **parts: Any) -> bytes:
        return real(backbone, **{**parts, "weight": -parts["weight"]})

    monkeypatch.setattr(graph, "assemble", wrong)
    (context.work / "model.onnx").unlink()
    with pytest.raises(VerificationError, match="does not answer as the trained one") as caught:
        run_step("compile", context)
    assert caught.value.do
    assert not (context.work / "model.onnx").exists()
    with pytest.raises(NotFoundError, match=r"model\.onnx"):
        run_step("package", context)
    assert [path.name for path in versions(context).iterdir()] == ["drawn-1.zip"]


def test_a_hundredth_is_too_much_and_a_hair_is_not(made: tuple[StepContext, Path]) -> None:
    context, _ = made
    backbone, found = embedded(context.settings.cache_dir), load(context.work)
    # A gentle head: the drawings are so easy that the trained one is sure of everything.
    gentle = replace(found, weight=found.weight / 300, bias=found.bias / 300)
    items = [
        (hashlib.sha256(data).hexdigest(), lambda data=data: data)  # type: ignore[misc]
        for _, split, data, _ in pictures()
        if split == "test"
    ]

    def compiled(shift: float) -> bytes:
        return graph.assemble(
            backbone.onnx.read_bytes(),
            weight=gentle.weight,
            bias=gentle.bias + np.float32([shift, 0, 0]),
            bank=gentle.bank,
            neighbours=3,
            metadata={},
        )

    def difference(model: bytes) -> float:
        passed = parity.check(items, backbone, "squash", gentle, model, context.settings)
        return max(passed.max_difference.values())

    assert difference(compiled(0)) < 1e-5
    assert 1e-5 < difference(compiled(0.001)) < 1e-3
    with pytest.raises(VerificationError, match="away on the picture"):
        difference(compiled(0.05))
    with pytest.raises(VerificationError, match="does not run"):
        difference(backbone.onnx.read_bytes())


# -- what is in the bundle ---------------------------------------------------------------------


def test_the_bundle_holds_what_it_promises(zipped: Path) -> None:
    names = set(members(zipped))
    assert {
        "README.md",
        "SHA256SUMS",
        "__main__.py",
        "dataset/ATTRIBUTION.csv",
        "dataset/croissant.json",
        "dataset/withheld.csv",
        "labels.txt",
        "manifest.json",
        "metrics.json",
        "model.onnx",
        "report.html",
        "weights.safetensors",
    } <= names
    assert zipped.name == "drawn-1.zip"
    facts = manifest(zipped)
    assert facts["format"] == 1
    assert facts["labels"] == list(LABELS)
    assert facts["recipe"]["classes"] == {label: {"queries": [label]} for label in LABELS}
    assert facts["metrics"]["n"] == 9
    assert facts["thresholds"]["familiarity"] > 0
    assert facts["licenses"]["pictures"]["by-nd"] == 6
    assert read(zipped, "labels.txt").decode().split() == list(LABELS)


def test_only_pictures_that_may_be_passed_on_are_in_it(zipped: Path) -> None:
    inside = {hashlib.sha256(data).hexdigest() for data in members(zipped).values()}
    for _, _, data, license in pictures():
        free = license in ("cc0", "by", "by-nc-sa", "by-nd")
        assert (hashlib.sha256(data).hexdigest() in inside) == free
    withheld = read(zipped, "dataset/withheld.csv").decode()
    for _, _, data, license in pictures():
        assert (hashlib.sha256(data).hexdigest() in withheld) == (
            license not in LICENSES[:2] + LICENSES[3:5]
        )
    facts = manifest(zipped)["data"]
    assert (facts["pictures"], facts["included"], facts["withheld"]) == (36, 24, 12)


def test_nothing_in_it_names_this_machine(made: tuple[StepContext, Path]) -> None:
    context, path = made
    home = context.settings.home
    forbidden = [str(home), str(home.parent), str(Path.home()), str(Path.cwd()), sys.prefix]
    for name, data in members(path).items():
        for place in forbidden:
            if len(place) > 5:
                assert place.encode() not in data, (name, place)
        assert b"/home/" not in data or name.startswith("dataset"), name


def test_nothing_in_it_is_a_pickle(zipped: Path) -> None:
    for name, data in members(zipped).items():
        assert Path(name).suffix not in {
            ".pkl",
            ".pickle",
            ".pt",
            ".pth",
            ".joblib",
            ".npy",
            ".npz",
        }
        assert not re.match(rb"\x80[\x02-\x05]", data), name
    weights = read(zipped, "weights.safetensors")
    assert json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])


def test_the_card_holds_a_model_index_and_answers_may_i(zipped: Path) -> None:
    card = read(zipped, "README.md").decode()
    front = yaml.safe_load(card.split("---\n")[1])
    result = front["model-index"][0]["results"][0]
    accuracy = json.loads(read(zipped, "metrics.json"))["accuracy"]
    assert {"type": "accuracy", "name": "Accuracy", "value": accuracy} in result["metrics"]
    assert front["pipeline_tag"] == "image-classification"
    section = card.split("## May I use this?")[1].split("\n## ")[0]
    assert "| CC BY-NC-SA | 6 | yes | required | **no** | yes | **yes** |" in section
    assert "| CC BY-ND | 6 | yes | required | yes | **no** | - |" in section
    assert "| No licence known | 6 | no |" in section
    assert "**No known licence:** 12 pictures" in section
    assert "your own responsibility" in section


@pytest.mark.slow
def test_the_cards_snippet_runs(zipped: Path, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    snippets = re.findall(r"```python\n(.*?)```", read(zipped, "README.md").decode(), re.DOTALL)
    (snippet,) = (text for text in snippets if "timm" in text)
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "snippet.py").write_text(snippet)
    found = subprocess.run(
        [sys.executable, "snippet.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    answer = eval(found.stdout)
    first = manifest(zipped)["golden"][0]
    assert list(answer) == list(LABELS)
    assert list(answer.values()) == pytest.approx(first["probabilities"], abs=1e-3)


def test_its_data_set_reads_back_with_labels_and_splits(zipped: Path, tmp_path: Path) -> None:
    folder = plugin("exporter", "dataset")().export(Bundle.load(zipped), tmp_path / "out")
    hits = list(plugin("format", "metadata")().read(folder))
    assert len(hits) == 24
    by_sha = {hashlib.sha256(d).hexdigest(): (label, s, c) for label, s, d, c in pictures()}
    for hit in hits:
        assert hit.path is not None
        digest = hashlib.sha256(hit.path.read_bytes()).hexdigest()
        assert (hit.label, hit.split, hit.license) == by_sha[digest]
        assert hit.creator == '=Ann "A", B'
    assert sorted(path.name for path in folder.iterdir()) == [
        "ATTRIBUTION.csv",
        "croissant.json",
        "test",
        "train",
        "withheld.csv",
    ]


def test_the_model_alone_is_exported(zipped: Path, tmp_path: Path) -> None:
    exporter = plugin("exporter", "onnx")()
    bundle = Bundle.load(zipped)
    assert exporter.export(bundle, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "model.onnx").read_bytes() == read(zipped, "model.onnx")
    assert (tmp_path / "out" / "labels.txt").read_bytes() == read(zipped, "labels.txt")
    exporter.export(bundle, tmp_path / "drawn.onnx")
    assert (tmp_path / "drawn.onnx").read_bytes() == read(zipped, "model.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drawn.labels.txt",
        "drawn.onnx",
        "out",
    ]


def test_a_data_set_without_pictures_is_said(tiny_zip: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pictures"):
        plugin("exporter", "dataset")().export(Bundle.load(tiny_zip), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_runs_by_itself(
    zipped: Path, tmp_path: Path, bare: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    draw(LABELS[1], 99, (160, 120)).save(tmp_path / "a.jpg")
    assert bare(zipped, "verify").returncode == 0
    found = json.loads(bare(zipped, "predict", "--json", tmp_path / "a.jpg").stdout)
    ours = Bundle.load(zipped).predict(tmp_path / "a.jpg")
    assert found["best"] == ours.best
    assert list(found["probabilities"].values()) == pytest.approx(
        list(ours.probabilities.values()), abs=1e-6
    )


# -- versions and bytes ------------------------------------------------------------------------


def test_two_machines_package_the_same_bytes(
    made: tuple[StepContext, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, path = made
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    before = os.umask(0o077)
    try:
        other = project(tmp_path / "elsewhere", 5, context.settings.cache_dir)
        run_step("compile", other)
        done = run_step("package", other)
    finally:
        os.umask(before)
    ours, theirs = members(path), members(versions(other) / done["file"])
    assert [name for name in ours if ours[name] != theirs.get(name)] == []
    assert hashlib.sha256(path.read_bytes()).hexdigest() == done["sha256"]


def test_the_same_content_keeps_its_version(made: tuple[StepContext, Path], tmp_path: Path) -> None:
    context = copied(made, tmp_path)
    first = run_step("package", context)
    target = versions(context) / first["file"]
    written = target.stat().st_mtime_ns
    assert run_step("package", context) == first
    assert target.stat().st_mtime_ns == written
    for damage in (target.unlink, lambda: target.write_bytes(b"half")):
        damage()
        assert run_step("package", context) == first
        assert verify(target).version == 1
    row = context.catalog.pictures(split="train")[0]
    context.catalog.save_splits([Assignment(id=row.id, split="")])
    for step in ("train", "compile"):
        run_step(step, context)
    second = run_step("package", context)
    assert second["file"] == "drawn-2.zip"
    assert [version.version for version in context.catalog.versions()] == [1, 2]
    assert manifest(versions(context) / "drawn-2.zip")["version"] == 2
    assert verify(target).version == 1
    assert sorted(path.name for path in versions(context).iterdir()) == [
        "drawn-1.zip",
        "drawn-2.zip",
    ]


def test_a_bundle_that_fails_its_own_check_is_removed(
    made: tuple[StepContext, Path], tmp_path: Path
) -> None:
    context = copied(made, tmp_path)
    facts = json.loads((context.work / "golden.json").read_bytes())
    facts["golden"][0]["familiarity"] += 0.5
    (context.work / "golden.json").write_text(json.dumps(facts))
    with pytest.raises(VerificationError, match="golden picture"):
        run_step("package", context)
    assert [path.name for path in versions(context).iterdir()] == ["drawn-1.zip"]
    assert len(context.catalog.versions()) == 1


def test_a_picture_that_is_gone_is_said(made: tuple[StepContext, Path], tmp_path: Path) -> None:
    context = copied(made, tmp_path)
    row = next(row for row in context.catalog.pictures() if row.license == "cc0")
    whole = Path(row.path).read_bytes()
    Path(row.path).write_bytes(b"other")
    (versions(context) / "drawn-1.zip").unlink()
    try:
        with pytest.raises(DataError, match="has changed"):
            run_step("package", context)
    finally:
        Path(row.path).write_bytes(whole)
    assert list(versions(context).iterdir()) == []


# -- hard pictures -----------------------------------------------------------------------------


def hard_pictures() -> dict[str, bytes]:
    """What decoders disagree on: turned, CMYK, 16 bits, alpha, palettes, progressive, slivers."""
    base = draw(LABELS[0], 7, (200, 140))
    found: dict[str, bytes] = {}

    def save(name: str, image: Image.Image, kind: str, **options: Any) -> None:
        out = io.BytesIO()
        image.save(out, kind, **options)
        found[name] = out.getvalue()

    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        save(f"turn{turn}.jpg", base, "JPEG", exif=exif, quality=92)
    save("cmyk.jpg", base.convert("CMYK"), "JPEG")
    deep = np.asarray(base.convert("L"), np.uint16) * 257
    save("deep.png", Image.fromarray(deep), "PNG")
    layered = base.convert("RGBA")
    layered.putalpha(Image.linear_gradient("L").resize(base.size))
    save("alpha.png", layered, "PNG")
    save("palette.png", base.quantize(16), "PNG", transparency=3)
    save("gray.jpg", base.convert("L"), "JPEG")
    save("gray_alpha.png", base.convert("LA"), "PNG")
    others = [draw(label, 3, (200, 140)) for label in LABELS[1:]]
    save("moving.gif", base.quantize(64), "GIF", save_all=True, append_images=others)
    save("progressive.jpg", draw(LABELS[1], 4, (900, 700)), "JPEG", progressive=True)
    save("large.jpg", draw(LABELS[2], 4, (1600, 1200)), "JPEG", quality=80)
    save("sliver.png", base.resize((1, 4000)), "PNG")
    save("wide.png", base.resize((4000, 1)), "PNG")
    save("lossy.webp", base, "WEBP", quality=80)
    save("lossless.webp", layered, "WEBP", lossless=True)
    save("one.bmp", base.convert("1"), "BMP")
    save("stripes.tif", base, "TIFF", compression="tiff_lzw")
    save("tiny.png", base.resize((3, 2)), "PNG")
    return found


BROKEN = {
    "truncated.jpg": hard_pictures()["progressive.jpg"][:-4000],
    "truncated.png": hard_pictures()["alpha.png"][:-500],
    "page.jpg": b"<!DOCTYPE html><title>Not found</title>",
    "empty.jpg": b"",
}


def test_hard_pictures_are_answered_as_by_the_trained_model(
    made: tuple[StepContext, Path],
) -> None:
    context, path = made
    hard = hard_pictures()
    mixed = {**hard, **BROKEN}
    trained, backbone = load(context.work), embedded(context.settings.cache_dir)
    engine = Engine(backbone.onnx, threads=1)
    expected: dict[str, np.ndarray] = {}
    refused: set[str] = set()
    for name, data in mixed.items():
        try:
            batch = images.load(data, backbone.size, context.recipe.train.view)[None]
        except PictureError:
            refused.add(name)
            continue
        features = engine.run(batch, ("features",))["features"]
        expected[name] = trained.head.probabilities(features)[0]
    assert refused == set(BROKEN)
    answers = dict(zip(mixed, Bundle.load(path).predict(list(mixed.values())), strict=True))
    assert {name for name, answer in answers.items() if answer.error is not None} == set(BROKEN)
    worst = 0.0
    for name, wanted in expected.items():
        found = np.array(list(answers[name].probabilities.values()))
        assert found.argmax() == wanted.argmax(), name
        worst = max(worst, float(np.abs(found - wanted).max()))
    assert worst <= 1e-3


def test_hard_pictures_through_the_zip_alone(
    made: tuple[StepContext, Path],
    tmp_path: Path,
    bare: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    _, path = made
    mixed = {**hard_pictures(), **BROKEN}
    for name, data in mixed.items():
        (tmp_path / name).write_bytes(data)
    ran = bare(path, "predict", "--json", *(tmp_path / name for name in mixed))
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    bundle = Bundle.load(path)
    for name, line in zip(mixed, lines, strict=True):
        assert ("error" in line) == (name in BROKEN)
        if name not in BROKEN:
            ours = bundle.predict(mixed[name])
            assert line["best"] == ours.best, name
            assert list(line["probabilities"].values()) == pytest.approx(
                list(ours.probabilities.values()), abs=1e-5
            )
    assert ran.returncode == 4
