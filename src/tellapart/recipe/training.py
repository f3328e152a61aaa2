"""How a model is trained and what it is written as: the groups `train` and `compile`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from tellapart.recipe.fields import Number, Part, Whole, says

OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "adadelta", "adagrad", "adamax", "nadam"]
LossName = Literal[
    "categorical_crossentropy",
    "binary_crossentropy",
    "mse",
    "mae",
    "hinge",
    "categorical_hinge",
    "kld",
    "huber",
]
_LOSSES = {
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "crossentropy": "categorical_crossentropy",
    "cross_entropy": "categorical_crossentropy",
    "crossentropyloss": "categorical_crossentropy",
    "nll": "categorical_crossentropy",
    "nll_loss": "categorical_crossentropy",
    "nllloss": "categorical_crossentropy",
    "bce": "binary_crossentropy",
    "bceloss": "binary_crossentropy",
    "bcewithlogitsloss": "binary_crossentropy",
    "binary_cross_entropy": "binary_crossentropy",
    "mean_squared_error": "mse",
    "mseloss": "mse",
    "mse_loss": "mse",
    "mean_absolute_error": "mae",
    "l1loss": "mae",
    "l1_loss": "mae",
    "hingeloss": "hinge",
    "categoricalhinge": "categorical_hinge",
    "kullback_leibler_divergence": "kld",
    "kl_divergence": "kld",
    "kl_div": "kld",
    "kldivloss": "kld",
    "huberloss": "huber",
    "huber_loss": "huber",
    "smooth_l1_loss": "huber",
    "smoothl1loss": "huber",
}


def _optimizer(value: object) -> object:
    return value.strip().lower().rsplit(".", 1)[-1] if isinstance(value, str) else value


def _loss(value: object) -> object:
    if not isinstance(value, str):
        return value
    word = value.strip().lower().rsplit(".", 1)[-1]
    return _LOSSES.get(word, word)


def _metrics(value: object) -> object:
    """`acc` is Keras' short word, and one word stands for a list of it."""
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list | tuple):
        return value
    words = [word.lower() if isinstance(word, str) else word for word in value]
    return tuple("accuracy" if word == "acc" else word for word in words)


Optimizer = Annotated[OptimizerName, BeforeValidator(_optimizer)]
Loss = Annotated[LossName, BeforeValidator(_loss)]
Metrics = Annotated[tuple[Literal["accuracy"], ...], BeforeValidator(_metrics)]


class Train(Part):
    """How the classifier is trained."""

    backbone: Literal["tf_efficientnet_lite0"] = says(
        "tf_efficientnet_lite0",
        "Pretrained network that turns a picture into features.",
        expected="tf_efficientnet_lite0",
        why="comes with the base install and is the fastest on a CPU",
    )
    view: Literal["squash", "crop", "pad"] = says(
        "squash",
        "How a picture becomes a square: squash it, crop its middle, or pad it.",
        expected="squash, crop or pad",
        why="nothing at the edges is lost, and no border is learned",
    )
    C: Number | Literal["auto"] = says(
        "auto",
        "Inverse strength of the regularization; auto: by cross-validation on train.",
        expected="a number above 0, or auto",
        why="chosen by cross-validation once the pictures are there",
    )
    class_weight: Literal["balanced"] | None = says(
        "balanced",
        "balanced: rare classes count as much as frequent ones; null: by number.",
        expected="balanced, or null",
        why="a class with few pictures must not be ignored",
    )
    refuse: Number = says(
        0.03,
        "Share of own pictures that may be refused as none of the classes.",
        expected="a number from 0 to 0.5",
        why="refuses almost all foreign pictures while it costs at most 3 in 100 own ones",
        ge=0,
        le=0.5,
    )
    neighbours: Whole = says(
        5,
        "Nearest stored training features whose mean cosine is the familiarity.",
        expected="a whole number from 1 to 100",
        why="one neighbour is noisy, many blur small classes",
        ge=1,
        le=100,
    )
    bank: Whole = says(
        512,
        "Training features stored in the model for the familiarity.",
        expected="a whole number from 1 to 10000",
        why="2.6 MB in the model, enough for hundreds of classes",
        ge=1,
        le=10_000,
    )
    optimizer: Optimizer | Literal["auto"] = says(
        "auto",
        "Network: optimizer, by its Keras or torch name in any case.",
        expected="auto, " + ", ".join(get_args(OptimizerName)),
        why="chosen to suit the network once it is built",
    )
    learning_rate: Annotated[Number, Field(gt=0, le=100)] | Literal["auto"] = says(
        "auto",
        "Network: step size; auto: the optimizer's default (adadelta 1.0; sgd and adagrad 0.01; "
        "adamax and nadam 0.002; else 0.001).",
        expected="a number above 0, at most 100, or auto",
        why="the optimizer's own default",
    )
    loss: Loss = says(
        "categorical_crossentropy",
        "Network: what training makes small, by its Keras or torch name.",
        expected=", ".join(get_args(LossName)),
        why="gives probabilities that can be trusted",
    )
    epochs: Annotated[Whole, Field(ge=1, le=100_000)] | Literal["auto"] = says(
        "auto",
        "Network: passes over the training samples.",
        expected="a whole number from 1 to 100000, or auto",
        why="chosen to suit the network and the number of samples",
    )
    batch_size: Whole = says(
        32,
        "Network: samples a step.",
        expected="a whole number from 1 to 65536",
        why="small enough to learn well, large enough to be fast",
        ge=1,
        le=65_536,
    )
    metrics: Metrics = says(
        ("accuracy",),
        "Network: what is shown of each epoch beside the loss.",
        expected="[accuracy]",
        why="the share of samples told right",
    )
    early_stopping: Whole | None = says(
        None,
        "Network: epochs without a better validation loss after which training ends; null: never.",
        expected="a whole number from 1 to 100000, or null",
        why="off: all epochs are trained",
        ge=1,
        le=100_000,
    )
    best_weights: bool = says(
        True,
        "Network: whether the weights of the epoch with the best validation loss are kept.",
        expected="true or false",
        why="the last epoch is often past the best",
    )
    precision: Literal["auto", "fp32", "bf16"] = says(
        "auto",
        "Network: numbers to calculate in while training.",
        expected="auto, fp32 or bf16",
        why="bf16 where the processor is faster with it",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = says(
        "auto",
        "Network: where to train.",
        expected="auto, cpu, cuda or mps",
        why="a graphics processor where there is one",
    )
    schedule: Literal["constant", "one_cycle"] = says(
        "constant",
        "Network: how the learning rate goes over the epochs.",
        expected="constant or one_cycle",
        why="as the optimizer's name alone means it",
    )
    augment: Literal["none", "shift"] = says(
        "none",
        "Network: how training pictures are varied; shift: by up to two pixels.",
        expected="none or shift",
        why="the pictures as they are",
    )


class Compile(Part):
    """The formats of a trained network, and what they are called in them."""

    coreml: bool | Literal["auto"] = says(
        "auto",
        "Core ML beside ONNX: true: it must be there; auto: skipped with a reason where it "
        "cannot be made; false: not made.",
        expected="auto, true or false",
        why="made wherever the model allows it",
    )
    coreml_precision: Literal["fp32", "fp16"] = says(
        "fp32",
        "Numbers in the Core ML file: fp16 halves it.",
        expected="fp32 or fp16",
        why="agrees with the trained network to the last digits",
    )
    coreml_input: str = says(
        "auto",
        "Name of the Core ML model's input; auto: `image` for pictures, `rows` for tables.",
        expected="a name of letters, digits and `_`, first a letter, at most 64",
        why="says what goes in",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$",
    )
    coreml_output: str = says(
        "auto",
        "Name of the Core ML model's probabilities; auto: `classLabel_probs`.",
        expected="a name of letters, digits and `_`, first a letter, at most 64",
        why="the name that Core ML tools use themselves",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$",
    )


#: Keys of `train` that mean something only for a linear head on frozen features.
HEAD_KEYS = frozenset({"backbone", "C", "class_weight", "refuse", "neighbours", "bank"})
#: Keys of `train` that mean something only for a network.
NETWORK_KEYS = frozenset(Train.model_fields) - HEAD_KEYS - {"view"}
