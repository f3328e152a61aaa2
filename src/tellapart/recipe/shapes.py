"""One rule a kind of layer: the shape that comes out, its parameters and operations.

Operations are counted for one sample: a multiplication and an addition are two, a function of a
number is one. Formulas of sizes: TensorFlow's `valid` and `same` padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tellapart.recipe import layers as kinds
from tellapart.recipe.problems import Problems, guess, quote
from tellapart.recipe.wording import Place, Shape, shape_words


class Result(NamedTuple):
    """What a layer makes of a shape. None: not known, because something before is wrong."""

    output: Shape | None
    parameters: int = 0
    trainable: int = 0
    flops: int = 0


@dataclass(frozen=True)
class Site:
    """One layer at work: its place, what goes in, and what earlier layers gave."""

    place: Place
    shape: Shape | None
    problems: Problems
    #: What each earlier layer gave, by name.
    earlier: Mapping[str, Shape | None] = field(default_factory=dict)
    #: Names of this and all later layers.
    later: frozenset[str] = frozenset()
    #: Label of the latest layer that made a row of a picture, if one did.
    flattened: str = ""

    def say(self, what: str, expected: str, do: str, option: str = "") -> None:
        path = self.place.option(option) if option else self.place.path
        self.problems.say(path, f"{self.place.label} {what}", expected, do)


def _is_picture(site: Site) -> bool:
    """Whether a picture goes in; says so where it does not."""
    if site.shape is None:
        return False
    if len(site.shape) == 3:
        return True
    words = site.place.words
    if site.flattened:
        do = f"Put it before {site.flattened}, or remove it."
    else:
        do = f"Put a {words.kind('reshape')} before it, or use {words.kind('dense')} layers."
    site.say(f"gets {shape_words(site.shape)}", "a picture: height × width × channels", do)
    return False


def _slid(
    site: Site, layer: kinds.Conv2D | kinds.MaxPool2D | kinds.AvgPool2D, window: str
) -> tuple[int, int] | None:
    """Rows and columns after sliding the option `window` over a picture."""
    assert site.shape is not None
    size: tuple[int, int] = getattr(layer, window)
    stride = layer.stride or size
    dilation = layer.dilation_rate if isinstance(layer, kinds.Conv2D) else (1, 1)
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    sides = site.shape[:2]
    if layer.padding == "same":
        rows, columns = (math.ceil(s / t) for s, t in zip(sides, stride, strict=True))
        return rows, columns
    if any(side and side < r for side, r in zip(sides, reach, strict=True)):
        fits = "×".join(str(min(side, k)) for side, k in zip(sides, size, strict=True))
        spread = f" (spread over {shape_words(reach)} by its {site.place.word('dilation_rate')})"
        site.say(
            f"gets {shape_words(site.shape)}, smaller than its {site.place.word(window)} "
            f"{shape_words(size)}{spread if tuple(reach) != tuple(size) else ''}",
            f"at least {shape_words(reach)}",
            f"Set {site.place.word(window)} to {fits}, set {site.place.word('padding')} to same, "
            "or shrink the picture less before it.",
            window,
        )
        return None
    rows, columns = (
        (side - r) // t + 1 if side else 0 for side, r, t in zip(sides, reach, stride, strict=True)
    )
    return rows, columns


def _conv2d(layer: kinds.Conv2D, site: Site) -> Result:
    if max(layer.stride) > 1 and max(layer.dilation_rate) > 1:
        site.say(
            f"has {site.place.word('stride')} {shape_words(layer.stride)} and "
            f"{site.place.word('dilation_rate')} {shape_words(layer.dilation_rate)}",
            "one of the two above 1",
            f"Set {site.place.word('dilation_rate')} or {site.place.word('stride')} to 1.",
            "dilation_rate",
        )
    if layer.filters % layer.groups:
        site.say(
            f"has {layer.filters} filters in {layer.groups} groups",
            "filters that the groups divide evenly",
            f"Set groups to 1, or filters to a multiple of {layer.groups}.",
            "groups",
        )
        return Result(None)
    if not _is_picture(site):
        return Result(None)
    assert site.shape is not None
    channels = site.shape[2]
    if channels % layer.groups:
        site.say(
            f"gets {channels} channels for {layer.groups} groups",
            "channels that the groups divide evenly",
            "Set groups to 1, or change the filters before it.",
            "groups",
        )
        return Result(None)
    sides = _slid(site, layer, "kernel_size")
    if sides is None:
        return Result((0, 0, layer.filters))
    weights = math.prod(layer.kernel_size) * (channels // layer.groups) * layer.filters
    outputs = math.prod(sides) * layer.filters
    parameters = weights + layer.filters * layer.use_bias
    flops = 2 * weights * math.prod(sides) + outputs * _extra(layer)
    return Result((*sides, layer.filters), parameters, parameters, flops)


def _dense(layer: kinds.Dense, site: Site) -> Result:
    if site.shape is None:
        return Result((layer.units,))
    if len(site.shape) == 3:
        site.say(
            f"gets {shape_words(site.shape)}",
            "one row of numbers",
            f"Put a {site.place.words.kind('flatten')} before it.",
        )
        return Result((layer.units,))
    weights = site.shape[0] * layer.units
    parameters = weights + layer.units * layer.use_bias
    return Result((layer.units,), parameters, parameters, 2 * weights + layer.units * _extra(layer))


def _extra(layer: kinds.Conv2D | kinds.Dense) -> int:
    """Operations an output beside the products: the bias and the activation."""
    return int(layer.use_bias) + (layer.activation is not None)


def _pool(layer: kinds.MaxPool2D | kinds.AvgPool2D, site: Site) -> Result:
    if not _is_picture(site):
        return Result(None)
    assert site.shape is not None
    sides = _slid(site, layer, "pool_size")
    if sides is None:
        return Result((0, 0, site.shape[2]))
    output = (*sides, site.shape[2])
    return Result(output, flops=math.prod(output) * math.prod(layer.pool_size))


def _global_avg_pool(layer: kinds.GlobalAvgPool, site: Site) -> Result:
    if not _is_picture(site):
        return Result(site.shape if site.shape and len(site.shape) == 1 else (0,))
    assert site.shape is not None
    return Result((site.shape[2],), flops=math.prod(site.shape))


def _batch_norm(layer: kinds.BatchNorm, site: Site) -> Result:
    if site.shape is None:
        return Result(None)
    rank = len(site.shape)
    if layer.axis not in {-1, rank}:
        site.say(
            f"has the {site.place.word('axis')} {layer.axis}",
            f"-1 or {rank}, the axis of the channels",
            f"Set {site.place.word('axis')} to -1.",
            "axis",
        )
    channels = site.shape[-1]
    return Result(site.shape, 4 * channels, 2 * channels, 2 * math.prod(site.shape))


def _dropout(layer: kinds.Dropout, site: Site) -> Result:
    shape = site.shape
    if layer.noise_shape is not None and shape is not None and all(shape):
        good = len(layer.noise_shape) == len(shape) and all(
            n in {None, 1, size} for n, size in zip(layer.noise_shape, shape, strict=True)
        )
        if not good:
            site.say(
                f"has the {site.place.word('noise_shape')} {list(layer.noise_shape)} for "
                f"{shape_words(shape)}",
                f"{len(shape)} number{'s' * (len(shape) > 1)}, each 1 or the size of that axis",
                f"Remove {site.place.word('noise_shape')}.",
                "noise_shape",
            )
    return Result(shape)


def _flatten(layer: kinds.Flatten, site: Site) -> Result:
    return Result((0,) if site.shape is None else (math.prod(site.shape),))


def _reshape(layer: kinds.Reshape, site: Site) -> Result:
    dim = layer.dim
    word = site.place.word("dim")
    if len(dim) == 2 or dim.count(-1) > 1 or any(size < 1 and size != -1 for size in dim):
        site.say(
            f"has the {word} {site.place.words.shape(dim)}",
            "one size, or height, width and channels"
            + ("" if site.place.words.old else "; -1 at most once"),
            f"Write for example {site.place.words.shape(_better(dim))}.",
            "dim",
        )
        return Result(None)
    total = math.prod(site.shape) if site.shape is not None else 0
    known = math.prod(size for size in dim if size != -1)
    if not total:  # not known
        return Result(tuple(0 if size == -1 else size for size in dim))
    if total % known if -1 in dim else total != known:
        site.say(
            f"makes {site.place.words.shape(dim)} of {shape_words(site.shape)}, "
            f"which is {total} numbers",
            f"sizes whose product is {total}",
            f"Change its {word}, for example to {site.place.words.shape([total])}.",
            "dim",
        )
        return Result(None if -1 in dim else dim)
    return Result(tuple(total // known if size == -1 else size for size in dim))


def _better(dim: tuple[int, ...]) -> list[int]:
    """What `dim` may have been meant as."""
    return [*dim, 1] if len(dim) == 2 and min(dim) > 0 else [28, 28, 1]


def _activation(layer: kinds.ActivationLayer, site: Site) -> Result:
    flops = 0 if site.shape is None or layer.function == "linear" else math.prod(site.shape)
    return Result(site.shape, flops=flops)


def _add(layer: kinds.Add, site: Site) -> Result:
    if layer.with_ not in site.earlier:
        near = guess(layer.with_, list(site.earlier))
        later = layer.with_ in site.later
        site.say(
            f"adds {quote(layer.with_)}, which "
            + ("does not come before it" if later else "is no layer"),
            "the name of an earlier layer: " + ", ".join(site.earlier)
            if site.earlier
            else "a layer before it",
            f"Did you mean {near!r}?" if near and not later else "Name an earlier layer.",
            "with",
        )
        return Result(site.shape)
    other = site.earlier[layer.with_]
    if other is not None and site.shape is not None and all(other) and all(site.shape):
        if other != site.shape:
            site.say(
                f"adds {shape_words(site.shape)} and the {shape_words(other)} of "
                f"{quote(layer.with_)}",
                "two equal shapes",
                "Give both the same size: padding same, the same filters, the same steps.",
                "with",
            )
        return Result(site.shape, flops=math.prod(site.shape))
    return Result(site.shape)


def _broken(layer: kinds.Broken, site: Site) -> Result:
    same = {"batch_norm", "dropout", "activation", "add"}
    return Result(site.shape if layer.was in same else layer.gives)


_RULES: dict[str, Callable[[Any, Site], Result]] = {
    "conv2d": _conv2d,
    "dense": _dense,
    "max_pool2d": _pool,
    "avg_pool2d": _pool,
    "global_avg_pool": _global_avg_pool,
    "batch_norm": _batch_norm,
    "dropout": _dropout,
    "flatten": _flatten,
    "reshape": _reshape,
    "activation": _activation,
    "add": _add,
    "broken": _broken,
}


def apply(layer: kinds.Layer, site: Site) -> Result:
    """What `layer` makes of the shape at `site`; problems are said there."""
    return _RULES[layer.kind](layer, site)
