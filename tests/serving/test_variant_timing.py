"""Measuring variants: held-out pictures, real processes, and what is chosen from the figures."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.bundle import agreement
from tellapart.bundle.archive import open_archive
from tellapart.bundle.predictor import read_model
from tellapart.bundle.write import write_zip
from tellapart.cli.variants import benchmark as benchmark_verb
from tellapart.cli.variants import shown
from tellapart.errors import DataError, InputError, NotFoundError, WorkerError
from tellapart.report import variants as drawing
from tellapart.serving import heldout, spawn, timing, variant
from tellapart.serving.measured import Benchmark, Measured, Setup
from tellapart.serving.timed_process import Group, common_rate
from tellapart.serving.variant import Choice
from tellapart.settings import Settings, cores

Draw = Callable[..., bytes]
HUES = {"blue": (20, 30, 220), "green": (30, 200, 40), "red": (230, 30, 20)}
ONE, FOUR, PAIR = Setup(2, 1, 1), Setup(2, 1, 4), Setup(1, 2, 1)


def shade(color: str, number: int) -> tuple[int, int, int]:
    red, green, blue = HUES[color]
    return (red + number % 20, green + number // 20, blue + number % 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, draw: Draw) -> Path:
    """Six pictures a color, one without a class, one that is none, and a text."""
    root = tmp_path_factory.mktemp("pictures")
    for color in HUES:
        (root / color).mkdir()
        for number in range(6):
            (root / color / f"{number}.png").write_bytes(draw(shade(color, number)))
    (root / "loose.png").write_bytes(draw((200, 40, 40)))
    (root / "red" / "broken.png").write_bytes(b"\x89PNG and no more")
    (root / "red" / "notes.txt").write_text("no picture")
    return root


def table(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, sorted({key for row in rows for key in row}), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def whole(
    colors_bundle: Path, folder: Path, draw: Draw, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The bundle of colors with a data set in it: 4 test and 5 validation pictures of each, and
    lists that name some of the folder's as training pictures."""
    with open_archive(colors_bundle) as archive:
        files = {name: archive.read(name) for name in archive.names if name != "SHA256SUMS"}
    for split, first, count in (("test", 100, 4), ("validation", 200, 5)):
        rows = []
        for color in HUES:
            for number in range(count):
                name = f"{color}/{number}.png"
                files[f"dataset/{split}/{name}"] = draw(shade(color, first + number))
                rows.append({"file_name": name, "label": color, "split": split})
        files[f"dataset/{split}/metadata.csv"] = table(rows)
    known = [hashlib.sha256((folder / "red" / f"{n}.png").read_bytes()).hexdigest() for n in (0, 1)]
    files["dataset/train/metadata.csv"] = table([{"sha256": known[0], "split": "train"}])
    away = [{"sha256": known[1], "split": "train"}, {"sha256": "0" * 64, "split": "test"}]
    files["dataset/withheld.csv"] = table(away)
    path = tmp_path_factory.mktemp("whole") / "whole.zip"
    write_zip(path, files)
    return path


def gathered(bundle: Path, folder: Path | None = None) -> heldout.HeldOut:
    with open_archive(bundle) as archive:
        return heldout.gather(archive, read_model(archive)[0], folder)


def test_the_bundles_own_pictures_come_test_first_and_in_turn(whole: Path) -> None:
    found = gathered(whole)
    assert found.pictures.shape == (27, 32, 32, 3) and found.pictures.dtype == np.uint8
    assert found.right.tolist() == [0, 1, 2] * 9
    assert found.pictures[0, 0, 0].tolist() == [20, 35, 222], "the first test picture"
    assert "test" in found.origin and len(found.samples) == 27


def test_of_a_folder_what_was_learned_from_is_left_out(whole: Path, folder: Path) -> None:
    found = gathered(whole, folder)
    assert (found.learned, found.unusable, len(found.pictures)) == (2, 1, 17)
    assert sorted(found.right.tolist()) == [-1, *[0] * 6, *[1] * 6, *[2] * 4]


def test_where_it_is_not_known_what_was_learned_from_a_note_says_so(
    colors_bundle: Path, whole: Path, folder: Path
) -> None:
    told = []
    for bundle in (colors_bundle, whole):
        found = gathered(bundle, folder)
        with open_archive(bundle) as archive:
            notes = timing._notes(found, read_model(archive)[0])
        told.append((found.listed, any("does not list what its model" in note for note in notes)))
    assert told == [(False, True), (True, False)]


def test_without_pictures_it_says_what_to_give(
    colors_bundle: Path, sizes_bundle: Path, whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        gathered(colors_bundle)
    assert "--pictures FOLDER" in caught.value.do and "learned from" not in caught.value.do
    with open_archive(whole) as archive:
        names = [name for name in archive.names if name != "SHA256SUMS"]
        files = {n: archive.read(n) for n in names if "/test/" not in n and "/validation/" not in n}
    write_zip(tmp_path / "withheld.zip", files)
    with pytest.raises(DataError) as caught:
        gathered(tmp_path / "withheld.zip")
    assert "the one that it learned from" in caught.value.do
    with pytest.raises(DataError, match="0 usable pictures"):
        gathered(whole, tmp_path)
    with pytest.raises(NotFoundError):
        gathered(whole, tmp_path / "gone")
    with pytest.raises(InputError, match="rows of a table"):
        gathered(sizes_bundle)


@pytest.fixture(scope="module")
def measured(
    whole: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Benchmark, Settings, list[tuple[int, int, str]]]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    told: list[tuple[int, int, str]] = []
    found = timing.measure(
        whole,
        settings,
        pictures=folder,
        seconds=0.3,
        rounds=1,
        batches=(1, 2),
        watch=lambda *event: told.append(event),
    )
    return found, settings, told


def test_every_variant_is_compared_and_timed(
    measured: tuple[Benchmark, Settings, list[tuple[int, int, str]]],
) -> None:
    found, _, told = measured
    names = [one.name for one in found.variants]
    assert names[0] == "onnxruntime f32" and len(set(names)) == len(names)
    assert ("openvino f32" in names) is (importlib.util.find_spec("openvino") is not None)
    for one in found.variants:
        assert one.agreement is not None and one.error == "", one
        assert one.agreement.pictures == 17 and one.agreement.labelled == 16
        assert one.rate > 0 and one.best in one.rates and one.ready[0] > 0
        assert {setup.batch for setup in one.rates} == {1, 2}
        assert one.decode == found.reference.decode and 0 < one.decode < 1
        workers = {setup.workers * setup.threads for setup in one.rates}
        assert workers == {cores()}
    assert found.reference.faults == [] and found.reference.agreement.top1 == 1.0  # type: ignore[union-attr]
    assert [event[:2] for event in told] == [(n + 1, len(told)) for n in range(len(told))]
    assert any("17 pictures are few" in note for note in found.notes)
    assert any("2 pictures were left out" in note for note in found.notes)


def test_figures_become_a_table_a_plot_and_a_choice(
    measured: tuple[Benchmark, Settings, list[tuple[int, int, str]]], tmp_path: Path
) -> None:
    found, settings, _ = measured
    figures = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert figures["chosen"]["name"] == found.chosen.name and figures["pictures"] == 17
    text = shown(found)
    assert (
        all(one.name in text for one in found.variants)
        and "-0.0 " not in text
        and "-0.000" not in text
    )
    drawing.plot(figures, tmp_path / "plot.png", settings.cache_dir)
    data = (tmp_path / "plot.png").read_bytes()
    assert data.startswith(b"\x89PNG") and struct.unpack(">2I", data[16:24]) > (500, 400)
    variant.apply(found.model_sha256, settings, found.choice, figures)
    kept = json.loads(variant.applied_path(settings, found.model_sha256).read_bytes())
    assert kept["figures"] == figures


def agreed(top1: float = 1.0, **changes: Any) -> agreement.Agreement:
    known = {"labelled": 0, "accuracy": None, "points": None, "log_loss": None, "ece": None}
    return agreement.Agreement(
        pictures=1000, top1=top1, low=0.9, high=1.0, largest=0.1, **{**known, **changes}
    )


def benchmark(*variants: Measured) -> Benchmark:
    return Benchmark("it", 1, "0" * 64, list(variants), 1000, "somewhere", [])


def row(
    engine: str, precision: str, rates: dict[Setup, list[float]], top1: float = 1.0
) -> Measured:
    found = Measured(Choice(engine=engine, precision=precision), agreed(top1), rates=rates)
    found.memory = dict.fromkeys(rates, 100.0)
    return found


def test_the_fastest_that_agrees_is_chosen() -> None:
    exact = row("onnxruntime", "f32", {ONE: [100, 101, 99]})
    near = row("openvino", "f32", {ONE: [110, 111, 500]})
    fast = row("openvino", "bf16", {ONE: [150, 150, 150], FOUR: [200, 190, 10]})
    faster = row("openvino", "f16", {ONE: [900, 900, 900]}, top1=0.98)
    found = benchmark(exact, near, fast, faster)
    assert found.chosen is fast and found.gain == pytest.approx(1.9)
    choice = found.choice
    assert (choice.engine, choice.precision, choice.max_batch) == ("openvino", "bf16", 4)
    assert (choice.workers, choice.threads) == (2, 1) and "serves 1.90 times" in choice.reason
    assert "agrees on 98.0 %" in faster.faults[0]


def test_the_gain_is_of_what_is_served_and_the_engines_own_is_told_beside() -> None:
    exact = row("onnxruntime", "f32", {ONE: [100]})
    fast = row("openvino", "bf16", {ONE: [200]})
    exact.decode = fast.decode = 0.010
    # Two workers: 2 / (10 ms + 20 ms) beside 2 / (10 ms + 10 ms).
    found = benchmark(exact, fast)
    assert found.gain == pytest.approx(1.5)
    assert "serves 1.50 times" in found.choice.reason
    assert "engine alone is 2.00 times as fast" in found.choice.reason
    told = found.to_dict()["chosen"]
    assert (told["gain"], told["engine_gain"]) == (1.5, 2.0)


def test_of_about_equally_fast_ones_the_nearest_and_smallest_wins() -> None:
    exact = row("onnxruntime", "f32", {ONE: [98], FOUR: [100], PAIR: [99]})
    other = row("openvino", "bf16", {ONE: [100]})
    found = benchmark(exact, other)
    assert found.chosen is exact and exact.best == ONE
    assert found.choice.max_batch == 1 and "no variant" in found.choice.reason


def test_decoding_counts_because_one_worker_does_it_on_one_core() -> None:
    exact = row("onnxruntime", "f32", {ONE: [200], PAIR: [220]})
    assert exact.best == PAIR
    exact.decode = 0.002
    # Two workers: 2 / (2 ms + 10 ms); one with two threads: 1 / (2 ms + 4.5 ms).
    assert exact.best == ONE and exact.most == pytest.approx(2 / 0.012)


def test_an_int8_model_that_disagreed_when_it_was_made_is_never_chosen() -> None:
    exact = row("onnxruntime", "f32", {ONE: [100]})
    int8 = row("onnxruntime", "f32", {ONE: [900]})
    int8.choice = Choice(int8=True)
    int8.known = ["agrees on 95.0 % of 200 pictures"]
    found = benchmark(exact, int8)
    assert found.chosen is exact
    assert int8.faults == ["when it was made: agrees on 95.0 % of 200 pictures"]
    assert "when it was made" in shown(found)


def test_where_a_variant_fails_the_others_go_on() -> None:
    exact = row("onnxruntime", "f32", {ONE: [100]})
    broken = Measured(Choice(engine="openvino"), None, error="It does not run here")
    found = benchmark(exact, broken)
    assert found.chosen is exact and broken.faults == ["It does not run here"]
    assert "It does not run here" in shown(found)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(2, 1), (1, 2)]),
        (8, [(8, 1), (4, 2), (1, 8)]),
        (64, [(16, 4), (4, 16), (1, 64)]),
    ],
)
def test_layouts_fill_the_cores(cores: int, expected: list[tuple[int, int]]) -> None:
    assert timing.layouts(cores) == expected


def test_a_process_that_fails_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    load = {"bundle": str(tmp_path / "gone.zip"), "choice": {}, "cache_dir": "", "pictures": ""}
    with pytest.raises(WorkerError, match="no bundle at"):
        Group(load, 2)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_nothing_is_opened_in_a_window_that_all_begin_together(
    whole: Path, tmp_path: Path, engine: str
) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    np.save(tmp_path / "pictures.npy", gathered(whole).pictures)
    load = {"bundle": str(whole), "pictures": str(tmp_path / "pictures.npy"), "cache_dir": ""}
    choice = {"engine": engine, "threads": 1}
    with (
        Group({**load, "choice": choice}, 2) as group,
        pytest.raises(WorkerError, match="was not prepared"),
    ):
        group.ask({"time": {"batch": 2, "seconds": 0.01, "at": 0.0}})
    with Group({**load, "choice": choice}, 2) as group:
        for batch in (2, 1):
            rate, memory = group.timed(batch, 0.2)
            assert rate > 0 and (memory or 1) > 0
            assert [told["prepared"] for told in group.prepared] == [batch, batch]


def test_only_the_time_counts_in_which_all_were_at_work() -> None:
    assert common_rate([(0.0, [0.5, 1.0])], 4) == (8.0, 1.0)
    alike = [(0.0, [0.5, 1.0]), (0.0, [0.5, 1.0])]
    assert common_rate(alike, 1) == (4.0, 1.0)
    # Alone each took 0.1 s a batch, side by side 0.2 s: the window is from 1 to 2.
    one = (0.0, [n / 10 for n in range(1, 11)] + [1 + n / 5 for n in range(1, 6)])
    two = (1.0, [1 + n / 5 for n in range(1, 6)] + [2 + n / 10 for n in range(1, 11)])
    rate, shared = common_rate([one, two], 1)
    assert rate == pytest.approx(10.0) and shared == pytest.approx(1.0)
    # Half of a batch lies in the window of the other.
    assert common_rate([(0.0, [1.0]), (0.5, [1.0])], 2) == (pytest.approx(6.0), 0.5)
    assert common_rate([(0.0, [1.0]), (2.0, [3.0])], 1) == (2.0, 0.0)


def test_processes_have_the_memory_settings_of_the_servers_workers(
    whole: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "pictures.npy", gathered(whole).pictures)
    load = {"bundle": str(whole), "pictures": str(tmp_path / "pictures.npy"), "cache_dir": ""}
    with Group({**load, "choice": {}}, 1) as group:
        given = Path(f"/proc/{group._processes[0].pid}/environ")
        if not given.exists():
            pytest.skip("there is no /proc here")
        found = dict(word.split("=", 1) for word in given.read_text().split("\0") if "=" in word)
    assert {key: found.get(key) for key in spawn.MEMORY} == {
        key: os.environ.get(key, value) for key, value in spawn.MEMORY.items()
    }


@pytest.mark.parametrize(
    "options",
    [{"seconds": 0.0}, {"seconds": float("nan")}, {"out": Path("plot.jpg")}],
    ids=["no time", "no number", "no png"],
)
def test_options_that_cannot_be_are_refused_before_anything_is_measured(
    whole: Path, options: dict[str, Any], home: Path
) -> None:
    with pytest.raises(InputError) as caught:
        benchmark_verb(str(whole), **options)
    assert next(iter(options)) in caught.value.what
    assert not (home / "cache").exists()
