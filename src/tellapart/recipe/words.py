"""The words that options of layers take: activations, initializers, penalties, limits, pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from tellapart.recipe.fields import Number, Whole

ActivationName = Literal[
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "sigmoid",
    "hard_sigmoid",
    "tanh",
    "softplus",
    "softsign",
    "softmax",
    "linear",
]
InitializerName = Literal[
    "zeros",
    "ones",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
]
ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)
INITIALIZERS: tuple[str, ...] = get_args(InitializerName)
_SAME = {
    "swish": "silu",
    "re_lu": "relu",
    "re_lu6": "relu6",
    "se_lu": "selu",
    "si_lu": "silu",
    "ge_lu": "gelu",
    "leaky_re_lu": "leaky_relu",
    "none": "linear",
    "identity": "linear",
    "zero": "zeros",
    "one": "ones",
    "normal": "random_normal",
    "uniform": "random_uniform",
    "xavier_normal": "glorot_normal",
    "xavier_uniform": "glorot_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
}
_LIMITS = {"maxnorm": "max_norm", "nonneg": "non_neg", "unitnorm": "unit_norm"}
_DEFAULT_PENALTY = 0.01
_DEFAULT_NORM = 2.0


def _snake(value: object) -> object:
    """`GlorotUniform`, `glorot uniform` and `glorot_uniform` are one word."""
    if not isinstance(value, str):
        return value
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value.strip())
    word = re.sub(r"[\s-]+", "_", word).lower()
    return _SAME.get(word, word)


def _activation(value: object) -> object:
    word = _snake(value)
    if isinstance(word, str) and word not in ACTIVATIONS and word.replace("_", "") in ACTIVATIONS:
        return word.replace("_", "")
    return word


def _optional_activation(value: object) -> object:
    word = _activation(value)
    return None if word == "linear" else word


def _pair(value: object) -> object:
    """One number stands for both directions."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return (value, value)
    return value


def _regularizer(value: object) -> object:
    """`l2` → {l2: .01}; `l1_l2` stands for both."""
    word = _snake(value)
    if isinstance(word, str):
        word = {word: None}
    if not isinstance(word, Mapping):
        return value
    found: dict[Any, Any] = {}
    for key, amount in word.items():
        amount = _DEFAULT_PENALTY if amount is None else amount
        for name in ("l1", "l2") if _snake(key) in {"l1_l2", "l1l2"} else (_snake(key),):
            found[name] = amount
    return found


def _constraint(value: object) -> object:
    """`max_norm` → {max_norm: 2}; the others have no number."""
    word = _snake(value)
    if isinstance(word, Mapping) and len(word) == 1:
        key, amount = next(iter(word.items()))
        key = _snake(key)
        if key == "max_norm":
            return {"max_norm": _DEFAULT_NORM if amount is None else amount}
        return key if amount is None else value
    if isinstance(word, str):
        plain = {"maxnorm": "max_norm", "nonneg": "non_neg", "unitnorm": "unit_norm"}.get(
            word, word
        )
        return {"max_norm": _DEFAULT_NORM} if plain == "max_norm" else plain
    return value


Side = Annotated[Whole, Field(ge=1, le=4096)]
#: Rows and columns.
Pair = Annotated[tuple[Side, Side], BeforeValidator(_pair)]
Activation = Annotated[ActivationName, BeforeValidator(_activation)]
#: An activation, or null for none.
OptionalActivation = Annotated[ActivationName | None, BeforeValidator(_optional_activation)]
Initializer = Annotated[InitializerName, BeforeValidator(_snake)]
Padding = Annotated[Literal["valid", "same"], BeforeValidator(_snake)]
Amount = Annotated[Number, Field(ge=0, le=1e6)]
#: {l1: amount}, {l2: amount}, both, or null.
Regularizer = Annotated[dict[Literal["l1", "l2"], Amount] | None, BeforeValidator(_regularizer)]
#: {max_norm: limit}, `non_neg`, `unit_norm` or null.
Constraint = Annotated[
    dict[Literal["max_norm"], Annotated[Number, Field(gt=0, le=1e6)]]
    | Literal["non_neg", "unit_norm"]
    | None,
    BeforeValidator(_constraint),
]
