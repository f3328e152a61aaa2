"""Which of a model's variants serves on this machine: engine, precision, int8, threads, batch.

A choice made by measurement (`tellapart benchmark BUNDLE --apply`) lies in a file of this machine,
`cache/variants/SHA256.json` (with an int8 model also named by that one's sum), and holds only for
the models, the processor and the libraries that it was measured with. Without one ONNX Runtime
serves in f32: the exact model, soonest ready.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from tellapart.bundle import agreement
from tellapart.bundle.archive import MODEL_LIMIT, open_archive, refuse
from tellapart.bundle.manifest import Manifest, sha256, to_json
from tellapart.bundle.session import EngineName, Precision, Session
from tellapart.errors import NotFoundError, StorageError
from tellapart.settings import Settings, cores

#: The quantized model's name in a bundle that has one.
INT8 = "variants/int8.onnx"
#: The form of the file of a choice; another one too where figures were taken otherwise.
_FORM = 2
_SUM = re.compile(r"[0-9a-f]{64}")
_LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "openvino")
#: The most threads, workers or pictures together that a file may ask for.
_MOST = 1024


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
    max_batch: int = 4
    device: str = "cpu"
    #: Where compiled models are kept; None: nowhere.
    cache_dir: Path | None = None
    #: Whether a measurement on this machine chose it.
    applied: bool = False
    #: One line for people: why this one.
    reason: str = "not measured on this machine"

    @property
    def name(self) -> str:
        """Such as `openvino bf16` or `openvino int8`."""
        return variant_name(self.engine, self.precision, self.int8)


def variant_name(engine: str, precision: str, int8: bool) -> str:
    """What a variant is called: its engine and its numbers."""
    return f"{engine} {'int8' if int8 and precision == 'f32' else precision}" + (
        "+int8" if int8 and precision != "f32" else ""
    )


def choice(
    manifest: Manifest, model_sha256: str, settings: Settings, *, device: str = "cpu"
) -> Choice:
    """How to serve the model whose `model.onnx` has this SHA-256 (hex).

    Never raises: where an applied choice cannot be used, `reason` says why, and the rule decides.
    """
    kept = compiled_dir(settings)
    plain = Choice(device=device, cache_dir=kept)
    if device != "cpu":
        # One process feeds the device; larger batches are what it is there for.
        return replace(plain, workers=1, max_batch=16, reason=f"the device {device} is asked for")
    path = applied_path(settings, model_sha256, int8_sum(manifest))
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        return plain
    except (OSError, ValueError) as error:
        return replace(plain, reason=f"the choice in {path.name} cannot be read ({error})")
    fault = _fault(raw, manifest)
    if fault:
        again = "run `tellapart benchmark BUNDLE --apply` again"
        return replace(plain, reason=f"the choice that was applied is not used: {fault}; {again}")
    given = raw["choice"]
    fields = {key: given[key] for key in _WORDS | _NUMBERS}
    return replace(plain, **fields, applied=True, reason=str(raw.get("reason", "measured here")))


def apply(
    model_sha256: str,
    settings: Settings,
    chosen: Choice,
    figures: Mapping[str, Any],
    int8_sha256: str = "",
) -> Path:
    """Keep `chosen` for this machine; `figures` (JSON-able) are kept beside. `StorageError`.

    `int8_sha256`: the sum of the int8 model beside `model.onnx`, where there is one (`int8_sum`).
    """
    path = applied_path(settings, model_sha256, int8_sha256)
    facts = {
        "form": _FORM,
        "int8": int8_sha256,
        "machine": machine(),
        "libraries": libraries(),
        "choice": {key: getattr(chosen, key) for key in _WORDS | _NUMBERS},
        "reason": chosen.reason,
        "figures": dict(figures),
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(to_json(facts))
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"The choice cannot be written to {str(path)!r}: {error.strerror or error}.",
            expected="a folder that can be written to",
            do="Make room, or set TELLAPART_HOME to another folder.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def applied_path(settings: Settings, model_sha256: str, int8_sha256: str = "") -> Path:
    """Where this machine keeps its choice for a model, and the int8 model beside it."""
    beside = f"-{int8_sha256[:16]}" if int8_sha256 else ""
    return settings.cache_dir / "variants" / f"{model_sha256}{beside}.json"


def compiled_dir(settings: Settings) -> Path:
    """Where models that OpenVINO has compiled are kept."""
    return settings.cache_dir / "openvino"


def open_session(bundle_path: Path, manifest: Manifest, model: bytes, choice: Choice) -> Session:
    """A session as `choice` says; `model` is the bundle's own, used where int8 is not chosen.

    Raises what `read_int8` and `Session` raise.
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
        batch=choice.max_batch if manifest.picture is not None else 0,
    )


def int8_facts(manifest: Manifest) -> Mapping[str, Any] | None:
    """What the manifest says of the int8 model that is in the bundle; None: there is none."""
    variants = manifest.raw.get("variants")
    facts = variants.get("int8") if isinstance(variants, dict) else None
    return facts if isinstance(facts, dict) and facts.get("file") == INT8 else None


def int8_sum(manifest: Manifest) -> str:
    """The SHA-256 (hex) of the bundle's int8 model, as its manifest says; empty: there is none."""
    digest = (int8_facts(manifest) or {}).get("sha256")
    return digest if isinstance(digest, str) and _SUM.fullmatch(digest) else ""


def int8_faults(manifest: Manifest) -> list[str]:
    """What was found against the bundle's int8 model when it was made; empty: nothing, or none."""
    facts = int8_facts(manifest) or {}
    if "agrees" in facts:
        faults = facts.get("faults")
        if facts["agrees"] is True:
            return []
        return list(map(str, faults)) if isinstance(faults, list) and faults else ["disagrees"]
    # Bundles made before this was said have the share alone.
    agreed = facts.get("agreement")
    share = agreed.get("top1") if isinstance(agreed, dict) else None
    if isinstance(share, float) and share < agreement.TOP1:
        return [f"agrees on {100 * share:.1f} % of the pictures that it was compared on"]
    return []


def read_int8(bundle_path: Path, manifest: Manifest) -> bytes:
    """The quantized model of a bundle, compared with the sum that its manifest names.

    Raises `NotFoundError` where the bundle has none, `VerificationError` where it is damaged.
    """
    facts = int8_facts(manifest)
    if facts is None:
        raise NotFoundError(
            f"The bundle {manifest.name!r} has no int8 model.",
            expected=f"{INT8} in it, and its facts in the manifest",
            do="Make it with `tellapart compile NAME --int8`, or choose another precision.",
        )
    with open_archive(bundle_path) as archive:
        data = archive.read(INT8, MODEL_LIMIT)
    if sha256(data) != facts.get("sha256"):
        raise refuse(bundle_path, [f"the content of {INT8!r} is not what manifest.json says"])
    return data


def machine() -> dict[str, Any]:
    """What speed depends on here: the processor, its instructions (their hash) and the cores."""
    lines = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    found: dict[str, str] = {}
    for line in lines.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        found[key.strip()] = value.strip()
    flags = " ".join(sorted((found.get("flags") or found.get("Features") or "").split()))
    return {
        "processor": found.get("model name") or platform.processor() or platform.machine(),
        "instructions": hashlib.sha256(flags.encode()).hexdigest()[:16],
        "cores": cores(),
    }


def libraries() -> dict[str, str]:
    """Versions of the engines that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


#: Keys of a choice and what they may be.
_WORDS: dict[str, tuple[Any, ...]] = {
    "engine": get_args(EngineName),
    "precision": get_args(Precision),
    "int8": (True, False),
}
_NUMBERS: dict[str, int] = {"threads": 1, "workers": 0, "max_batch": 1}


def _fault(raw: Any, manifest: Manifest) -> str:
    """Why a choice that was read is not used; empty: it is."""
    if not isinstance(raw, dict) or raw.get("form") != _FORM:
        return "its file has another form"
    if raw.get("machine") != machine():
        return "it was made on another processor, or with other cores"
    if raw.get("libraries") != libraries():
        return "it was made with other versions of the engines"
    if raw.get("int8") != int8_sum(manifest):
        return "it was made with another int8 model"
    given = raw.get("choice")
    if not isinstance(given, dict):
        return "its file is damaged"
    for key, known in _WORDS.items():
        if given.get(key) not in known:
            return f"its {key} is {given.get(key)!r}"
    for key, least in _NUMBERS.items():
        value = given.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
            return f"its {key} is {value!r}"
    if given["engine"] == "onnxruntime" and given["precision"] != "f32":
        return f"ONNX Runtime has no {given['precision']}"
    if given["int8"] and int8_facts(manifest) is None:
        return "the bundle has no int8 model"
    if given["int8"] and int8_faults(manifest):
        return "the int8 model disagrees with the exact one"
    return ""
