"""How a model is trained and what it is written as: the groups `train` and `compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from tellapart.recipe.fields import Number, Part, Whole, says
from tellapart.recipe.tuning import (
    MAX_STAGES,
    BackboneName,
    OptionalAugmentation,
    Side,
    Stage,
)

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


def _view(value: object) -> object:
    return "squash" if value == "whole" else value


View = Annotated[
    Literal["squash", "crop", "pad", "face", "both"],
    BeforeValidator(
        _view, json_schema_input_type=Literal["whole", "squash", "crop", "pad", "face", "both"]
    ),
]
Optimizer = Annotated[OptimizerName, BeforeValidator(_optimizer)]
Loss = Annotated[LossName, BeforeValidator(_loss)]
Metrics = Annotated[tuple[Literal["accuracy"], ...], BeforeValidator(_metrics)]


class Train(Part):
    """How the classifier is trained."""

    backbone: BackboneName = says(
        "tf_efficientnet_lite0",
        "Pretrained network that turns a picture into features, by its name in timm; auto with "
        "good or best: what turns out best of those at hand.",
        expected="auto, or a network's name in timm, such as tf_efficientnet_lite0 or resnet50",
        why="comes with the base install and is the fastest on a CPU",
    )
    weights: Path | Literal["auto", "none"] = says(
        "auto",
        "Pictures: the backbone's weights: a file (safetensors, or torch's own); auto: from the "
        "cache, the folder of weights or the model hub; none: start at random, with stages.",
        expected="auto, none, or the path of a file of weights",
        why="the first that is found of cache, folder of weights, model hub and embedded package",
    )
    size: Side | Literal["auto"] = says(
        "auto",
        "Pictures: side in pixels of the square that the backbone sees.",
        expected="a whole number from 32 to 1024, or auto",
        why="the size that the backbone was made for; with good or best what turns out best",
    )
    mirror: bool | Literal["auto"] = says(
        "auto",
        "Pictures: whether the model looks at each picture and at its mirror image, at twice "
        "the time.",
        expected="auto, true or false",
        why="off; with good or best where it turns out better",
    )
    view: View = says(
        "squash",
        "What the model sees. Of the whole picture a square: squash it (or whole), crop its "
        "middle, or pad it. face: the largest face, upright; both: the whole, and the face.",
        expected="whole, squash, crop, pad, face or both",
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
    head: Literal["linear", "concat512"] = says(
        "linear",
        "Tuning: what stands on the backbone: a linear head, or concat512 (mean and largest of "
        "the feature map, 512 units between, with dropout).",
        expected="linear or concat512",
        why="learns from the fewest pictures, and the model can show where it looks",
    )
    stages: tuple[Stage, ...] = says(
        (),
        "Tuning: what is trained, stage by stage, such as `{freeze: body, epochs: 1, lr: find}`.",
        expected=f"a list of 1 to {MAX_STAGES} stages such as {{freeze: body, epochs: 1}}",
        why="no stages were asked for",
        max_length=MAX_STAGES,
    )
    augmentation: OptionalAugmentation = says(
        None,
        "Tuning: how training pictures are varied: a mapping such as `{flip: true, zoom: 1.1}`, "
        "none, or auto.",
        expected="auto, none, or a mapping such as {flip: true, zoom: 1.1, rotate: 10}",
        why="chosen to suit the stage",
    )
    ema: Annotated[Number, Field(ge=0, lt=1)] | Literal["auto"] = says(
        "auto",
        "Tuning: how slowly the averaged weights that are kept follow the trained ones, such as "
        "0.99; 0: no averaging.",
        expected="a number from 0 (off), below 1, or auto",
        why="where there are steps enough to average over",
    )
    weight_decay: Annotated[Number, Field(ge=0, le=1)] | Literal["auto"] = says(
        "auto",
        "Tuning: how strongly weights are pulled to zero.",
        expected="a number from 0 to 1, or auto",
        why="chosen to suit the optimizer",
    )
    decay_by_layer: Annotated[Number, Field(gt=0, le=1)] | Literal["auto"] = says(
        "auto",
        "Tuning: factor of the learning rate from one group of layers to the one before it "
        "(discriminative rates); 1: all learn at the same rate.",
        expected="a number above 0, at most 1, or auto",
        why="early layers need to change less",
    )
    label_smoothing: Annotated[Number, Field(ge=0, le=0.5)] | Literal["auto"] = says(
        "auto",
        "Tuning: share of the target that goes to all classes alike.",
        expected="a number from 0 (off) to 0.5, or auto",
        why="chosen with the augmentation",
    )
    freeze_norm: bool | Literal["auto"] = says(
        "auto",
        "Tuning: whether batch normalization keeps the statistics that it came with, in layers "
        "that learn too.",
        expected="auto, true or false",
        why="small batches have no statistics worth keeping",
    )
    devices: Annotated[Whole, Field(ge=1, le=64)] = says(
        1,
        "Tuning: how many devices of that kind train together, a process each; every batch is "
        "shared out among them.",
        expected="a whole number from 1 to 64",
        why="one device",
    )
    optimizer: Optimizer | Literal["auto"] = says(
        "auto",
        "Network, tuning: optimizer, by its Keras or torch name in any case.",
        expected="auto, " + ", ".join(get_args(OptimizerName)),
        why="chosen to suit the network once it is built",
    )
    learning_rate: Annotated[Number, Field(gt=0, le=100)] | Literal["auto"] = says(
        "auto",
        "Network, tuning: step size; auto: the optimizer's default (adadelta 1.0; sgd and adagrad "
        "0.01; adamax and nadam 0.002; else 0.001); tuning: what suits the stage.",
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
        "Network, tuning: passes over the training samples.",
        expected="a whole number from 1 to 100000, or auto",
        why="chosen to suit the network and the number of samples",
    )
    batch_size: Whole = says(
        32,
        "Network, tuning: samples a step.",
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
        "Network, tuning: epochs without a better validation loss after which training ends; "
        "null: never.",
        expected="a whole number from 1 to 100000, or null",
        why="off: all epochs are trained",
        ge=1,
        le=100_000,
    )
    best_weights: bool = says(
        True,
        "Network, tuning: whether the weights of the epoch with the best validation loss are kept.",
        expected="true or false",
        why="the last epoch is often past the best",
    )
    precision: Literal["auto", "fp32", "bf16"] = says(
        "auto",
        "Network, tuning: numbers to calculate in while training.",
        expected="auto, fp32 or bf16",
        why="bf16 where the processor is faster with it",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = says(
        "auto",
        "Network, tuning: where to train.",
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
    """The formats of a trained model, and what they are called in them."""

    int8: bool | Literal["auto"] = says(
        "auto",
        "A second model of pictures in 8 bits, for processors where it is faster: true: it must "
        "be there; auto: with effort good or best and no budget, where nncf is installed and the "
        "model answers as the exact one; false: not made.",
        expected="auto, true or false",
        why="made where there is time for it and it answers as the exact model",
    )

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
    coreml_single_file: bool = says(
        False,
        "A `.mlmodel` beside the `.mlpackage`: one file, as apps of old read it; so for old specs.",
        expected="true or false",
        why="the package is what Core ML reads today",
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


#: Keys of `compile` that mean something only for networks and tables.
FORMAT_KEYS = frozenset(Compile.model_fields) - {"int8"}
#: Keys of `train` that say how pictures become features.
PICTURE_KEYS = frozenset({"backbone", "weights", "size", "mirror", "view"})
#: Keys of `train` that mean something only for a linear head on features.
HEAD_KEYS = frozenset({"C", "class_weight", "refuse", "neighbours", "bank"}) | (
    PICTURE_KEYS - {"view"}
)
#: Keys of `train` that mean something only where a pretrained network is tuned.
TUNED_KEYS = frozenset(
    {
        "head",
        "stages",
        "augmentation",
        "ema",
        "weight_decay",
        "decay_by_layer",
        "label_smoothing",
        "freeze_norm",
        "devices",
    }
)
#: Keys of `train` that mean something wherever a network is trained, its own layers or tuned.
SHARED_KEYS = frozenset(
    {
        "optimizer",
        "learning_rate",
        "epochs",
        "batch_size",
        "early_stopping",
        "best_weights",
        "precision",
        "device",
    }
)
#: Those of them that choose by the validation split, which the ladder needs to judge by.
CHOOSING_KEYS = frozenset({"early_stopping", "best_weights"})
#: Keys of `train` that mean something only for a network of layers, or that tuning shares.
NETWORK_KEYS = frozenset(Train.model_fields) - HEAD_KEYS - TUNED_KEYS - {"view"}
