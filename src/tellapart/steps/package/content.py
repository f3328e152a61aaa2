"""What goes into a bundle: the files, and the manifest that describes them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.bundle import croissant, dataset, faces
from tellapart.bundle.card import card
from tellapart.bundle.learned_card import card as learned_card
from tellapart.bundle.manifest import HEAD_FORMAT, to_json
from tellapart.bundle.standalone import runtime_files
from tellapart.bundle.verify import labels_text
from tellapart.bundle.write import Content
from tellapart.catalog import PictureRow
from tellapart.images import FACE_VIEWS
from tellapart.learn import backbone as backbones
from tellapart.learn.backbone import Backbone
from tellapart.learn.faces.models import DETECTOR_LICENSE, viewer
from tellapart.learn.metrics import HEADLINE
from tellapart.learn.trained import Trained, load
from tellapart.recipe import canonical, resolve
from tellapart.steps import StepContext
from tellapart.store.files import FileStore

#: Libraries whose versions decide the bytes of a bundle.
LIBRARIES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "pillow",
    "safetensors",
    "scikit-learn",
)
#: Names of the backbones at the Hugging Face hub, for the card.
_TIMM = {"tf_efficientnet_lite0": "tf_efficientnet_lite0.in1k"}
_OUTPUTS = ("logits", "probabilities", "features", "familiarity", "map")
#: Of the pictures that may not be passed on, the report of the bundle shows none.
REPORT = "report-public.html"


@dataclass(frozen=True)
class Plan:
    """A bundle but for its version number."""

    #: Every file that does not name the version.
    files: dict[str, Content]
    #: The manifest without its version.
    facts: dict[str, Any]
    notes: list[str]


def plan(context: StepContext) -> Plan:
    """Gather what the steps before have left. Reads pictures' hashes, not their bytes."""
    work = context.work
    trained = load(work)
    backbone = backbones.of(work, trained.facts, context.settings.cache_dir)
    data = dataset.build(entries(context))
    facts = _facts(context, trained, backbone, data)
    data = croissant.added(data, context.recipe.name, facts.get("people"))
    files: dict[str, Content] = {
        **runtime_files(embedded=_is_plain(backbone), faces=_sees_faces(context)),
        **data.files,
        "labels.txt": labels_text(trained.classes).encode(),
        "metrics.json": work / "metrics.json",
        "model.onnx": work / "model.onnx",
        "weights.safetensors": weights(backbone, trained),
    }
    if (work / REPORT).is_file():
        files["report.html"] = work / REPORT
    if _sees_faces(context):
        files[faces.FILE] = viewer(context.settings)
    for plot in sorted((work / "plots").glob("*.png")):
        files[f"plots/{plot.name}"] = plot
    for variant in facts.get("variants", {}).values():
        if "file" in variant:
            files[variant["file"]] = work / variant["file"]
    for item in facts["golden"]:
        if item["file"].startswith("golden/"):
            files[item["file"]] = work / item["file"]
    return Plan(files, facts, data_notes(data))


def describe(planned: Plan, *, version: int) -> dict[str, Content]:
    """All files of a bundle of this version."""
    manifest = {**planned.facts, "version": version}
    write = card if manifest["format"] == HEAD_FORMAT else learned_card
    return {
        **planned.files,
        "README.md": write(manifest).encode(),
        "manifest.json": to_json(manifest),
    }


def weights(backbone: Backbone, trained: Trained) -> bytes:
    """safetensors under timm's names; the classifier is the calibrated head.

    A composed backbone's tensors begin with the number of their part, and the head is `head`.
    """
    from safetensors.numpy import save

    last = backbone.classifier or "head"
    tensors = {
        **backbone.timm_weights(),
        f"{last}.weight": trained.head.weight,
        f"{last}.bias": trained.head.bias,
    }
    ready = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    return bytes(save(ready, metadata={"format": "pt"}))


def entries(context: StepContext) -> list[dataset.Entry]:
    """Every kept picture that has a split."""
    files = FileStore(context.settings.files_dir)
    rows = context.catalog.pictures(status="ok", kept=True)
    return [_entry(row, files) for row in rows if row.split in dataset.SPLITS]


def _entry(row: PictureRow, files: FileStore) -> dataset.Entry:
    return dataset.Entry(
        label=row.label,
        split=row.split,
        sha256=row.sha256,
        path=Path(row.path) if row.path else files.path(row.sha256),
        bytes=row.bytes or 0,
        source=row.source,
        page_url=row.page_url,
        file_url=row.file_url,
        creator=row.creator,
        title=row.title,
        license=row.license,
        license_version=row.license_version,
        license_url=row.license_url,
        attribution=row.attribution,
    )


def _facts(
    context: StepContext, trained: Trained, backbone: Backbone, data: dataset.DataSet
) -> dict[str, Any]:
    recipe, reasons = resolve(context.recipe)
    work = context.work
    measured = json.loads((work / "metrics.json").read_bytes())
    golden = json.loads((work / "golden.json").read_bytes())["golden"]
    return {
        "format": HEAD_FORMAT,
        "name": context.recipe.name,
        "task": "image-classification",
        "labels": list(trained.classes),
        "input": {
            "name": "image",
            "type": "uint8",
            "layout": "NHWC",
            "color": "RGB",
            "size": backbone.size,
            "view": context.recipe.train.view,
        },
        "outputs": [name for name in _OUTPUTS if name != "map" or backbone.has_map],
        "thresholds": trained.facts["thresholds"],
        "familiarity": {"neighbours": trained.facts["neighbours"], "bank": len(trained.bank)},
        "head": {"C": trained.head.C, "temperature": trained.head.temperature},
        "backbone": network_facts(backbone),
        "golden": golden_items(golden, data.included),
        "metrics": {name: measured[name] for name in HEADLINE if name in measured},
        "data": data.summary,
        **people(measured),
        "recipe": canonical(recipe),
        "reasons": dict(sorted(reasons.items())),
        "licenses": {
            "program": "Apache-2.0",
            "backbone": backbone.license,
            **({"faces": DETECTOR_LICENSE} if _sees_faces(context) else {}),
            "pictures": data.summary["licenses"],
        },
        "made_with": {
            "tellapart": installed("tellapart"),
            **libraries(),
        },
        **variants(work),
    }


def people(measured: Mapping[str, Any]) -> dict[str, Any]:
    """How many pictures were looked through for faces and had one, where that was done."""
    found = measured.get("faces")
    if not found:
        return {}
    return {"people": {key: found[key] for key in ("looked", "with_faces")}}


def variants(work: Path) -> dict[str, Any]:
    """What `compile` says of variants of the model, as the manifest's `variants`; {} without."""
    path = work / "variants.json"
    if not path.is_file():
        return {}
    return {"variants": json.loads(path.read_bytes())["variants"]}


def network_facts(backbone: Backbone) -> dict[str, Any]:
    """What the manifest says of a backbone; the embedded one's facts are those of its name."""
    found: dict[str, Any] = {
        "name": backbone.name,
        "timm": _TIMM.get(backbone.name, backbone.name),
        "license": backbone.license,
        "sha256": backbone.sha256,
        "dim": backbone.dim,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
    }
    if backbone.is_embedded:
        return found
    found |= {
        "timm": backbone.timm,
        "args": dict(backbone.args),
        "classifier": backbone.classifier,
        "tuned": backbone.tuned,
        "has_map": backbone.has_map,
    }
    if backbone.parts:
        found["parts"] = [
            {
                **network_facts(part.backbone),
                "scale": part.scale,
                "mirror": part.mirror,
                "upside": part.upside,
            }
            for part in backbone.parts
        ]
    return found


def _sees_faces(context: StepContext) -> bool:
    """Whether the model's pictures are looked through for faces first."""
    return context.recipe.train.view in FACE_VIEWS


def _is_plain(backbone: Backbone) -> bool:
    """Whether nothing but the embedded network is in it."""
    if backbone.parts:
        return all(_is_plain(part.backbone) for part in backbone.parts)
    return backbone.is_embedded


def libraries(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """The versions of those of the libraries that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = installed(name)
    return found


def golden_items(
    golden: Sequence[Mapping[str, Any]], included: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Golden pictures by their name in the bundle; those of the data set only if they are in."""
    found = []
    for item in golden:
        name = str(item["file"])
        file = name if name.startswith("golden/") else included.get(name)
        if file is not None:
            found.append({**item, "file": file})
    return sorted(found, key=lambda item: (not item["file"].startswith("golden/"), item["file"]))


def data_notes(data: dataset.DataSet) -> list[str]:
    """What a person should know of pictures that could not go in."""
    summary = data.summary
    if not summary["withheld"]:
        return []
    why = (
        "together they are too large"
        if summary["withheld_for_size"]
        else "their licence is unknown or does not allow passing them on"
    )
    number, of = summary["withheld"], summary["pictures"]
    none = f"None of the {of} pictures is in the bundle itself"
    some = f"{number} of {of} pictures are not in the bundle itself"
    where = "Its dataset/withheld.csv has their origin and SHA-256"
    return [f"{none if number == of else some}: {why}. {where}."]
