"""Run a saved `.mlmodel` (a neural network of layers) without Core ML, one layer after another.

As `mil` does with ML programs: the file's bytes are all that is known, an unknown layer is a
failure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tellapart.errors import VerificationError
from tellapart.learn.deep.described import broken, describe
from tellapart.learn.deep.neuralnetwork import shapes  # noqa: F401 - makes its layers known
from tellapart.learn.deep.neuralnetwork.layers import LAYERS
from tellapart.learn.deep.quiet import coremltools


def run(model: Path | bytes, sample: NDArray[Any]) -> dict[str, Any]:
    """What the model says of one picture (uint8, h×w×c) or one row (f,): label and shares.

    By the names of the model's outputs: the likeliest class, and {class: probability}. Raises
    `VerificationError` for a file that is not whole or holds what is not known here.
    """
    return Network(model).run(sample)


class Network:
    """A model, read once and run often."""

    def __init__(self, model: Path | bytes) -> None:
        spec = coremltools().proto.Model_pb2.Model()
        try:
            spec.ParseFromString(model if isinstance(model, bytes) else model.read_bytes())
        except Exception as error:  # protobuf's own errors have no common base
            raise broken(f"cannot be read ({type(error).__name__})") from error
        if spec.WhichOneof("Type") != "neuralNetworkClassifier":
            raise broken(f"is of the kind {spec.WhichOneof('Type')!r}, not a neural network")
        self.described = describe(spec)
        self.version = int(spec.specificationVersion)
        network = self._network = spec.neuralNetworkClassifier
        if (network.arrayInputShapeMapping, network.imageInputShapeMapping) != (1, 1):
            raise broken("gives its layers another shape than its input has")
        if network.WhichOneof("ClassLabels") != "stringClassLabels":
            raise broken("has no words for its classes")
        for layer in network.layers:
            if layer.WhichOneof("layer") not in LAYERS:
                raise broken(
                    f"holds the layer {layer.WhichOneof('layer')!r}, which is not known here"
                )

    @property
    def layers(self) -> tuple[str, ...]:
        """The kinds of layers, each once."""
        return tuple(sorted({layer.WhichOneof("layer") for layer in self._network.layers}))

    def run(self, sample: NDArray[Any]) -> dict[str, Any]:
        """As the function `run`."""
        with torch.inference_mode():
            shares = self._shares(sample)
        labels = list(self._network.stringClassLabels.vector)
        named = dict(zip(labels, shares, strict=True))
        likeliest = max(named, key=named.__getitem__)
        return {self.described.label: likeliest, self.described.probabilities: named}

    def probabilities(self, samples: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.float32]:
        """(n, C) in the order of `classes`, sample by sample."""
        name = self.described.probabilities
        rows = [self.run(sample)[name] for sample in samples]
        return np.array([[row[label] for label in classes] for row in rows], dtype=np.float32)

    def _shares(self, sample: NDArray[Any]) -> list[float]:
        given = self._scaled(self.described.tensor(sample))
        known: dict[str, Tensor] = {self.described.input: given}
        for layer in self._network.layers:
            kind = layer.WhichOneof("layer")
            try:
                inputs = [known[name] for name in layer.input]
                results = LAYERS[kind](getattr(layer, kind), *inputs)
            except VerificationError:
                raise
            except (TypeError, ValueError, RuntimeError, LookupError) as error:
                raise broken(f"uses the layer {kind!r} in an unknown way ({error})") from error
            found = results if isinstance(results, tuple) else (results,)
            known |= dict(zip(layer.output, found, strict=True))
        shares: list[float] = known[self._network.labelProbabilityLayerName].flatten().tolist()
        return shares

    def _scaled(self, image: Tensor) -> Tensor:
        """What the model says is done to an image before its first layer."""
        for step in self._network.preprocessing:
            if step.WhichOneof("preprocessor") != "scaler":
                raise broken(f"prepares images by {step.WhichOneof('preprocessor')!r}")
            by = step.scaler
            bias = [by.grayBias] if image.shape[1] == 1 else [by.redBias, by.greenBias, by.blueBias]
            if self.described.color == "BGR":
                bias.reverse()
            image = image * by.channelScale + torch.tensor(bias).reshape(1, -1, 1, 1)
        return image
