"""The layers of a network, one frozen model a kind; Keras' words for their options.

A layer is written as its bare kind (`flatten`) or as `{kind: options}`. Every kind may have a
`name`; left out, it is the kind and a number (`dense_2`). Pictures are height, width, channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from tellapart.recipe.fields import Number, Part, Size, Whole, says
from tellapart.recipe.words import (
    ACTIVATIONS,
    INITIALIZERS,
    Activation,
    Constraint,
    Initializer,
    OptionalActivation,
    Padding,
    Pair,
    Regularizer,
)

_PAIR = "a whole number from 1 to 4096, or two of them"
_PADDING = "valid or same"
_SIZE = "a whole number from 1 to 65536"
_TRUTH = "true or false"
_PENALTY = "l1, l2, l1_l2, a mapping such as {l2: 0.01}, or null"
_LIMIT = "max_norm, non_neg, unit_norm, {max_norm: 2}, or null"
_MUST = "must be given"
#: Options that are two numbers, or one for both.
PAIRS = frozenset({"kernel_size", "stride", "dilation_rate", "pool_size"})


class Layer(Part):
    """One layer. `kind` is its word; the fields are its options."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: ClassVar[str] = ""

    name: str | None = says(
        None,
        "Name of the layer, for `add` and for what is shown; left out: its kind and number.",
        expected="letters, digits, `_` and `-`, first a letter, at most 64",
        why="made of the kind and a number",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$",
    )

    def options(self) -> dict[str, Any]:
        """All options with their defaults as plain values, the name left out."""
        inner: dict[str, Any] = self.model_dump(mode="json")
        values = inner[self.kind] if isinstance(inner, dict) else {}
        return {key: value for key, value in values.items() if key != "name"}

    def brief(self) -> Any:
        """As a person would write it: only what differs from the defaults, pairs as one number."""
        values: dict[str, Any] = {"name": self.name} if self.name else {}
        plain = self.options()
        fields = type(self).model_fields.items()
        for key, field in sorted(fields, key=lambda item: not item[1].is_required()):
            if key != "name" and getattr(self, key) != field.default:
                word = "with" if key == "with_" else key
                value = plain[word]
                alike = key in PAIRS and isinstance(value, list) and value[0] == value[1]
                values[word] = value[0] if alike else value
        return {self.kind: values} if values else self.kind

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        """Back to the form a recipe is written in; a bare kind where nothing was written."""
        values = handler(self)
        if values.get("name", "") is None:
            del values["name"]
        if "with_" in values:
            values["with"] = values.pop("with_")
        return {self.kind: values} if values else self.kind


class _Weighted(Layer):
    """What layers with weights share."""

    activation: OptionalActivation = says(
        None,
        "Function of the outputs; null: none.",
        expected="null, " + ", ".join(ACTIVATIONS),
        why="none, as in Keras",
    )
    use_bias: bool = says(True, "Whether a number is added to each output.", expected=_TRUTH)
    kernel_initializer: Initializer = says(
        "glorot_uniform",
        "How the weights begin.",
        expected=", ".join(INITIALIZERS),
        why="as in Keras",
    )
    bias_initializer: Initializer = says(
        "zeros", "How the added numbers begin.", expected=", ".join(INITIALIZERS), why="as in Keras"
    )
    kernel_regularizer: Regularizer = says(
        None, "Penalty on large weights.", expected=_PENALTY, why="none, as in Keras"
    )
    bias_regularizer: Regularizer = says(
        None, "Penalty on large added numbers.", expected=_PENALTY, why="none, as in Keras"
    )
    activity_regularizer: Regularizer = says(
        None, "Penalty on large outputs.", expected=_PENALTY, why="none, as in Keras"
    )
    kernel_constraint: Constraint = says(
        None, "Limit that the weights keep.", expected=_LIMIT, why="none, as in Keras"
    )
    bias_constraint: Constraint = says(
        None, "Limit that the added numbers keep.", expected=_LIMIT, why="none, as in Keras"
    )


class Conv2D(_Weighted):
    """Convolution: slides `filters` small kernels over a picture."""

    kind = "conv2d"

    filters: Size = says(
        ..., "Number of kernels, the channels that come out.", expected=_SIZE, why=_MUST
    )
    kernel_size: Pair = says(..., "Rows and columns of a kernel.", expected=_PAIR, why=_MUST)
    stride: Pair = says((1, 1), "Steps by which it slides.", expected=_PAIR, why="as in Keras")
    padding: Padding = says(
        "valid",
        "same: zeros around, so that the size stays; valid: none.",
        expected=_PADDING,
        why="as in Keras",
    )
    dilation_rate: Pair = says(
        (1, 1), "Spacing of a kernel's cells.", expected=_PAIR, why="as in Keras"
    )
    groups: Size = says(
        1, "Parts that the channels are divided into.", expected=_SIZE, why="as in Keras"
    )


class Dense(_Weighted):
    """Every output sees every input."""

    kind = "dense"

    units: Size = says(..., "Number of outputs.", expected=_SIZE, why=_MUST)


class _Pool(Layer):
    pool_size: Pair = says(
        (2, 2), "Rows and columns that become one.", expected=_PAIR, why="as in Keras"
    )
    stride: Pair | None = says(
        None, "Steps by which it slides; null: the pool's size.", expected=f"{_PAIR}, or null"
    )
    padding: Padding = says(
        "valid",
        "same: incomplete pools at the edges count; valid: they do not.",
        expected=_PADDING,
        why="as in Keras",
    )


class MaxPool2D(_Pool):
    """The largest of each small square."""

    kind = "max_pool2d"


class AvgPool2D(_Pool):
    """The mean of each small square; cells of the padding do not count."""

    kind = "avg_pool2d"


class GlobalAvgPool(Layer):
    """The mean of every channel: a picture becomes one number a channel."""

    kind = "global_avg_pool"


class BatchNorm(Layer):
    """Batch normalization over the channels."""

    kind = "batch_norm"

    axis: Whole = says(
        -1,
        "The axis of the channels, which is the last one.",
        expected="-1 (the last axis)",
        why="as in Keras",
        ge=-4,
        le=3,
    )
    momentum: Number = says(
        0.99,
        "Share of the old mean that a step keeps.",
        expected="a number from 0 to 1",
        why="as in Keras",
        ge=0,
        le=1,
    )
    epsilon: Number = says(
        1e-3,
        "Added to the variance, so that nothing is divided by zero.",
        expected="a number above 0, at most 1",
        why="as in Keras",
        gt=0,
        le=1,
    )


class Dropout(Layer):
    """Sets a share of the numbers to zero while training."""

    kind = "dropout"

    rate: Number = says(
        ...,
        "Share that is set to zero.",
        expected="a number from 0, below 1",
        why=_MUST,
        ge=0,
        lt=1,
    )
    noise_shape: tuple[Size | None, ...] | None = says(
        None,
        "Shape of the mask without the batch, 1 where one draw serves a whole axis; null: the "
        "input's.",
        expected="a list of whole numbers, or null",
        why="as in Keras",
        max_length=4,
    )
    seed: Whole | None = says(
        None,
        "Read and ignored, with a note: all draws come from the recipe's seed.",
        expected="a whole number from 0 to 4294967295, or null",
        why="the recipe's seed",
        ge=0,
        le=2**32 - 1,
    )


class Flatten(Layer):
    """A picture becomes one row of numbers: height, then width, then channels."""

    kind = "flatten"


class Reshape(Layer):
    """The same numbers in another shape."""

    kind = "reshape"

    dim: tuple[int, ...] = says(
        ...,
        "The new shape; -1 once: whatever is left.",
        expected="[numbers] or [height, width, channels], -1 at most once",
        why=_MUST,
        min_length=1,
        max_length=3,
    )


class ActivationLayer(Layer):
    """A function of every number."""

    kind = "activation"

    function: Activation = says(
        ...,
        "The function that every number goes through.",
        expected=", ".join(ACTIVATIONS),
        why=_MUST,
    )


class Add(Layer):
    """The sum with what an earlier layer gave: a residual connection."""

    kind = "add"

    with_: str = says(
        ..., "Name of the earlier layer.", expected="the name of an earlier layer", why=_MUST
    )


class Broken(Layer):
    """Stands for a layer that was written wrongly, so that the others are checked too."""

    kind = "broken"

    #: What it would most likely give; None: not known.
    gives: tuple[int, ...] | None = None
    #: The kind that was written; empty where it was none.
    was: str = ""


KINDS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in (
        Conv2D,
        Dense,
        MaxPool2D,
        AvgPool2D,
        GlobalAvgPool,
        BatchNorm,
        Dropout,
        Flatten,
        Reshape,
        ActivationLayer,
        Add,
    )
}


def _built(value: object) -> object:
    """A layer from the form that `Layer` is written in; anything else is left to be refused."""
    options: object = {}
    if isinstance(value, Mapping) and len(value) == 1:
        value, options = next(iter(value.items()))
    if isinstance(value, str) and value in KINDS and isinstance(options, Mapping):
        given = {"with_" if k == "with" else k: v for k, v in options.items()}
        return KINDS[value].model_validate(given)
    return value


AnyLayer = Annotated[SerializeAsAny[Layer], BeforeValidator(_built)]
