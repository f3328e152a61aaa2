"""A deployed network as Core ML: the `.mlpackage` (ML program) and the single-file `.mlmodel`.

Nothing here runs Core ML, which Linux cannot; `mil` and `neuralnetwork` read what was written
and run it, so that only what answers right is shipped.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tellapart.errors import InputError
from tellapart.learn.deep.deployed import Deployed, Rows
from tellapart.learn.deep.quiet import coremltools, first_line, quiet

Precision = Literal["fp32", "fp16"]
LABEL = "classLabel"
_AUTHOR = "com.apple.CoreML"
_MODEL, _WEIGHTS = f"{_AUTHOR}/model.mlmodel", f"{_AUTHOR}/weights"


@dataclass(frozen=True)
class Wanted:
    """How the Core ML model is to look."""

    classes: tuple[str, ...]
    #: Name of the input; the dictionary of probabilities; the likeliest class is `classLabel`.
    input: str = "image"
    output: str = "classLabel_probs"
    description: str = ""
    author: str = ""
    license: str = ""
    version: str = ""
    #: Of the input and of the outputs, shown beside their names.
    input_description: str = ""
    output_description: str = "Probability of each class"
    precision: Precision = "fp32"


@dataclass(frozen=True)
class CoreMLFiles:
    """What was converted, as bytes; the same on every machine."""

    #: The files of the `.mlpackage` folder by their path below it.
    package: dict[str, bytes]
    #: The `.mlmodel` file; None where it was not asked for.
    model: bytes | None = None


def convert(deployed: Deployed, wanted: Wanted, *, single_file: bool = False) -> CoreMLFiles:
    """Both forms; the second only with `single_file`.

    Pictures become an image input (gray or RGB) with scale and bias, rows a multi-array of one
    row. Raises `InputError` where Core ML cannot hold the network, `MissingExtraError` where
    coremltools is not installed.
    """
    return CoreMLFiles(
        package(deployed, wanted), model_file(deployed, wanted) if single_file else None
    )


def package(deployed: Deployed, wanted: Wanted) -> dict[str, bytes]:
    """The files of an `.mlpackage` by name: an ML program for iOS 15, macOS 12 and newer."""
    tools = coremltools()
    model = _converted(deployed, wanted, "mlprogram")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mlpackage"
        with quiet():
            model.save(str(path))
        inside = path / "Data" / _AUTHOR
        spec = tools.utils.load_spec(str(inside / "model.mlmodel"))
        weights = inside / "weights" / "weight.bin"
        blob = weights.read_bytes() if weights.exists() else None
    spec.mlProgram.attributes.clear()
    files = {_MODEL: _finished(spec, wanted)}
    if blob is not None:
        files[f"{_WEIGHTS}/weight.bin"] = blob
    return {
        "Manifest.json": _manifest(blob is not None),
        **{f"Data/{name}": data for name, data in files.items()},
    }


def model_file(deployed: Deployed, wanted: Wanted) -> bytes:
    """The bytes of an `.mlmodel`: a neural network of layers, weights inside, float32."""
    return _finished(_converted(deployed, wanted, "neuralnetwork").get_spec(), wanted)


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files of a package into `folder`, which is then the `.mlpackage`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


class _Picture(nn.Module):  # type: ignore[misc]
    """From an image input, scaled and moved as the input says, to probabilities."""

    def __init__(self, deployed: Deployed, stretch: Tensor | None) -> None:
        super().__init__()
        self.deployed = deployed
        self.register_buffer("stretch", stretch, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        prepared = image if self.stretch is None else image * self.stretch
        return self.deployed.answer(prepared)[1]


class _Row(nn.Module):  # type: ignore[misc]
    """From one row (f,) to probabilities (1, C)."""

    def __init__(self, deployed: Deployed) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, row: Tensor) -> Tensor:
        return self.deployed(row.unsqueeze(0))[1]


def _input(deployed: Deployed, wanted: Wanted) -> tuple[nn.Module, Tensor, Any]:
    """The module to convert, an example of its input, and how Core ML is to describe it."""
    tools = coremltools()
    how = deployed.how
    if isinstance(how, Rows):
        kind = tools.TensorType(name=wanted.input, shape=(how.columns,))
        return _Row(deployed), torch.zeros(how.columns), kind
    shape = (1, how.channels, how.height, how.width)
    mean = how.mean * (how.channels if len(how.mean) == 1 else 1)
    std = how.std * (how.channels if len(how.std) == 1 else 1)
    even = len(set(std)) == 1
    shared = std[0] if even else 1.0
    bias = [-value / shared for value in mean]
    stretch = None if even else (1 / torch.tensor(std, dtype=torch.float64)).float()
    kind = tools.ImageType(
        name=wanted.input,
        shape=shape,
        scale=1 / (255 * shared),
        bias=bias if how.channels > 1 else bias[0],
        color_layout=tools.colorlayout.GRAYSCALE if how.channels == 1 else tools.colorlayout.RGB,
    )
    stretched = None if stretch is None else stretch.reshape(1, -1, 1, 1)
    return _Picture(deployed, stretched).eval(), torch.zeros(shape), kind


def _log_sigmoid(x: Tensor) -> Tensor:
    """In operators that coremltools converts."""
    return -nn.functional.softplus(-x)


def _converted(deployed: Deployed, wanted: Wanted, form: str) -> Any:
    tools = coremltools()
    options: dict[str, Any] = {"convert_to": form}
    if form == "mlprogram":
        options["compute_precision"] = _precision(deployed, wanted)
        options["minimum_deployment_target"] = tools.target.iOS15
    module, example, kind = _input(deployed, wanted)
    try:
        with quiet():
            exported = torch.export.export(module.eval(), (example,)).run_decompositions(
                {torch.ops.aten.log_sigmoid.default: _log_sigmoid}
            )
            return tools.convert(
                exported,
                inputs=[kind],
                classifier_config=tools.ClassifierConfig(list(wanted.classes)),
                skip_model_load=True,
                **options,
            )
    except Exception as error:
        raise InputError(
            f"Core ML cannot hold this network as {form}: {first_line(error)}.",
            expected="layers that coremltools converts",
            do="Leave out the layer that is named, or use the ONNX model.",
        ) from error


def _precision(deployed: Deployed, wanted: Wanted) -> Any:
    tools = coremltools()
    if wanted.precision == "fp32":
        return tools.precision.FLOAT32
    if isinstance(deployed.how, Rows):
        # A raw row must be scaled before it is rounded, or its last digits are lost.
        large = ("linear", "matmul", "conv")
        return tools.transform.FP16ComputePrecision(op_selector=lambda op: op.op_type in large)
    return tools.precision.FLOAT16


def _finished(spec: Any, wanted: Wanted) -> bytes:
    """Names and descriptions as wanted; versions and dates of the making taken out."""
    about = spec.description
    given, rename = about.predictedProbabilitiesName, coremltools().utils.rename_feature
    if given != wanted.output:
        rename(spec, given, wanted.output)
        about.predictedProbabilitiesName = wanted.output
    if about.predictedFeatureName != LABEL:
        rename(spec, about.predictedFeatureName, LABEL)
        about.predictedFeatureName = LABEL
    about.input[0].shortDescription = wanted.input_description
    for output in about.output:
        likeliest = output.name == LABEL
        output.shortDescription = "Likeliest class" if likeliest else wanted.output_description
    metadata = about.metadata
    metadata.Clear()
    metadata.shortDescription, metadata.author = wanted.description, wanted.author
    metadata.license, metadata.versionString = wanted.license, wanted.version
    data: bytes = spec.SerializeToString(deterministic=True)
    return data


def _manifest(weights: bool) -> bytes:
    """`Manifest.json` of a package, its items under names that never change."""
    items = {_MODEL: "CoreML Model Specification"}
    if weights:
        items[_WEIGHTS] = "CoreML Model Weights"
    keys = {path: str(uuid.uuid5(uuid.NAMESPACE_URL, path)).upper() for path in items}
    entries = {
        keys[path]: {
            "author": _AUTHOR,
            "description": about,
            "name": path.rpartition("/")[2],
            "path": path,
        }
        for path, about in items.items()
    }
    facts = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": keys[_MODEL],
    }
    return (json.dumps(facts, indent=4, sort_keys=True) + "\n").encode()
