"""Which of a model's variants serves on this machine: engine, precision, int8, threads, batch.

A choice made by measurement (`tellapart benchmark BUNDLE --apply`) lies in a file of this machine,
`cache/variants/SHA256.json`, and holds only for the processor and the libraries that it was
measured with. Without one ONNX Runtime serves in f32: the reference, soonest ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tellapart.bundle.archive import MODEL_LIMIT, open_archive, refuse
from tellapart.bundle.manifest import Manifest, sha256
from tellapart.bundle.session import Session
from tellapart.settings import Settings

#: The quantized model's name in a bundle that has one.
INT8 = "variants/int8.onnx"


@dataclass(frozen=True)
class Choice:
    """How one model is served here. Replace single fields with `dataclasses.replace`."""

    engine: str = "onnxruntime"
    #: What the engine computes with: f32, bf16, f16.
    precision: str = "f32"
    #: Whether the quantized model of the bundle answers.
    int8: bool = False
    #: Threads of one worker's inference.
    threads: int = 1
    #: Worker processes; 0: as many as cores.
    workers: int = 0
    #: Pictures that go through the model together at most.
    max_batch: int = 8
    device: str = "cpu"
    #: Where compiled models are kept; None: nowhere.
    cache_dir: Path | None = None
    #: Whether a measurement on this machine chose it.
    applied: bool = False
    #: One line for people: why this one.
    reason: str = "no measurement on this machine"


def choice(
    manifest: Manifest, model_sha256: str, settings: Settings, *, device: str = "cpu"
) -> Choice:
    """How to serve the model whose `model.onnx` has this SHA-256 (hex).

    Never raises for a choice that cannot be used: `reason` says why, and the rule decides.
    """
    return Choice(device=device, cache_dir=settings.cache_dir / "openvino")


def open_session(bundle_path: Path, manifest: Manifest, model: bytes, choice: Choice) -> Session:
    """A session as `choice` says; `model` is the bundle's own, used where int8 is not chosen.

    Raises `VerificationError` where the bundle lacks the quantized model, or it is damaged, and
    what `Session` raises.
    """
    if choice.int8:
        model = read_int8(bundle_path, manifest)
    return Session(
        model,
        engine=choice.engine,
        threads=choice.threads,
        precision=choice.precision,
        device=choice.device,
        cache_dir=choice.cache_dir if choice.engine == "openvino" else None,
    )


def read_int8(bundle_path: Path, manifest: Manifest) -> bytes:
    """The quantized model of a bundle, compared with the manifest's sum. `VerificationError`."""
    facts = manifest.raw.get("variants", {}).get("int8", {})
    with open_archive(bundle_path) as archive:
        data = archive.read(INT8, MODEL_LIMIT)
    if sha256(data) != facts.get("sha256"):
        raise refuse(bundle_path, [f"the content of {INT8!r} is not what manifest.json says"])
    return data
