"""What a layer is, in words: its settings, its shapes, its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.recipe.network import Traced

#: Kinds that are explained, for want of settings.
_PLAIN = {
    "flatten": "all values in a row",
    "global_avg_pool": "mean of each channel",
    "batch_norm": "mean 0, spread 1 in each channel",
}


def settings(layer: Traced) -> str:
    """What sets the layer apart from others of its kind, in a few words."""
    return ", ".join(_words(layer.kind, layer.options))


def shape(values: Sequence[int]) -> str:
    """`(28, 28, 1)` -> `28 × 28 × 1`."""
    return " × ".join(f"{value:,}" for value in values)


def quantity(value: float) -> str:
    """`1234567` -> `1.23 M`: three figures and a prefix."""
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            figure = value / size
            digits = 2 if figure < 9.995 else 1 if figure < 99.95 else 0
            return f"{figure:.{digits}f} {prefix}"
    return f"{value:,.0f}"


def _words(kind: str, options: Mapping[str, Any]) -> Iterable[str]:
    """The settings worth a word: those that every layer has, and what differs from usual."""
    if kind in _PLAIN:
        yield _PLAIN[kind]
    if kind == "conv2d":
        yield f"{options.get('filters')} filters {pair(options.get('kernel_size', 1))}"
    elif kind == "dense":
        yield f"{options.get('units'):,} units"
    elif kind in ("max_pool2d", "avg_pool2d"):
        of = "largest" if kind == "max_pool2d" else "mean"
        yield f"{of} of {pair(options.get('pool_size', 2))}"
    elif kind == "dropout":
        yield f"{100 * float(options.get('rate', 0)):g} % left out in training"
    elif kind == "add":
        yield f"adds {options.get('with')}"
    elif kind == "activation":
        yield str(options.get("function") or options.get("activation") or "linear")
    stride = options.get("stride")
    usual = pair(options.get("pool_size", 1)) if "pool" in kind else "1×1"
    if stride is not None and pair(stride) != usual:
        yield f"stride {_step(stride)}"
    if pair(options.get("dilation_rate") or 1) != "1×1":
        yield f"dilation {_step(options['dilation_rate'])}"
    if (options.get("groups") or 1) != 1:
        yield f"{options['groups']} groups"
    if options.get("padding") == "same":
        yield "padded"
    if options.get("use_bias") is False:
        yield "no bias"
    if kind != "activation" and options.get("activation") not in (None, "linear"):
        yield str(options["activation"])


def pair(value: Any) -> str:
    """`3` and `(3, 3)` -> `3×3`."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "×".join(str(one) for one in (value if len(value) > 1 else [value[0]] * 2))
    return f"{value}×{value}"


def _step(value: Any) -> str:
    """`(2, 2)` -> `2`, `(1, 2)` -> `1×2`."""
    first, _, second = pair(value).partition("×")
    return first if first == second else pair(value)
