"""Run a saved `.mlpackage` (ML program) without Core ML: its MIL operators, one by one.

It proves on Linux what will be shipped to a phone: the file is read from the disk, nothing of
the conversion is known, an unknown operator is a failure, and every result must have the shape
and the type that the program declares. Half precision is rounded to after every operator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tellapart.errors import VerificationError
from tellapart.learn.deep.described import broken, describe
from tellapart.learn.deep.mil import arithmetic  # noqa: F401 - makes its operators known
from tellapart.learn.deep.mil.operators import OPERATORS
from tellapart.learn.deep.mil.reading import TORCH, Values, read_package
from tellapart.learn.deep.quiet import coremltools


def run(package: Path, sample: NDArray[Any]) -> dict[str, Any]:
    """What the package says of one picture (uint8, h×w×c) or one row (f,): label and shares.

    By the names of the model's outputs: the likeliest class, and {class: probability}. Raises
    `VerificationError` for a package that is not whole or holds what is not known here.
    """
    return Program(package).run(sample)


class Program:
    """A package, read once and run often."""

    def __init__(self, package: Path) -> None:
        spec, base = read_package(package)
        if spec.WhichOneof("Type") != "mlProgram":
            raise broken(f"in {package.name!r} is no ML program")
        self.described = describe(spec)
        self._values = Values(coremltools().proto.MIL_pb2.DataType, base)
        function = spec.mlProgram.functions["main"]
        block = function.block_specializations[function.opset]
        self._outputs = list(block.outputs)
        self._constants: dict[str, Any] = {}
        self._steps: list[Any] = []
        for operation in block.operations:
            if operation.type == "const":
                value = self._values.read(operation.attributes["val"])
                self._constants[operation.outputs[0].name] = value
            elif operation.type in OPERATORS or operation.type == "classify":
                self._steps.append(operation)
            else:
                raise broken(f"holds the operator {operation.type!r}, which is not known here")

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of the program by name, each once."""
        return tuple(sorted({step.type for step in self._steps}))

    def run(self, sample: NDArray[Any]) -> dict[str, Any]:
        """As the function `run`."""
        with torch.inference_mode():
            return self._run(sample)

    def _run(self, sample: NDArray[Any]) -> dict[str, Any]:
        known = {**self._constants, self.described.input: self.described.tensor(sample)}
        for step in self._steps:
            inputs = {name: self._input(known, arg) for name, arg in step.inputs.items()}
            if step.type == "classify":
                results: list[Any] = _classify(**inputs)
            else:
                results = self._checked(step, _operate(step.type, inputs))
            known |= {o.name: r for o, r in zip(step.outputs, results, strict=True)}
        return {name: known[name] for name in self._outputs}

    def probabilities(self, samples: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.float32]:
        """(n, C) in the order of `classes`, sample by sample."""
        name = self.described.probabilities
        rows = [self.run(sample)[name] for sample in samples]
        return np.array([[row[label] for label in classes] for row in rows], dtype=np.float32)

    def _input(self, known: dict[str, Any], argument: Any) -> Any:
        found = [
            known[binding.name]
            if binding.WhichOneof("binding") == "name"
            else self._values.read(binding.value)
            for binding in argument.arguments
        ]
        return found[0] if len(found) == 1 else found

    def _checked(self, step: Any, results: list[torch.Tensor]) -> list[torch.Tensor]:
        """Results in the declared types. Raises `VerificationError` for another shape."""
        if len(results) != len(step.outputs):
            raise broken(f"wants {len(step.outputs)} results of {step.type!r}")
        checked = []
        for output, result in zip(step.outputs, results, strict=True):
            kind = output.type.tensorType
            shape = [int(d.constant.size) for d in kind.dimensions]
            name = self._values.type_name(kind)
            if list(result.shape) != shape or name not in TORCH:
                raise broken(
                    f"declares {name} {shape} for {output.name!r}; {step.type!r} gives "
                    f"{list(result.shape)}"
                )
            checked.append(result.to(TORCH[name]))
        return checked


def _operate(name: str, inputs: dict[str, Any]) -> list[torch.Tensor]:
    """One operator, reckoned in single precision."""
    try:
        found = OPERATORS[name](**{key: _single(value) for key, value in inputs.items()})
    except VerificationError:
        raise
    except (TypeError, ValueError, RuntimeError, LookupError) as error:
        raise broken(f"uses the operator {name!r} in an unknown way ({error})") from error
    return list(found) if isinstance(found, tuple | list) else [found]


def _single(value: Any) -> Any:
    if isinstance(value, list):
        return [_single(item) for item in value]
    if isinstance(value, torch.Tensor) and value.dtype == torch.float16:
        return value.float()
    return value


def _classify(probabilities: torch.Tensor, classes: list[str]) -> list[Any]:
    shares = probabilities.flatten().tolist()
    named = dict(zip(classes, shares, strict=True))
    return [max(named, key=named.__getitem__), named]
