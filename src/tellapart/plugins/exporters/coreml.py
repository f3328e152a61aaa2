"""Core ML for Apple's systems: the proved files of a network, or a head's network made now."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from tellapart import images
from tellapart.bundle import Bundle
from tellapart.bundle.archive import MODEL_LIMIT, Archive, open_archive, refuse
from tellapart.bundle.manifest import HEAD_FORMAT, read_sums, sha256
from tellapart.bundle.predictor import SUMS
from tellapart.doors import Exporter
from tellapart.errors import DataError, MissingExtraError, StorageError, VerificationError
from tellapart.plugins.exporters.files import copy_out

_FOLDER, _WEIGHTS, _LICENSE = "coreml", "weights.safetensors", "Apache-2.0"


class CoreML(Exporter):
    """`NAME.mlpackage` (and `NAME.mlmodel` where the bundle has one) in a folder."""

    name = "coreml"

    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write into the folder `target`; or the model as the named `.mlpackage` or `.mlmodel`.

        A network's files come from the bundle, where they were proved. A head's network is built
        with timm, converted and proved on the bundle's golden pictures first; that needs the
        extra [deep]. Raises `DataError` where the bundle says why it has no Core ML file,
        `VerificationError` where a made one does not answer as the bundle.
        """
        with open_archive(bundle.path) as archive:
            if bundle.manifest["format"] == HEAD_FORMAT:
                _write(_of_head(bundle, archive), bundle.name, target)
            else:
                _copy(bundle, archive, target)
        return target


def _copy(bundle: Bundle, archive: Archive, target: Path) -> None:
    names = {n: n.split("/", 1)[1] for n in archive.names if n.startswith(f"{_FOLDER}/")}
    wanted = target.suffix.lower()
    if wanted in (".mlmodel", ".mlpackage"):
        kept = {n: place for n, place in names.items() if place.split("/")[0].endswith(wanted)}
        names = {n: "/".join([target.name, *place.split("/")[1:]]) for n, place in kept.items()}
        target = target.parent
    if not names:
        facts = (bundle.manifest.get("formats") or {}).get(_FOLDER) or {}
        raise DataError(
            f"The bundle {bundle.path.name!r} holds no Core ML file {wanted}".rstrip()
            + f": {facts.get('skipped') or 'none was made'}",
            expected="a bundle whose Core ML files were proved",
            do="Use its ONNX model: `tellapart export … --format onnx`.",
        )
    copy_out(archive, names, target)


def _of_head(bundle: Bundle, archive: Archive) -> dict[str, bytes]:
    """The package of a head and its backbone, proved on the golden pictures."""
    if _WEIGHTS not in archive:
        raise DataError(
            f"The bundle {bundle.path.name!r} holds no {_WEIGHTS} to build its network from.",
            expected="a bundle with its weights",
            do="Package the project again: `tellapart package NAME`.",
        )
    why = _not_timm(bundle.manifest["backbone"])
    if bundle.manifest["input"]["view"] == "both":
        why = "it sees two pictures at once, the whole and the face"
    if why:
        raise DataError(
            f"The bundle {bundle.path.name!r} has no Core ML model: {why}.",
            expected="a model of one network of timm with a linear head",
            do="Use its ONNX model: `tellapart export … --format onnx`.",
        )
    try:
        from tellapart.learn.deep import coreml, proving, timm_heads
    except ImportError as error:
        raise MissingExtraError(
            f"Core ML models are made with {error.name}, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    from safetensors.numpy import load

    manifest = bundle.manifest
    given, backbone = manifest["input"], manifest["backbone"]
    weights = load(_checked(archive, _WEIGHTS, MODEL_LIMIT))
    size = images.sides(given["size"])
    network = timm_heads.deployed(
        backbone["timm"],
        weights,
        len(bundle.labels),
        size,
        backbone["mean"],
        backbone["std"],
        backbone.get("args"),
    )
    wanted = coreml.Wanted(
        classes=bundle.labels,
        description=f"{bundle.name}: tells apart {', '.join(bundle.labels)}. Probabilities only: "
        "it does not say where a picture is unlike all that it has learned from.",
        author="made with Tellapart",
        license=f"{_LICENSE} (backbone: {backbone['license']})",
        version=str(bundle.version),
        input_description=f"RGB picture, {size[1]} × {size[0]} pixels, view `{given['view']}`",
    )
    shipped = proving.ship(network, wanted, bundle.name, _evidence(bundle, archive))
    if "skipped" in shipped.facts:
        raise VerificationError(
            f"No Core ML file was written: {shipped.facts['skipped']}",
            expected="the same top class as the bundle's, and probabilities within 0.001",
            do="Use the bundle's ONNX model, and report this.",
        )
    return {name.split("/", 1)[1]: data for name, data in shipped.files.items()}


def _not_timm(backbone: Mapping[str, Any]) -> str:
    """Why the network cannot be built with timm; "" where it can."""
    if backbone.get("parts"):
        return "it is composed of several networks or looks at mirror images too"
    if not backbone["timm"] or not backbone.get("classifier", "classifier"):
        return "its head has hidden layers"
    return ""


def _evidence(bundle: Bundle, archive: Archive) -> Any:
    """The golden pictures, as the model sees them, and what the bundle's own model says."""
    from tellapart.learn.deep.proving import Evidence

    names = [item["file"] for item in bundle.manifest["golden"]]
    pictures = np.stack([bundle.prepare(_checked(archive, name)) for name in names])
    answers = bundle.outputs(pictures, ("probabilities",))["probabilities"]
    return Evidence(pictures, answers, names, bundle.labels)


def _checked(archive: Archive, name: str, limit: int = 2**26) -> bytes:
    sums, problems = read_sums(archive.read(SUMS))
    data = archive.read(name, limit)
    if problems or sha256(data) != sums.get(name):
        problems = problems or [f"the content of {name!r} is not what SHA256SUMS says"]
        raise refuse(archive.path, problems)
    return data


def _write(files: dict[str, bytes], name: str, target: Path) -> None:
    """All files or none: beside their place first."""
    start, folder = f"{name}.mlpackage", target
    if target.suffix.lower() == ".mlpackage":
        start, folder = target.name, target.parent
    if target.suffix.lower() == ".mlmodel":
        raise DataError(
            "A head with its backbone is written as .mlpackage only.",
            expected="a folder, or a name that ends in .mlpackage",
            do=f"Write --out {target.with_suffix('.mlpackage').name}",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(dir=folder, prefix=".part-"))
        try:
            for place, data in files.items():
                path = aside / place.split("/", 1)[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            aside.chmod(0o755)  # temporary folders are private
            if (folder / start).exists():
                shutil.rmtree(folder / start)
            aside.replace(folder / start)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"Nothing can be written to {str(folder)!r}: {error.strerror or error}.",
            expected="enough room, and a folder that can be written to",
            do="Free some space or choose another folder.",
        ) from error
