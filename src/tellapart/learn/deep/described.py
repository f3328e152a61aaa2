"""What a saved Core ML model says of its input and outputs, and a sample brought into that form.

For the two interpreters, `mil` and `neuralnetwork`; nothing of the conversion is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.errors import InputError, VerificationError


@dataclass(frozen=True)
class Described:
    """The one input and the two outputs of a classifier."""

    input: str
    #: (1, c, h, w) of an image, else the shape of a multi-array.
    shape: tuple[int, ...]
    #: `GRAYSCALE`, `RGB` or `BGR`; empty for a multi-array.
    color: str
    #: Names of the outputs: the likeliest class, and the dictionary of probabilities.
    label: str
    probabilities: str

    def tensor(self, sample: NDArray[Any]) -> Tensor:
        """A picture (uint8, h×w×c, RGB) or a row (f,) as the float32 input of the model.

        Raises `InputError` for another shape.
        """
        if not self.color:
            if sample.shape != self.shape:
                raise _misfit(sample, f"float figures of shape {self.shape}")
            return torch.from_numpy(np.ascontiguousarray(sample, dtype=np.float32))
        _, channels, height, width = self.shape
        if sample.shape != (height, width, channels) or sample.dtype != np.uint8:
            raise _misfit(sample, f"uint8 of shape {(height, width, channels)}")
        planes = sample.transpose(2, 0, 1)[None].astype(np.float32)
        return torch.from_numpy(planes[:, ::-1].copy() if self.color == "BGR" else planes)


def describe(spec: Any) -> Described:
    """Read a `Model` message. Raises `VerificationError` where it is no classifier of ours."""
    about = spec.description
    if len(about.input) != 1 or not about.predictedProbabilitiesName:
        raise broken(
            f"has {len(about.input)} inputs and the probabilities "
            f"{about.predictedProbabilitiesName!r}"
        )
    given = about.input[0]
    kind = given.type.WhichOneof("Type")
    shape: tuple[int, ...]
    if kind == "imageType":
        image = given.type.imageType
        color = image.ColorSpace.Name(image.colorSpace)
        shape = (1, 1 if color == "GRAYSCALE" else 3, int(image.height), int(image.width))
    elif kind == "multiArrayType":
        color, shape = "", tuple(int(n) for n in given.type.multiArrayType.shape)
    else:
        raise broken(f"has an input of the kind {kind!r}")
    outputs = {output.name for output in about.output}
    names = (about.predictedFeatureName, about.predictedProbabilitiesName)
    if outputs != set(names):
        raise broken(f"has the outputs {sorted(outputs)}, but predicts {sorted(names)}")
    return Described(given.name, shape, color, *names)


def broken(what: str) -> VerificationError:
    """A saved model that cannot be run as it stands."""
    return VerificationError(
        f"The Core ML model {what}.",
        expected="a classifier of one input whose every operator is known here",
        do="Ship the ONNX model instead, or report the model.",
    )


def _misfit(sample: NDArray[Any], expected: str) -> InputError:
    return InputError(
        f"The input is {sample.dtype} of shape {sample.shape}.",
        expected=expected,
        do="Prepare it as the model says.",
    )
