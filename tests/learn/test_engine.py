"""Both engines give the same answers, the same bits each time, from any number of threads."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tellapart.errors import MissingExtraError, VerificationError
from tellapart.learn import backbone, engine
from tellapart.learn.engine import Engine

ENGINES = ("openvino", "onnxruntime")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(cache: Path) -> bytes:
    return backbone.embedded(cache).onnx.read_bytes()


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)


def test_the_rule_takes_openvino_where_it_agrees(model: bytes, cache: Path) -> None:
    pytest.importorskip("openvino", reason="the rule's other half is tested without it")
    found = Engine(model, threads=1, cache_dir=cache)
    assert found.name == "openvino"
    assert "agrees" in found.reason
    assert found.outputs == ("features", "feature_map")


def test_the_rule_without_openvino(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = Engine(model, threads=1)
    assert (found.name, found.reason) == ("onnxruntime", "OpenVINO is not installed")
    with pytest.raises(MissingExtraError, match="'openvino' is not installed"):
        Engine(model, threads=1, prefer="openvino")


def test_the_rule_when_they_differ(
    model: bytes, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "AGREEMENT", 0.0)
    found = Engine(model, threads=1)
    assert found.name == "onnxruntime"
    assert "differs" in found.reason
    assert found.run(batch[:1])["features"].shape == (1, 1280)


def test_engines_agree_in_fp32(model: bytes, cache: Path, batch: np.ndarray) -> None:
    answers = [
        Engine(model, threads=1, prefer=name, cache_dir=cache).run(
            batch, ("feature_map", "features")
        )
        for name in ENGINES
    ]
    for output in ("features", "feature_map"):
        left, right = (answer[output] for answer in answers)
        assert left.dtype == right.dtype == np.float32
        # bf16, which OpenVINO prefers where the CPU has it, is off by more than 1e-2.
        assert np.abs(left - right).max() < 1e-4
    assert np.allclose(answers[0]["features"], answers[0]["feature_map"].mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("name", ENGINES)
def test_same_bits_for_any_batch_order_and_threads(
    name: engine.EngineName, model: bytes, cache: Path, batch: np.ndarray
) -> None:
    one = Engine(model, threads=1, prefer=name, cache_dir=cache)
    two = Engine(model, threads=2, prefer=name, cache_dir=cache, callers=2)
    whole = one.run(batch)["features"]
    assert np.array_equal(one.run(batch[::-1])["features"][::-1], whole)
    assert np.array_equal(one.run(batch[4:5])["features"], whole[4:5])
    assert np.array_equal(two.run(batch)["features"], whole)
    assert one.run(batch[:0])["features"].shape == (0, 1280)


@pytest.mark.parametrize("name", ENGINES)
def test_four_threads_hammer_one_engine(
    name: engine.EngineName, model: bytes, cache: Path, batch: np.ndarray
) -> None:
    shared = Engine(model, threads=2, prefer=name, cache_dir=cache, callers=4)
    expected = shared.run(batch)["features"]
    start, failures = threading.Barrier(4), []

    def hammer(mine: int) -> None:
        start.wait()
        for turn in range(12):
            at = (mine + turn) % len(batch)
            found = shared.run(batch[at : at + 1])["features"]
            if not np.array_equal(found, expected[at : at + 1]):
                failures.append((mine, turn))

    threads = [threading.Thread(target=hammer, args=(i,), daemon=True) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "the engine hangs"
    assert failures == []


needs_bf16 = pytest.mark.skipif(
    not (importlib.util.find_spec("openvino") and engine._has_bf16()),
    reason="OpenVINO, or bf16 on this CPU, is not here",
)


@needs_bf16
def test_bf16_runs_where_it_agrees(model: bytes, tmp_path: Path, batch: np.ndarray) -> None:
    plain = Engine(model, threads=1, cache_dir=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    half = Engine(model, threads=1, cache_dir=tmp_path, precision="bf16")
    assert (plain.precision, half.precision, half.name) == ("fp32", "bf16", "openvino")
    assert "agrees with fp32" in half.reason
    assert len([one for one in (tmp_path / "openvino").iterdir() if one not in before]) == 1
    rows, exact = half.run(batch)["features"], plain.run(batch)["features"]
    assert rows.dtype == np.float32 and not np.array_equal(rows, exact)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(exact, axis=1)
    assert ((rows * exact).sum(axis=1) / lengths).min() >= engine.AGREEMENT_BF16
    again = Engine(model, threads=1, cache_dir=tmp_path)  # from its own cache, not from the other's
    assert np.array_equal(again.run(batch)["features"], exact)
    two = Engine(model, threads=2, cache_dir=tmp_path, callers=2, precision="bf16")
    assert np.array_equal(two.run(batch[4:5])["features"], rows[4:5])


@needs_bf16
def test_bf16_that_differs_does_not_run(
    model: bytes, cache: Path, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = Engine(model, threads=1, cache_dir=cache).run(batch[:2])["features"]
    monkeypatch.setattr(engine, "AGREEMENT_BF16", 1.1)
    found = Engine(model, threads=1, cache_dir=cache, precision="bf16")
    assert found.precision == "fp32" and "bf16 differs from fp32" in found.reason
    assert np.array_equal(found.run(batch[:2])["features"], exact)


def test_bf16_on_a_cpu_without_it(
    model: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="without it the reason is another one")
    monkeypatch.setattr(engine, "_has_bf16", lambda: False)
    found = Engine(model, threads=1, cache_dir=cache, precision="bf16")
    assert (found.precision, found.reason) == ("fp32", "the CPU has no bf16")


def test_bf16_without_openvino(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = Engine(model, threads=1, precision="bf16")
    assert found.precision == "fp32"
    assert found.reason == "bf16 needs OpenVINO; OpenVINO is not installed"


def test_answers_stay_what_they_were(model: bytes, cache: Path, batch: np.ndarray) -> None:
    shared = Engine(model, threads=1, cache_dir=cache)
    first = shared.run(batch[:1])["features"]
    copy = first.copy()
    shared.run(batch[1:2])
    assert np.array_equal(first, copy)


def test_wrong_batches_and_outputs_are_refused(model: bytes, batch: np.ndarray) -> None:
    plain = Engine(model, threads=1, prefer="onnxruntime")
    for wrong in (batch.astype(np.float32), batch[0], batch[:, :100], batch[..., :1]):
        with pytest.raises(ValueError, match="expected uint8"):
            plain.run(wrong)
    with pytest.raises(ValueError, match="nonsense"):
        plain.run(batch, ("nonsense",))


@pytest.mark.parametrize("prefer", [None, *ENGINES])
def test_what_is_no_model_is_said(prefer: engine.EngineName | None) -> None:
    with pytest.raises(VerificationError, match="cannot be loaded"):
        Engine(b"no model", threads=1, prefer=prefer)


def test_reads_a_path_and_survives_a_broken_cache(
    cache: Path, tmp_path: Path, batch: np.ndarray
) -> None:
    pytest.importorskip("openvino", reason="only OpenVINO keeps a cache")
    path = backbone.embedded(cache).onnx
    whole = Engine(path, threads=1, prefer="openvino", cache_dir=tmp_path).run(batch)["features"]
    blobs = [file for file in (tmp_path / "openvino").rglob("*") if file.is_file()]
    assert blobs
    assert not list((tmp_path / "openvino").glob(".part-*"))
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[:5000])
    again = Engine(path, threads=1, prefer="openvino", cache_dir=tmp_path).run(batch)["features"]
    assert np.array_equal(again, whole)
    (tmp_path / "file").write_text("where the cache should be")
    Engine(path, threads=1, prefer="openvino", cache_dir=tmp_path / "file").run(batch[:1])


def test_importing_loads_no_engine() -> None:
    importlib.import_module("tellapart.learn.engine")
    line = (
        "import sys, tellapart.learn.features, tellapart.learn.graph; "
        "print([m for m in ('openvino', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
