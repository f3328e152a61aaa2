"""Which variant serves: the rule, a choice kept for this machine, and what makes it void."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tellapart.bundle.archive import open_archive
from tellapart.bundle.manifest import Manifest, sha256
from tellapart.bundle.predictor import Bundle, read_model
from tellapart.bundle.session import Session
from tellapart.bundle.write import write_zip
from tellapart.errors import InputError, MissingExtraError, NotFoundError, VerificationError
from tellapart.serving import hosting, variant
from tellapart.serving.variant import Choice
from tellapart.settings import Settings

DIGEST = "ab" * 32
OURS = Choice(engine="openvino", precision="bf16", threads=1, workers=2, max_batch=4)


def opened(path: Path) -> tuple[Manifest, bytes]:
    with open_archive(path) as archive:
        return read_model(archive)


@pytest.fixture(scope="module")
def manifest(colors_bundle: Path) -> Manifest:
    return opened(colors_bundle)[0]


def with_int8(source: Path, path: Path, model: bytes, **facts: Any) -> Path:
    """The bundle `source` with `model` as its int8 variant."""
    with open_archive(source) as archive:
        files = {name: archive.read(name) for name in archive.names if name != "SHA256SUMS"}
    raw = json.loads(files["manifest.json"])
    said = {"file": variant.INT8, "sha256": sha256(model), **facts}
    files["manifest.json"] = json.dumps({**raw, "variants": {"int8": said}}).encode()
    files[variant.INT8] = model
    write_zip(path, files)
    return path


@pytest.fixture
def quantized(colors_bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    """The same bundle with another model (its classes less sure) as its int8 variant."""
    other = opened(make_bundle(tmp_path / "other", gain=1.0))[1]
    return with_int8(colors_bundle, tmp_path / "with.zip", other)


def test_without_a_measurement_the_exact_model_serves(
    manifest: Manifest, settings: Settings
) -> None:
    found = variant.choice(manifest, DIGEST, settings)
    assert (found.engine, found.precision, found.int8) == ("onnxruntime", "f32", False)
    assert (found.threads, found.workers, found.applied) == (1, 0, False)
    assert found.cache_dir == settings.cache_dir / "openvino"


def test_an_applied_choice_is_found_again(manifest: Manifest, settings: Settings) -> None:
    path = variant.apply(DIGEST, settings, replace(OURS, reason="it is fast"), {"figures": 1})
    assert path.parent == settings.cache_dir / "variants"
    found = variant.choice(manifest, DIGEST, settings)
    assert found == replace(
        OURS, applied=True, reason="it is fast", cache_dir=settings.cache_dir / "openvino"
    )
    assert variant.choice(manifest, "cd" * 32, settings).applied is False, "of another model"
    kept = json.loads(path.read_bytes())
    assert kept["figures"] == {"figures": 1} and kept["machine"] == variant.machine()
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing half-written is left"


def test_a_choice_is_not_used_for_another_int8_model(
    manifest: Manifest, settings: Settings
) -> None:
    def beside(digest: str) -> Manifest:
        facts = {"file": variant.INT8, "sha256": digest}
        return replace(manifest, raw={**manifest.raw, "variants": {"int8": facts}})

    one, two = beside("a" * 64), beside("b" * 64)
    int8 = replace(OURS, precision="f32", int8=True)
    path = variant.apply(DIGEST, settings, int8, {}, variant.int8_sum(one))
    assert variant.choice(one, DIGEST, settings).int8
    for other in (two, manifest):
        found = variant.choice(other, DIGEST, settings)
        assert not found.applied and not found.int8, "made anew, or left out"
    # Each has its own file, and what stands in one is compared too.
    variant.apply(DIGEST, settings, OURS, {}, variant.int8_sum(two))
    assert variant.choice(one, DIGEST, settings).int8
    assert variant.choice(two, DIGEST, settings).precision == "bf16"
    assert path != variant.applied_path(settings, DIGEST)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "int8": "c" * 64}))
    found = variant.choice(one, DIGEST, settings)
    assert not found.applied and "int8 model" in found.reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, ""),
        ({"agrees": True, "faults": []}, ""),
        ({"agrees": False, "faults": ["agrees on 95.0 % of 200 pictures"]}, "95.0 %"),
        ({"agrees": False}, "disagrees"),
        ({"agrees": False, "faults": 5}, "disagrees"),
        ({"agreement": {"top1": 0.9497, "pictures": 179}}, "95.0 %"),
        ({"agreement": {"top1": 1.0, "pictures": 179}}, ""),
        ({"agreement": {"top1": "?"}}, ""),
    ],
)
def test_what_the_manifest_says_against_an_int8_model_is_found(
    manifest: Manifest, said: dict[str, Any], told: str
) -> None:
    facts = {"file": variant.INT8, "sha256": "a" * 64, **said}
    faults = variant.int8_faults(
        replace(manifest, raw={**manifest.raw, "variants": {"int8": facts}})
    )
    assert told in "; ".join(faults) and bool(faults) is bool(told)
    assert variant.int8_faults(manifest) == []


def test_an_int8_model_that_disagrees_is_served_with_a_warning(
    colors_bundle: Path, tmp_path: Path, home: Path
) -> None:
    model = opened(colors_bundle)[1]
    faults = ["agrees on 95.0 % of 200 pictures"]
    path = with_int8(colors_bundle, tmp_path / "bad.zip", model, agrees=False, faults=faults)
    wanted = {"bundles": [str(path)], "device": "cpu", "max_pixels": 1000, "workers": 1}
    wanted |= {"engine": "auto", "threads": 1, "max_batch": 0}

    def told(precision: str) -> dict[str, Any]:
        host = hosting.load({**wanted, "precision": precision})
        host.open()
        (facts,) = host.facts()
        return dict(facts["runs_on"])

    assert "95.0 %" in told("int8")["warning"]
    assert "warning" not in told("auto")
    manifest, model = opened(path)
    settings, digest = Settings.from_env(), sha256(model)
    variant.apply(digest, settings, replace(OURS, precision="f32", int8=True), {}, digest)
    found = variant.choice(manifest, digest, settings)
    assert not found.int8 and "disagrees" in found.reason


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("machine", {"processor": "another", "instructions": "0", "cores": 2}, "processor"),
        ("libraries", {"onnxruntime": "0.1"}, "versions"),
        ("form", 1, "form"),
        ("form", 99, "form"),
        ("choice", None, "damaged"),
        ("choice", {"engine": "another"}, "engine is 'another'"),
    ],
)
def test_a_choice_made_elsewhere_is_not_used(
    manifest: Manifest, settings: Settings, key: str, value: Any, told: str
) -> None:
    path = variant.apply(DIGEST, settings, OURS, {})
    path.write_text(json.dumps({**json.loads(path.read_bytes()), key: value}))
    found = variant.choice(manifest, DIGEST, settings)
    assert (found.engine, found.precision, found.applied) == ("onnxruntime", "f32", False)
    assert told in found.reason and "\n" not in found.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"int8": True}, "no int8 model"),
        ({"threads": 0}, "threads is 0"),
        ({"max_batch": True}, "max_batch is True"),
        ({"workers": 10**9}, "workers is 1000000000"),
        ({"engine": "onnxruntime"}, "no bf16"),
        ({"precision": ["bf16"]}, "precision is"),
    ],
)
def test_a_choice_that_cannot_be_is_not_used(
    manifest: Manifest, settings: Settings, changes: dict[str, Any], told: str
) -> None:
    path = variant.apply(DIGEST, settings, OURS, {})
    raw = json.loads(path.read_bytes())
    path.write_text(json.dumps({**raw, "choice": {**raw["choice"], **changes}}))
    found = variant.choice(manifest, DIGEST, settings)
    assert not found.applied and told in found.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries(
    {
        "form": st.just(variant._FORM),
        "machine": st.just(variant.machine()) | JSON,
        "libraries": st.just(variant.libraries()) | JSON,
        "choice": JSON
        | st.dictionaries(
            st.sampled_from(["engine", "precision", "int8", "threads", "workers", "max_batch"]),
            JSON | st.sampled_from(["openvino", "f32"]),
        ),
    }
)


@given(data=st.binary(max_size=60) | PARTS.map(lambda value: json.dumps(value).encode()))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_stands_in_the_file_something_serves(
    manifest: Manifest, settings: Settings, data: bytes
) -> None:
    path = variant.applied_path(settings, DIGEST)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    found = variant.choice(manifest, DIGEST, settings)
    assert found.threads >= 1 and found.max_batch >= 1


def test_another_device_has_its_own_rule(manifest: Manifest, settings: Settings) -> None:
    variant.apply(DIGEST, settings, OURS, {})
    found = variant.choice(manifest, DIGEST, settings, device="cuda")
    assert (found.engine, found.device, found.applied) == ("onnxruntime", "cuda", False)


def test_cuda_is_used_or_refused_but_never_replaced(colors_bundle: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(MissingExtraError, match="cuda") as caught:
        Session(opened(colors_bundle)[1], device="cuda")
    assert "onnxruntime-gpu" in caught.value.expected


@pytest.mark.parametrize(
    "words",
    [
        {"engine": "abacus"},
        {"precision": "f8", "engine": "openvino"},
        {"precision": "bf16"},
        {"device": "tpu"},
        {"device": "cuda", "engine": "openvino"},
    ],
)
def test_unknown_words_are_refused(colors_bundle: Path, words: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        Session(opened(colors_bundle)[1], **words)  # type: ignore[arg-type]
    assert all(repr(value) in caught.value.what or value == "openvino" for value in words.values())


def test_the_int8_model_is_read_and_compared_with_its_sum(
    quantized: Path, colors_bundle: Path, tmp_path: Path
) -> None:
    manifest, model = opened(quantized)
    facts = variant.int8_facts(manifest)
    assert facts is not None and variant.read_int8(quantized, manifest) != model
    session = variant.open_session(quantized, manifest, b"not used", Choice(int8=True))
    red = np.full((1, 32, 32, 3), (230, 30, 20), np.uint8)
    found = session.run(red, ["probabilities"])["probabilities"]
    exact = Session(model).run(red, ["probabilities"])["probabilities"]
    assert found.shape == (1, 3) and np.abs(found - exact).max() > 0.01
    other = replace(manifest, raw={**manifest.raw, "variants": {"int8": {**facts, "sha256": "0"}}})
    with pytest.raises(VerificationError, match=r"variants/int8\.onnx"):
        variant.read_int8(quantized, other)
    with pytest.raises(NotFoundError, match="has no int8 model"):
        variant.read_int8(colors_bundle, opened(colors_bundle)[0])
    assert Bundle.load(quantized).labels == Bundle.load(colors_bundle).labels


@pytest.mark.parametrize("said", [5, {}, {"int8": 3}, {"int8": {"left_out": "it disagrees"}}])
def test_odd_variants_in_a_manifest_count_as_none(manifest: Manifest, said: Any) -> None:
    assert variant.int8_facts(replace(manifest, raw={**manifest.raw, "variants": said})) is None


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_openvino_answers_alike_whatever_it_plans_for(
    colors_bundle: Path, tmp_path: Path, batch: int
) -> None:
    pytest.importorskip("openvino")
    model = opened(colors_bundle)[1]
    pictures = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    names = ["probabilities", "familiarity", "map"]
    exact = Session(model).run(pictures, names)
    for keep in (None, tmp_path / "kept", tmp_path / "kept"):
        session = Session(model, engine="openvino", threads=1, cache_dir=keep, batch=batch)
        for count in (7, 1, 4, 3):
            found = session.run(pictures[:count], names)
            for name in names:
                assert found[name].shape == exact[name][:count].shape
                assert np.abs(found[name] - exact[name][:count]).max() < 1e-5
    assert len(list((tmp_path / "kept").iterdir())) == len({1, batch}) - (batch == 0)


def test_many_threads_may_ask_one_session(colors_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model = opened(colors_bundle)[1]
    session = Session(model, engine="openvino", threads=1, cache_dir=tmp_path, batch=4)
    pictures = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    exact = Session(model).run(pictures, ["probabilities"])["probabilities"]

    def ask(start: int) -> float:
        found = session.run(pictures[start : start + 5], ["probabilities"])["probabilities"]
        return float(np.abs(found - exact[start : start + 5]).max())

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(ask, [n % 36 for n in range(200)])) < 1e-5


def test_what_was_compiled_is_kept_and_damage_is_seen(colors_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model = opened(colors_bundle)[1]
    picture = np.full((1, 32, 32, 3), 99, np.uint8)
    exact = Session(model).run(picture, ["probabilities"])["probabilities"]

    def off(batch: int = 1) -> float:
        session = Session(model, engine="openvino", threads=1, cache_dir=tmp_path, batch=batch)
        taken = session.run(np.repeat(picture, batch, 0), ["probabilities"])["probabilities"]
        return float(np.abs(taken - exact).max())

    assert off() < 1e-5
    (kept,) = tmp_path.iterdir()
    whole, stamp = kept.read_bytes(), kept.stat().st_mtime_ns
    assert off() < 1e-5 and kept.stat().st_mtime_ns == stamp, "loaded, not compiled again"
    for damaged in (whole[:-1], b"", whole[:32] + b"x" + whole[33:], whole[::-1]):
        kept.write_bytes(damaged)
        # Not always of the same length: it holds what the compilation happened upon.
        assert off() < 1e-5 and kept.read_bytes() != damaged, "compiled and kept anew"
    assert off(batch=4) < 1e-5
    (larger,) = set(tmp_path.iterdir()) - {kept}
    larger.write_bytes(larger.read_bytes()[:-1])
    assert off(batch=4) < 1e-5
    Session(model, engine="openvino", precision="bf16", cache_dir=tmp_path, batch=1)
    assert len(list(tmp_path.iterdir())) == 3, "each precision and size has a file of its own"


@pytest.mark.parametrize("damage", ["deleted", "replaced", "cut", "spoiled"])
def test_a_plan_that_is_lost_while_it_serves_breaks_no_batch(
    colors_bundle: Path, tmp_path: Path, damage: str
) -> None:
    pytest.importorskip("openvino")
    model = opened(colors_bundle)[1]
    pictures = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    exact = Session(model).run(pictures, ["probabilities"])["probabilities"]
    session = Session(model, engine="openvino", threads=1, cache_dir=tmp_path, batch=4)
    for kept in tmp_path.iterdir():
        if damage == "deleted":
            kept.unlink()
        elif damage == "replaced":
            (tmp_path / "new").write_bytes(b"of another program")
            (tmp_path / "new").replace(kept)
        elif damage == "cut":
            kept.write_bytes(kept.read_bytes()[:100])
        else:
            kept.write_bytes(kept.read_bytes()[::-1])
    for count in (4, 9, 1):
        found = session.run(pictures[:count], ["probabilities"])["probabilities"]
        assert np.abs(found - exact[:count]).max() < 1e-5


def test_a_cache_that_cannot_be_written_is_no_fault(colors_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "file").write_text("")
    session = Session(
        opened(colors_bundle)[1], engine="openvino", cache_dir=tmp_path / "file" / "below"
    )
    assert session.run(np.zeros((1, 32, 32, 3), np.uint8), ["probabilities"])
