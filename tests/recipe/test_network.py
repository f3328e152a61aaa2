"""Shapes, parameters and operations: against torch's own, and counted by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import RecipeError
from tellapart.recipe import Layer, Network, Traced, trace
from tellapart.recipe.layering import build, drafts
from tellapart.recipe.network import epoch_seconds
from tellapart.recipe.problems import Problems


def layers(*written: Any) -> tuple[Layer, ...]:
    """Layers as a recipe's reader makes them."""
    problems = Problems()
    built = build(drafts(written, problems), problems)
    assert problems.found == []
    return tuple(built)


def one(kind: str, shape: tuple[int, ...], **options: Any) -> Traced:
    end = layers("flatten", {"dense": {"units": 2}})
    return trace([*layers({kind: options} if options else kind), *end], shape).layers[0]


def test_the_first_example_has_the_figures_that_are_known_of_it() -> None:
    """Keras' summary of this network says 1,199,882 parameters."""
    network = trace(
        layers(
            {"conv2d": {"filters": 32, "kernel_size": 3, "activation": "relu"}},
            {"conv2d": {"filters": 64, "kernel_size": 3, "activation": "relu"}},
            "max_pool2d",
            {"dropout": {"rate": 0.25}},
            "flatten",
            {"dense": {"units": 128, "activation": "relu"}},
            {"dropout": {"rate": 0.5}},
            {"dense": {"units": 10, "activation": "softmax"}},
        ),
        (28, 28, 1),
        10,
    )
    assert network.parameters == network.trainable == 1_199_882
    assert [layer.output for layer in network.layers] == [
        (26, 26, 32),
        (24, 24, 64),
        (12, 12, 64),
        (12, 12, 64),
        (9216,),
        (128,),
        (128,),
        (10,),
    ]
    # Products twice; bias and activation once an output; the pool looks at four numbers each.
    first = 26 * 26 * 32 * (2 * 9 + 2)
    second = 24 * 24 * 64 * (2 * 9 * 32 + 2)
    pool = 12 * 12 * 64 * 4
    assert network.flops == first + second + pool + 128 * (2 * 9216 + 2) + 10 * (2 * 128 + 2)
    assert network.notes == ()
    assert [layer.name for layer in network.layers][:3] == ["conv2d_1", "conv2d_2", "max_pool2d_1"]


@pytest.mark.parametrize(
    ("kind", "shape", "options", "output", "parameters", "flops"),
    [
        ("dense", (4,), {"units": 3}, (3,), 15, 27),
        ("dense", (4,), {"units": 3, "use_bias": False}, (3,), 12, 24),
        ("conv2d", (9, 7, 4), {"filters": 8, "kernel_size": [3, 2]}, (7, 6, 8), 200, 16_464),
        (
            "conv2d",
            (9, 7, 4),
            {"filters": 8, "kernel_size": 3, "stride": 2, "padding": "same"},
            (5, 4, 8),
            296,
            11_680,
        ),
        ("conv2d", (9, 9, 4), {"filters": 8, "kernel_size": 3, "groups": 4}, (7, 7, 8), 80, 7_448),
        (
            "conv2d",
            (9, 9, 1),
            {"filters": 1, "kernel_size": 3, "dilation_rate": 2, "use_bias": False},
            (5, 5, 1),
            9,
            450,
        ),
        ("max_pool2d", (9, 9, 2), {}, (4, 4, 2), 0, 128),
        ("max_pool2d", (9, 9, 2), {"padding": "same"}, (5, 5, 2), 0, 200),
        ("avg_pool2d", (9, 9, 2), {"pool_size": 3, "stride": 1}, (7, 7, 2), 0, 882),
        ("global_avg_pool", (9, 9, 2), {}, (2,), 0, 162),
        ("batch_norm", (9, 9, 2), {}, (9, 9, 2), 8, 324),
        ("batch_norm", (6,), {"axis": 1}, (6,), 24, 12),
        ("dropout", (6,), {"rate": 0.5}, (6,), 0, 0),
        ("flatten", (9, 9, 2), {}, (162,), 0, 0),
        ("reshape", (162,), {"dim": [9, -1, 2]}, (9, 9, 2), 0, 0),
        ("activation", (6,), {"function": "relu"}, (6,), 0, 6),
        ("activation", (6,), {"function": "linear"}, (6,), 0, 0),
    ],
)
def test_each_kind_is_counted_as_by_hand(
    kind: str,
    shape: tuple[int, ...],
    options: dict[str, Any],
    output: tuple[int, ...],
    parameters: int,
    flops: int,
) -> None:
    found = one(kind, shape, **options)
    assert (found.output, found.parameters, found.flops) == (output, parameters, flops)
    assert found.trainable == (parameters // 2 if kind == "batch_norm" else parameters)


def test_a_residual_connection_adds_equal_shapes() -> None:
    network = trace(
        layers(
            {"conv2d": {"name": "stem", "filters": 8, "kernel_size": 3, "padding": "same"}},
            {"conv2d": {"filters": 8, "kernel_size": 3, "padding": "same"}},
            {"add": {"with": "stem"}},
            "global_avg_pool",
        ),
        (12, 12, 3),
        8,
    )
    add = network.layers[2]
    assert add.options == {"with": "stem"}
    assert (add.output, add.parameters, add.flops) == ((12, 12, 8), 0, 12 * 12 * 8)


CONV = st.fixed_dictionaries(
    {
        "filters": st.sampled_from([4, 8, 12]),
        "kernel_size": st.tuples(st.integers(1, 4), st.integers(1, 4)).map(list),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)).map(list),
        "dilation_rate": st.just(1) | st.integers(1, 3),
        "groups": st.sampled_from([1, 2, 4]),
        "use_bias": st.booleans(),
    }
)


@settings(deadline=None, max_examples=60)
@given(CONV, st.tuples(st.integers(5, 12), st.integers(5, 12)))
def test_convolutions_are_those_of_torch(options: dict[str, Any], sides: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    if options["dilation_rate"] > 1:
        options = {**options, "stride": [1, 1]}
    module = torch.nn.Conv2d(
        4,
        options["filters"],
        options["kernel_size"],
        options["stride"],
        dilation=options["dilation_rate"],
        groups=options["groups"],
        bias=options["use_bias"],
    )
    image = torch.zeros(1, 4, *sides)
    reach = [(k - 1) * options["dilation_rate"] + 1 for k in options["kernel_size"]]
    if any(side < r for side, r in zip(sides, reach, strict=True)):
        with pytest.raises(RecipeError, match="smaller than its kernel_size"):
            one("conv2d", (*sides, 4), **options)
        return
    found = one("conv2d", (*sides, 4), **options)
    with FlopCounterMode(display=False) as counter:
        _, channels, rows, columns = module(image).shape
    assert found.output == (rows, columns, channels)
    assert found.parameters == sum(weight.numel() for weight in module.parameters())
    added = rows * columns * channels * options["use_bias"]
    assert found.flops == counter.get_total_flops() + added


def test_names_are_made_around_those_that_are_given() -> None:
    network = trace(
        layers("flatten", {"dense": {"name": "dense_1", "units": 3}}, {"dense": {"units": 2}}),
        (4, 4, 1),
    )
    assert [layer.name for layer in network.layers] == ["flatten_1", "dense_1", "dense_2"]


def test_a_network_survives_json() -> None:
    network = trace(
        layers(
            {"conv2d": {"filters": 4, "kernel_size": 3, "kernel_regularizer": "l2"}},
            "flatten",
            {"dense": {"units": 2, "activation": "sigmoid", "kernel_constraint": "max_norm"}},
        ),
        (8, 8, 1),
        2,
    )
    back = Network.from_dict(json.loads(json.dumps(network.to_dict())))
    assert back == network
    assert back.layers[0].options["kernel_regularizer"] == {"l2": 0.01}
    assert back.layers[2].options["kernel_constraint"] == {"max_norm": 2.0}


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ([{"dense": {"units": 2}}], None),
        ([{"dense": {"units": 2, "activation": "softmax"}}], None),
        ([{"dense": {"units": 2, "activation": "sigmoid"}}], "share of the sum"),
        ([{"dense": {"units": 2}}, {"activation": {"function": "relu"}}], "softmax over it"),
        ([{"dense": {"units": 2, "activation": "tanh"}}, {"dropout": {"rate": 0.1}}], "tanh"),
    ],
)
def test_what_the_last_activation_means_is_noted(last: list[Any], says: str | None) -> None:
    notes = trace(layers("flatten", *last), (4, 4, 1), 2).notes
    assert (notes == ()) if says is None else (says in notes[0])


def test_trace_lists_all_problems() -> None:
    written = layers(
        {"conv2d": {"filters": 4, "kernel_size": 5}}, "flatten", {"dense": {"units": 3}}
    )
    with pytest.raises(RecipeError) as caught:
        trace(written, (4, 4, 1), 2)
    assert [p["path"] for p in caught.value.problems] == [
        "layers[0].conv2d.kernel_size",
        "layers[2].dense.units",
    ]


def test_the_time_of_an_epoch_grows_with_the_work() -> None:
    written = layers({"conv2d": {"filters": 8, "kernel_size": 3}}, "flatten")
    network = trace(written, (28, 28, 1))
    assert 0 < epoch_seconds(network, 1000, 32) < epoch_seconds(network, 50_000, 32)
    assert epoch_seconds(network, 1000, 1) > epoch_seconds(network, 1000, 100)
