"""The two interpreters: every kind of layer, damaged files, operators nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import export_parity as parity
from tellapart.errors import InputError, VerificationError

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")

from tellapart.learn.deep import coreml, mil, neuralnetwork, onnx, proving  # noqa: E402
from tellapart.learn.deep.deployed import Deployed, Pictures, predict  # noqa: E402
from tellapart.learn.deep.mil.arithmetic import slice_by_index  # noqa: E402
from tellapart.learn.deep.mil.operators import OPERATORS  # noqa: E402
from tellapart.learn.deep.quiet import coremltools  # noqa: E402

LABELS = ("a", "b", "c", "d")
SAME = {"filters": 6, "kernel_size": 3, "padding": "same"}
END: list[Any] = ["flatten", {"dense": {"units": 4, "activation": "softmax"}}]
#: Between them every kind of layer and every activation.
NETS: dict[str, parity.Spec] = {
    "pictures": (
        (13, 10, 3),
        [
            {"conv2d": {**SAME, "kernel_size": 4, "stride": 2, "name": "first"}},
            {"conv2d": {**SAME, "groups": 3, "dilation_rate": 2, "activation": "leaky_relu"}},
            {"add": {"with": "first"}},
            "batch_norm",
            {"max_pool2d": {"pool_size": 3, "stride": 2, "padding": "same"}},
            {"avg_pool2d": {"pool_size": [2, 3], "stride": 1, "padding": "same"}},
            {"dropout": {"rate": 0.3}},
            {"reshape": {"dim": [6, 4, 3]}},
            {"conv2d": {**SAME, "use_bias": False}},
            {"max_pool2d": {"pool_size": 2}},
            "global_avg_pool",
            {"dense": {"units": 4, "activation": "softmax"}},
        ],
    ),
    "activations": (
        (6, 6, 1),
        [
            {"conv2d": {**SAME, "name": "first"}},
            *(
                layer
                for name in parity.ACTIVATIONS
                # What came in is added again, or little would be left of it in the end.
                for layer in ({"activation": {"function": name}}, {"add": {"with": "first"}})
            ),
            *END,
        ],
    ),
    "rows": (
        (5,),
        [{"dense": {"units": 7}}, "batch_norm", {"dense": {"units": 4, "activation": "sigmoid"}}],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_saved_files_answer_as_torch_with_every_kind_of_layer(name: str, tmp_path: Path) -> None:
    how, x = parity.drawn(NETS[name])
    deployed = Deployed(parity.built(NETS[name]), how)
    expected = predict(deployed, x)
    evidence = proving.Evidence(x, expected, [str(i) for i in range(len(x))], LABELS)
    shipped = proving.ship(deployed, coreml.Wanted(LABELS), "net", evidence, single_file=True)
    assert set(shipped.facts["max_difference"]) == {"mlpackage", "mlmodel"}, shipped.facts
    assert max(shipped.facts["max_difference"].values()) < 1e-5
    assert "left_out" not in shipped.facts
    assert shipped.facts["files"] == ["coreml/net.mlmodel", "coreml/net.mlpackage"]
    assert max(proving.onnx(onnx.export(deployed, {}), evidence, 1).values()) < 1e-5
    assert np.ptp(expected, axis=0).max() > 0.01  # the samples are told apart


@pytest.fixture(scope="module")
def small() -> tuple[Deployed, Any, dict[str, bytes]]:
    spec: parity.Spec = ((6, 5, 1), [{"conv2d": SAME}, *END])
    how, x = parity.drawn(spec)
    deployed = Deployed(parity.built(spec), how)
    return deployed, x, coreml.package(deployed, coreml.Wanted(LABELS))


MODEL, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"


def test_a_change_of_the_weights_file_is_found(
    small: tuple[Deployed, Any, dict[str, bytes]], tmp_path: Path
) -> None:
    """What the interpreter runs is the file, not what it was made from."""
    deployed, x, files = small
    expected = predict(deployed, x)
    evidence = proving.Evidence(x, expected, [str(i) for i in range(len(x))], LABELS)
    whole = mil.Program(coreml.write(files, tmp_path / "whole.mlpackage"))
    assert evidence.judge("it", whole.probabilities(x, LABELS)) < 1e-6
    blob = bytearray(files[WEIGHTS])
    figures = np.frombuffer(blob, np.float32)
    figures[-40:] *= 1.5  # the last dense layer's
    other = {**files, WEIGHTS: bytes(blob)}
    changed = mil.Program(coreml.write(other, tmp_path / "changed.mlpackage"))
    with pytest.raises(VerificationError, match=r"away on the sample|instead of"):
        evidence.judge("it", changed.probabilities(x, LABELS))


@pytest.mark.parametrize("fault", ["no manifest", "no model", "short weights", "no weights"])
def test_damaged_packages_are_refused(
    small: tuple[Deployed, Any, dict[str, bytes]], fault: str, tmp_path: Path
) -> None:
    files = dict(small[2])
    if fault == "no manifest":
        files["Manifest.json"] = b"{"
    elif fault == "no model":
        files[MODEL] = b"\xff" * 20
    elif fault == "short weights":
        files[WEIGHTS] = files[WEIGHTS][:200]
    else:
        del files[WEIGHTS]
    with pytest.raises(VerificationError):
        mil.run(coreml.write(files, tmp_path / "x.mlpackage"), small[1][0])


def test_an_operator_that_nobody_knows_is_refused(
    small: tuple[Deployed, Any, dict[str, bytes]], tmp_path: Path
) -> None:
    spec = coremltools().proto.Model_pb2.Model()
    spec.ParseFromString(small[2][MODEL])
    block = spec.mlProgram.functions["main"].block_specializations["CoreML5"]
    conv = next(one for one in block.operations if one.type == "conv")
    conv.type = "conv_of_tomorrow"
    files = {**small[2], MODEL: spec.SerializeToString()}
    with pytest.raises(VerificationError, match="conv_of_tomorrow"):
        mil.Program(coreml.write(files, tmp_path / "x.mlpackage"))
    conv.type = "conv"
    conv.inputs["spin"].CopyFrom(conv.inputs["groups"])
    files = {**small[2], MODEL: spec.SerializeToString()}
    program = mil.Program(coreml.write(files, tmp_path / "y.mlpackage"))
    with pytest.raises(VerificationError, match="spin"):
        program.run(small[1][0])


def test_a_result_of_another_shape_than_declared_is_refused(
    small: tuple[Deployed, Any, dict[str, bytes]], tmp_path: Path
) -> None:
    spec = coremltools().proto.Model_pb2.Model()
    spec.ParseFromString(small[2][MODEL])
    block = spec.mlProgram.functions["main"].block_specializations["CoreML5"]
    conv = next(one for one in block.operations if one.type == "conv")
    conv.outputs[0].type.tensorType.dimensions[2].constant.size = 99
    files = {**small[2], MODEL: spec.SerializeToString()}
    with pytest.raises(VerificationError, match="99"):
        mil.run(coreml.write(files, tmp_path / "x.mlpackage"), small[1][0])


def test_an_unknown_layer_and_no_file_at_all_are_refused(
    small: tuple[Deployed, Any, dict[str, bytes]],
) -> None:
    data = coreml.model_file(small[0], coreml.Wanted(LABELS))
    spec = coremltools().proto.Model_pb2.Model()
    spec.ParseFromString(data)
    spec.neuralNetworkClassifier.layers[0].mvn.acrossChannels = True
    with pytest.raises(VerificationError, match="mvn"):
        neuralnetwork.Network(spec.SerializeToString())
    for nonsense in (b"", b"\xff" * 30, small[2][MODEL]):
        with pytest.raises(VerificationError):
            neuralnetwork.Network(nonsense)


def test_input_of_another_shape_is_refused(
    small: tuple[Deployed, Any, dict[str, bytes]], tmp_path: Path
) -> None:
    program = mil.Program(coreml.write(small[2], tmp_path / "x.mlpackage"))
    for wrong in (np.zeros((5, 6, 1), np.uint8), np.zeros((6, 5, 1), np.float32)):
        with pytest.raises(InputError, match="shape"):
            program.run(wrong)


def test_what_core_ml_cannot_hold_is_skipped_with_a_reason() -> None:
    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svdvals(x).flatten(1)

    deployed = Deployed(Odd(), Pictures(4, 4, 1))
    x = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 1), dtype=np.uint8)
    evidence = proving.Evidence(x, predict(deployed, x), ["0", "1", "2"], LABELS)
    shipped = proving.ship(deployed, coreml.Wanted(LABELS), "odd", evidence, single_file=True)
    assert shipped.files == {}
    assert "cannot hold" in shipped.facts["skipped"]


def test_half_precision_that_is_too_far_off_is_not_shipped() -> None:
    """Figures that half precision cannot tell apart: 1000 and 1000.25."""
    layer = torch.nn.Linear(4, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.full((4, 4), 250.0) + torch.eye(4))
        layer.bias.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3]))

    class Sums(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return layer(x.flatten(1))

    deployed = Deployed(Sums(), Pictures(2, 2, 1))
    x = np.random.default_rng(0).integers(0, 255, (6, 2, 2, 1), dtype=np.uint8)
    evidence = proving.Evidence(x, predict(deployed, x), list("012345"), LABELS)
    shipped = proving.ship(deployed, coreml.Wanted(LABELS, precision="fp16"), "half", evidence)
    assert shipped.files == {}
    assert "the Core ML program" in shipped.facts["skipped"]
    whole = proving.ship(deployed, coreml.Wanted(LABELS), "whole", evidence)
    assert whole.files
    assert whole.facts["precision"] == "fp32"


def test_pooling_counts_partial_windows_and_padding_as_torch_does() -> None:
    x = torch.randn(1, 2, 7, 8, generator=torch.Generator().manual_seed(0))
    ints = torch.tensor
    common = {"kernel_sizes": ints([3, 3]), "strides": ints([2, 2]), "pad_type": "custom"}
    for edge in (0, 1):
        for ceil in (False, True):
            asked = {**common, "pad": ints([edge] * 4), "ceil_mode": ceil}
            found = OPERATORS["max_pool"](x, **asked)
            wanted = torch.nn.functional.max_pool2d(x, 3, 2, edge, ceil_mode=ceil)
            torch.testing.assert_close(found, wanted)
            for exclude in (False, True):
                found = OPERATORS["avg_pool"](x, **asked, exclude_padding_from_average=exclude)
                wanted = torch.nn.functional.avg_pool2d(
                    x, 3, 2, edge, ceil_mode=ceil, count_include_pad=not exclude
                )
                torch.testing.assert_close(found, wanted)


def test_slices_follow_their_masks() -> None:
    x = torch.arange(24).reshape(2, 3, 4)
    t, f = True, False
    found = slice_by_index(
        x,
        torch.tensor([1, 0, 1]),
        torch.tensor([2, 0, 4]),
        torch.tensor([1, 1, 2]),
        torch.tensor([f, t, f]),
        torch.tensor([f, t, f]),
        torch.tensor([t, f, f]),
    )
    torch.testing.assert_close(found, x[1, :, 1:4:2])
