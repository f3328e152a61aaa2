"""Small bundles to serve: a classifier of colors, one with traps in it, gray pictures, a table."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tellapart.bundle.manifest import to_json
from tellapart.bundle.verify import labels_text
from tellapart.bundle.write import write_zip
from tellapart.serving.jobs import Answer, Job
from tellapart.serving.options import Options
from tellapart.serving.pool import Pool
from tellapart.tables import Column, Schema

COLORS = ("blue", "green", "red")
SIZE = 32
SCHEMA = Schema(
    columns=(
        Column("width", "number", low=0.0, high=10.0),
        Column("height", "number", missing=2, low=-1.5, high=2.5, words=("-",)),
        Column("color", "category", ("blue", "green", "red")),
    ),
    target="size",
    classes=("large", "small"),
    left_out={"number": "numbers the rows"},
)
T = TypeVar("T")
MakeBundle = Callable[..., Path]
Draw = Callable[..., bytes]


def color_model(gain: float, *, trap: int | None = None) -> bytes:
    """The mean color of each of 7×7 cells is the feature map; a class is a color.

    With `trap` an all-white picture is computed for ever (a loop without end), and one whose
    brightest channel is `trap` ends the process: a division of integers overflows.
    """
    weight = np.eye(3, dtype=np.float32)[[2, 1, 0]] * gain
    constants: dict[str, Any] = {
        "scale": np.float32(1 / 255),
        "weight": weight.T.copy(),
        "kernel": weight[:, :, None, None].copy(),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["unit"]),
        helper.make_node("AveragePool", ["unit"], ["cells"], kernel_shape=[8, 8], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["cells"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weight"], ["safe"]),
        helper.make_node("Conv", ["cells", "kernel"], ["map"]),
        helper.make_node("ReduceMax", ["features"], ["familiarity"], axes=[1], keepdims=0),
    ]
    if trap is None:
        nodes.append(helper.make_node("Identity", ["safe"], ["logits"]))
    else:
        nodes += _traps(constants)
        constants["dark"] = np.int32(trap)
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
    shapes: dict[str, list[Any]] = {
        "logits": ["N", 3],
        "probabilities": ["N", 3],
        "features": ["N", 3],
        "familiarity": ["N"],
        "map": ["N", 3, 7, 7],
    }
    return _model(nodes, [SIZE, SIZE, 3], TensorProto.UINT8, shapes, constants)


def _traps(constants: dict[str, Any]) -> list[onnx.NodeProto]:
    constants["least"] = np.int32(-(2**31))
    constants["one"] = np.int32(1)
    constants["two"] = np.int32(2)
    constants["white"] = np.int32(255)
    constants["start"] = np.array([0], np.float32)
    constants["go"] = np.bool_(True)
    constants["ages"] = np.int64(1 << 50)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still_on"]),
            helper.make_node("Sin", ["state"], ["next_state"]),
        ],
        "spin",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next_state", TensorProto.FLOAT, [1]),
        ],
    )
    return [
        helper.make_node("Cast", ["image"], ["whole"], to=TensorProto.INT32),
        helper.make_node("ReduceMax", ["whole"], ["brightest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["brightest", "dark"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["distance"]),
        helper.make_node("Min", ["distance", "one"], ["lit"]),
        helper.make_node("Mul", ["lit", "two"], ["twice"]),
        helper.make_node("Sub", ["twice", "one"], ["sign"]),
        # The least integer over -1 is no integer: the processor's own division traps. One number
        # of the whole batch is divided: eight at once go through floating point, which does not.
        helper.make_node("ReduceMin", ["sign"], ["worst"], keepdims=0),
        helper.make_node("Div", ["least", "worst"], ["shares"]),
        # One white picture holds up the whole batch, whatever else is in it.
        helper.make_node("ReduceMin", ["whole"], ["darkest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("ReduceMax", ["darkest"], ["palest"], axes=[0], keepdims=0),
        helper.make_node("Equal", ["palest", "white"], ["blank"]),
        helper.make_node("Cast", ["blank"], ["times"], to=TensorProto.INT64),
        helper.make_node("Mul", ["times", "ages"], ["turns"]),
        helper.make_node("Loop", ["turns", "go", "start"], ["spun"], body=body),
        helper.make_node("Cast", ["shares"], ["shares_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["shares_float"], ["shared"], keepdims=0),
        helper.make_node("Mul", ["shared", "start"], ["nothing"]),
        helper.make_node("Mul", ["spun", "start"], ["nothing_either"]),
        helper.make_node("Sum", ["safe", "nothing", "nothing_either"], ["logits"]),
    ]


def table_model() -> bytes:
    """Missing cells count as 0; large where 2 * width + height + color is above 9."""
    constants = {
        "weight": np.array([[2, -2], [1, -1], [1, -1]], np.float32),
        "bias": np.array([-9, 9], np.float32),
        "zero": np.float32(0),
    }
    nodes = [
        helper.make_node("IsNaN", ["rows"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "rows"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    return _model(nodes, [3], TensorProto.FLOAT, {"probabilities": ["N", 2]}, constants, "rows")


def gray_model() -> bytes:
    """Light or dark, of gray pictures of 6 by 9 pixels; no familiarity and no map are given."""
    constants = {
        "scale": np.float32(1 / 255),
        "weight": np.array([[-8, 8]], np.float32),
        "bias": np.array([4, -4], np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit"], ["light"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["light", "weight"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    return _model(nodes, [6, 9, 1], TensorProto.UINT8, {"probabilities": ["N", 2]}, constants)


def _model(
    nodes: list[onnx.NodeProto],
    item: list[int],
    kind: int,
    outputs: dict[str, list[Any]],
    constants: dict[str, Any],
    name: str = "image",
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, ["N", *item])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def write_bundle(
    folder: Path, kind: str = "colors", *, version: int = 1, gain: float = 8.0, **changes: Any
) -> Path:
    """A bundle `kind`-`version`.zip, with `changes` to its manifest.

    `kind`: colors, trap (black pictures end the process), doomed (so do gray ones, which a model
    is warmed up with), shades or sizes.
    """
    manifest: dict[str, Any] = {
        "format": 2,
        "name": kind,
        "version": version,
        "task": "image-classification",
        "labels": list(COLORS),
        "input": {
            "kind": "picture",
            "name": "image",
            "type": "uint8",
            "layout": "NHWC",
            "color": "RGB",
            "size": [SIZE, SIZE],
            "view": "squash",
        },
        "outputs": ["logits", "probabilities", "features", "familiarity", "map"],
        "thresholds": {"familiarity": 0.4, "probability": None},
        "golden": [{"file": "x", "probabilities": [0, 0, 1], "familiarity": 0}],
        "finished": True,
    }
    if kind in ("colors", "trap", "doomed"):
        model = color_model(gain, trap={"colors": None, "trap": 0, "doomed": 127}[kind])
    elif kind == "shades":
        model = gray_model()
        manifest["labels"] = ["dark", "light"]
        manifest["input"].update(size=[6, 9], color="gray")
    else:
        model = table_model()
        manifest.update(task="tabular-classification", labels=list(SCHEMA.classes))
        manifest["input"] = {
            "kind": "row",
            "name": "rows",
            "type": "float32",
            "columns": SCHEMA.to_dict()["columns"],
            "target": SCHEMA.target,
            "left_out": list(SCHEMA.left_out),
        }
    if kind in ("shades", "sizes"):
        manifest["outputs"] = ["probabilities"]
        manifest["thresholds"] = {"familiarity": None, "probability": None}
        manifest["golden"] = [{"file": "x", "probabilities": [0, 1]}]
        if kind == "sizes":
            manifest["golden"] = [{"row": {}, "probabilities": [0, 1]}]
    path = folder / f"{kind}-{version}.zip"
    write_zip(
        path,
        {
            "manifest.json": to_json({**manifest, **changes}),
            "model.onnx": model,
            "labels.txt": labels_text(manifest["labels"]).encode(),
        },
    )
    return path


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """`write_bundle(folder, kind, version=, gain=, …)`: writes a small bundle."""
    return write_bundle


@pytest.fixture(scope="session")
def colors_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tells blue, green and red apart; gives a map. Read-only by agreement."""
    return write_bundle(tmp_path_factory.mktemp("colors"))


@pytest.fixture(scope="session")
def trap_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As colors, but white pictures are computed for ever and black ones end the process."""
    return write_bundle(tmp_path_factory.mktemp("trap"), "trap")


@pytest.fixture(scope="session")
def shades_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tells dark and light gray pictures apart; no map, no familiarity."""
    return write_bundle(tmp_path_factory.mktemp("shades"), "shades")


@pytest.fixture(scope="session")
def sizes_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers rows of a table: width, height, color."""
    return write_bundle(tmp_path_factory.mktemp("sizes"), "sizes")


@pytest.fixture(scope="session")
def draw() -> Draw:
    """`draw(color, size=(40, 30), format="PNG")`: a file's bytes of one color."""

    def run(
        color: str | tuple[int, int, int] = "red",
        size: tuple[int, int] = (40, 30),
        format: str = "PNG",
    ) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", size, color).save(out, format)
        return out.getvalue()

    return run


class Runner:
    """A pool in an event loop of its own thread, so that plain tests can ask it."""

    def __init__(self, options: Options) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.options = options
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.pool = Pool(options, on_event=lambda name, facts: self.events.append((name, facts)))
        try:
            self.run(self.pool.start())
        except BaseException:
            self.stop()
            raise

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 60.0) -> T:
        """The result of a coroutine that runs in the pool's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def begin(self, *payloads: bytes, seconds: float = 30.0, **job: Any) -> list[Future[Answer]]:
        """Begin a job for each payload; all are in the queue when this returns."""
        until = time.monotonic() + seconds
        jobs = [Job(payload, until, **job) for payload in payloads]

        async def enqueue() -> list[asyncio.Future[Answer]]:
            return self.pool.enqueue_all(jobs)

        async def wait(future: asyncio.Future[Answer]) -> Answer:
            return await future

        futures = self.run(enqueue())
        return [asyncio.run_coroutine_threadsafe(wait(one), self.loop) for one in futures]

    def ask(self, payload: bytes, **job: Any) -> Answer:
        """The answer of one job."""
        return self.begin(payload, **job)[0].result(60)

    def stats(self) -> dict[str, Any]:
        async def look() -> dict[str, Any]:
            return self.pool.stats()

        return self.run(look())

    def pids(self) -> list[int]:
        """The workers that are ready."""
        return [worker["pid"] for worker in self.stats()["workers"] if worker["ready"]]

    def until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds; fail where it never does."""
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, f"it never came to that: {self.stats()}"
            time.sleep(0.01)

    def named(self, event: str) -> list[dict[str, Any]]:
        """The facts of all events of that name so far."""
        return [facts for name, facts in list(self.events) if name == event]

    def stop(self, seconds: float | None = 5.0) -> bool:
        """Drain the pool and end the loop."""
        done = self.run(self.pool.drain(seconds))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        return done


@pytest.fixture(scope="module")
def start_pool() -> Iterator[Callable[..., Runner]]:
    """`start_pool(*bundles, **options)`: a pool that runs until the module's tests are over."""
    running: list[Runner] = []

    def start(*bundles: Path, **options: Any) -> Runner:
        running.append(Runner(Options(bundles=bundles, **options)))
        return running[-1]

    yield start
    for one in running:
        if not one.loop.is_closed():
            one.stop()
