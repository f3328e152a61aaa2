"""Whether ONNX and Core ML answer as the torch network that they were made from.

ONNX runs in ONNX Runtime and OpenVINO. Core ML needs Apple's systems: the saved files are read
back from the disk and interpreted operator by operator, `.mlpackage` in single and in half
precision, `.mlmodel` in single. Every kind of layer, both example specs and four networks of
timm, with heads that were fitted to pictures, so that probabilities spread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import main, need

Spec = tuple[tuple[int, ...], list[Any]]

ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid"),
    *("hard_sigmoid", "tanh", "softplus", "softsign", "softmax"),
)
_PICTURE = (13, 11, 3)
TIMM = ("tf_efficientnet_lite0", "resnet18", "resnext50_32x4d", "mobilenetv4_conv_small")


def _conv(**options: Any) -> dict[str, Any]:
    return {"conv2d": {"filters": 6, "kernel_size": 3, **options}}


def layer_nets() -> dict[str, Spec]:
    """A small network about each kind of layer, and each way that it is used: input, layers."""
    end: list[Any] = ["flatten", {"dense": {"units": 4, "activation": "softmax"}}]

    def pictures(*layers: Any) -> Spec:
        return _PICTURE, [_conv(), *layers, *end]

    same = {"filters": 6, "kernel_size": 3, "padding": "same"}
    nets: dict[str, Spec] = {
        "conv2d, same, even kernel": (_PICTURE, [_conv(padding="same", kernel_size=4), *end]),
        "conv2d, same, stride 2": ((14, 11, 3), [_conv(padding="same", stride=2), *end]),
        "conv2d, dilated": (_PICTURE, [_conv(padding="same", dilation_rate=[2, 1]), *end]),
        "conv2d, no bias": (_PICTURE, [_conv(use_bias=False), *end]),
        "conv2d, groups": pictures(_conv(groups=3)),
        "conv2d, depthwise": pictures(_conv(groups=6, filters=12)),
        "conv2d, gray": ((8, 8, 1), [_conv(), *end]),
        "max_pool2d, valid": pictures({"max_pool2d": {"pool_size": 2}}),
        "max_pool2d, same": pictures(
            {"max_pool2d": {"pool_size": [3, 2], "stride": 2, "padding": "same"}}
        ),
        "avg_pool2d, valid": pictures({"avg_pool2d": {"pool_size": 2, "stride": 1}}),
        "avg_pool2d, same": pictures(
            {"avg_pool2d": {"pool_size": 2, "stride": 2, "padding": "same"}}
        ),
        "global_avg_pool": (_PICTURE, [_conv(), "global_avg_pool", {"dense": {"units": 4}}]),
        "batch_norm": pictures("batch_norm", _conv(), {"batch_norm": {"epsilon": 0.01}}),
        "batch_norm of rows": (
            (5,),
            [{"dense": {"units": 8}}, "batch_norm", {"dense": {"units": 4}}],
        ),
        "dropout": pictures({"dropout": {"rate": 0.5}}),
        "reshape": (
            (12,),
            [
                {"dense": {"units": 48}},
                {"reshape": {"dim": [4, 4, 3]}},
                _conv(),
                {"reshape": {"dim": [24]}},
                {"dense": {"units": 4}},
            ],
        ),
        "add": (
            _PICTURE,
            [
                {"conv2d": {**same, "name": "first"}},
                {"conv2d": {**same, "activation": "relu"}},
                {"add": {"with": "first"}},
                *end,
            ],
        ),
        "dense, sigmoid at the end": ((5,), [{"dense": {"units": 4, "activation": "sigmoid"}}]),
        "dense, relu at the end": ((5,), [{"dense": {"units": 4, "activation": "relu"}}]),
        "activation at the end": (
            (5,),
            [{"dense": {"units": 4}}, {"activation": {"function": "softmax"}}],
        ),
    }
    for name in ACTIVATIONS:
        nets[f"activation {name}"] = pictures({"activation": {"function": name}})
    return nets


MNIST_CNN: Spec = (
    (28, 28, 1),
    [
        {"conv2d": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
        {"conv2d": {"filters": 64, "kernel_size": 3, "activation": "relu"}},
        {"max_pool2d": {"pool_size": 2}},
        {"dropout": {"rate": 0.25}},
        "flatten",
        {"dense": {"units": 128, "activation": "relu"}},
        {"dropout": {"rate": 0.5}},
        {"dense": {"units": 10, "activation": "softmax"}},
    ],
)
IRIS: Spec = ((4,), [{"dense": {"units": 3, "activation": "softmax"}}])


def built(spec: Spec, seed: int = 1) -> Any:
    """The torch module of a spec; its batch norms have statistics that do something."""
    import torch
    from pydantic import TypeAdapter

    from tellapart.learn.deep.build import build
    from tellapart.recipe.layers import AnyLayer
    from tellapart.recipe.network import trace

    shape, layers = spec
    parsed = TypeAdapter(tuple[AnyLayer, ...]).validate_python(layers)
    module = build(trace(parsed, shape), seed)
    draw = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=draw)
            part.running_var.uniform_(0.5, 2, generator=draw)
            part.weight.data.uniform_(0.5, 1.5, generator=draw)
            part.bias.data.normal_(generator=draw)
    return module


def drawn(spec: Spec, count: int = 12) -> tuple[Any, NDArray[Any]]:
    """How raw samples of a spec's input are prepared, and some samples."""
    from tellapart.learn.deep.deployed import Pictures, Rows

    shape, draw = spec[0], np.random.default_rng(0)
    if len(shape) == 3:
        return Pictures(*shape), draw.integers(0, 256, (count, *shape), dtype=np.uint8)
    rows = draw.normal(2, 3, (count, *shape)).astype(np.float32)
    how = Rows.fit(rows)
    rows[0, 0] = np.nan
    return how, rows


def measure(deployed: Any, x: NDArray[Any], *, single: bool = True) -> dict[str, Any]:
    """Top-1 agreement and largest difference with torch, by engine and format.

    The shares of the likeliest classes tell whether the probabilities spread.
    """
    from tellapart.bundle.session import Session
    from tellapart.learn.deep import coreml, mil, neuralnetwork, onnx
    from tellapart.learn.deep.deployed import predict

    expected = predict(deployed, x, 16)
    classes = tuple(f"class {number}" for number in range(expected.shape[1]))
    model = onnx.export(deployed, {})
    found: dict[str, NDArray[np.float32]] = {}
    for engine in ("onnxruntime", "openvino"):
        session = Session(model, engine=engine, threads=0)
        parts = [session.run(x[i : i + 16], ("probabilities",)) for i in range(0, len(x), 16)]
        found[engine] = np.concatenate([part["probabilities"] for part in parts])
    operators: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "fp16"):
            wanted = coreml.Wanted(classes, precision=precision)  # type: ignore[arg-type]
            path = Path(folder) / f"{precision}.mlpackage"
            program = mil.Program(coreml.write(coreml.package(deployed, wanted), path))
            found[f"mlpackage {precision}"] = program.probabilities(x, classes)
            operators |= set(program.operators)
        if single:
            file = Path(folder) / "model.mlmodel"
            file.write_bytes(coreml.model_file(deployed, coreml.Wanted(classes)))
            network = neuralnetwork.Network(file)
            found["mlmodel"] = network.probabilities(x, classes)
            operators |= {f"{kind} (layer)" for kind in network.layers}
    return {
        "samples": len(x),
        "likeliest_class": {
            "lowest": round(float(expected.max(axis=1).min()), 3),
            "mean": round(float(expected.max(axis=1).mean()), 3),
        },
        "top1": {k: float((v.argmax(1) == expected.argmax(1)).mean()) for k, v in found.items()},
        "max_difference": {k: float(np.abs(v - expected).max()) for k, v in found.items()},
        "operators": sorted(operators),
    }


def worst(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The least agreement and the largest difference by format, all operators that were met."""
    names = sorted({name for one in each for name in one["top1"]})
    return {
        "networks": len(each),
        "top1": {n: min(one["top1"].get(n, 1.0) for one in each) for n in names},
        "max_difference": {
            n: max(one["max_difference"].get(n, 0.0) for one in each) for n in names
        },
        "operators": sorted({name for one in each for name in one["operators"]}),
    }


def _fitted(spec: Spec, x: NDArray[Any], y: NDArray[np.int64], how: Any, epochs: int) -> Any:
    """A spec's network after some epochs of Adam in batches of 32."""
    import torch

    from tellapart.learn.deep.deployed import Deployed, Prepare

    module = built(spec)
    prepared, labels = Prepare(how)(torch.from_numpy(x)), torch.from_numpy(y)
    optimizer = torch.optim.Adam(module.parameters())
    torch.manual_seed(0)
    module.train()
    for _ in range(epochs):
        for places in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(prepared[places])[0], labels[places])
            loss.backward()
            optimizer.step()
    return Deployed(module, how)


def _examples(data: Path, small: bool) -> dict[str, Any]:
    from sklearn.datasets import load_digits, load_iris

    from tellapart.learn.deep.deployed import Pictures, Rows

    iris = load_iris()
    rows = iris.data.astype(np.float32)
    how = Rows.fit(rows)
    figures = {"iris_spec": measure(_fitted(IRIS, rows, iris.target, how, 10), rows)}
    if small:
        digits = load_digits()
        pictures = np.kron(digits.images[:400] * 15.9, np.ones((4, 4)))[:, 2:30, 2:30, None]
        x, y = pictures.astype(np.uint8), digits.target[:400].astype(np.int64)
        tested = x[300:332]
    else:
        x, y, tested = _mnist(need(data / "mnist"))
    net = _fitted(
        MNIST_CNN, x[: 300 if small else None], y[: 300 if small else None], Pictures(28, 28, 1), 1
    )
    return {**figures, "mnist_cnn": measure(net, tested)}


def _mnist(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """3,000 training pictures with their digits, and 500 test pictures."""
    import gzip

    def read(start: str) -> NDArray[np.uint8]:
        path = next(p for p in sorted(folder.iterdir()) if p.name.startswith(start))
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return np.frombuffer(raw, np.uint8)

    def pictures(start: str) -> NDArray[np.uint8]:
        return read(start)[16:].reshape(-1, 28, 28, 1)

    x, y = pictures("train-images"), read("train-labels")[8:].astype(np.int64)
    return x[:3000].copy(), y[:3000], pictures("t10k-images")[:500].copy()


class _Timm:
    """Networks of timm with batch norms and heads fitted to pictures."""

    def __init__(self, x: NDArray[np.uint8], y: NDArray[np.int64]) -> None:
        self.x, self.y = x, y

    def deployed(self, name: str) -> Any:
        """`name` with the embedded weights where we have them, else random ones."""
        import timm
        import torch

        from tellapart.learn.deep.deployed import Deployed, Pictures, Prepare
        from tellapart.learn.deep.timm_heads import Whole

        torch.manual_seed(0)
        net = timm.create_model(name, num_classes=int(self.y.max()) + 1)
        config = net.pretrained_cfg
        height, width = self.x.shape[1:3]
        how = Pictures(height, width, 3, tuple(config["mean"]), tuple(config["std"]))
        prepared = Prepare(how)(torch.from_numpy(self.x))
        if name == "tf_efficientnet_lite0":
            self._load(net)
        else:
            _settle(net, prepared)
        whole = Whole(net.eval())
        with torch.inference_mode():
            features = torch.cat([whole(part)[1] for part in prepared.split(8)])
        _fit_head(net.get_classifier(), features.numpy(), self.y)
        return Deployed(whole, how)

    def _load(self, net: Any) -> None:
        import torch

        from tellapart.learn.backbone import embedded

        with tempfile.TemporaryDirectory() as folder:
            tensors = embedded(Path(folder)).timm_weights()
        net.load_state_dict({k: torch.tensor(v) for k, v in tensors.items()}, strict=False)


def _settle(net: Any, prepared: Any) -> None:
    """Batch norms with the statistics of pictures: random weights would else fade or explode."""
    import torch

    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # the plain mean of all batches
            part.reset_running_stats()
            # Residual branches begin at zero in some designs: nothing would pass through them.
            torch.nn.init.ones_(part.weight)
    net.train()
    with torch.no_grad():
        for part in prepared.split(16):
            net(part)


def _fit_head(linear: Any, features: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    """A regularized logistic regression on standardized features, folded into the layer."""
    import torch
    from sklearn.linear_model import LogisticRegression

    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=1e-3, max_iter=1000).fit((features - mean) / std, y)
    weight = model.coef_ / std
    linear.weight.data = torch.tensor(weight, dtype=torch.float32)
    linear.bias.data = torch.tensor(model.intercept_ - weight @ mean, dtype=torch.float32)


def _photographs(data: Path, small: bool) -> Iterator[tuple[NDArray[np.uint8], int]]:
    from tellapart import images
    from tellapart.demo.drawing import WORDS, draw

    if small:
        for number in range(24):
            picture = draw(WORDS[number % 3], number, (96, 96))
            yield images.prepare(picture, 64), number % 3
        return
    folders = sorted(p for p in need(data / "caltech101_10").iterdir() if p.is_dir())
    for label, folder in enumerate(folders):
        for path in sorted(folder.iterdir())[:11]:
            yield images.load(path, 224), label


def run(data: Path, small: bool) -> dict[str, Any]:
    """Agreement and largest difference by network; `all` is the worst of everything."""
    from tellapart.learn.deep.deployed import Deployed

    specs = layer_nets()
    if small:
        specs = dict(list(specs.items())[::12])
    layers = {}
    for name, spec in specs.items():
        how, x = drawn(spec)
        layers[name] = measure(Deployed(built(spec), how), x)
    taken = list(_photographs(data, small))
    pictures, labels = np.stack([item[0] for item in taken]), np.array([item[1] for item in taken])
    tested = np.arange(len(labels)) % 11 > 7  # three of each folder's eleven
    timm = _Timm(pictures[~tested], labels[~tested])
    nets = {
        name: measure(timm.deployed(name), pictures[tested], single=False)
        for name in (TIMM[:1] if small else TIMM)
    }
    examples = _examples(data, small)
    everything = [*layers.values(), *nets.values(), *examples.values()]
    brief = {n: {k: v for k, v in one.items() if k != "operators"} for n, one in layers.items()}
    return {"all": worst(everything), "examples": examples, "timm": nets, "layers": brief}


if __name__ == "__main__":
    main(run)
