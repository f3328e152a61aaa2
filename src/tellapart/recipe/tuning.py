"""How a pretrained network is tuned: the stages and the augmentation of the group `train`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tellapart.recipe.fields import Number, Part, Whole, says

MAX_STAGES = 20
MAX_EPOCHS = 100_000
#: Side in pixels of the square that a network sees.
Side = Annotated[Whole, Field(ge=32, le=1024)]
Rate = Annotated[Number, Field(gt=0, le=100)]
Epochs = Annotated[Whole, Field(ge=1, le=MAX_EPOCHS)]
Freeze = Literal["body", "none"] | Annotated[Whole, Field(ge=1, le=1000)]
Schedule = Literal["one_cycle", "cosine", "constant"]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z0-9_-]{1,79})?")


def _backbone(value: object) -> object:
    """Words copied from elsewhere: `timm/resnet50.a1_in1k`, `hf_hub:timm/resnet50.a1_in1k`."""
    if not isinstance(value, str):
        return value
    word = value.strip().rsplit(":", 1)[-1]
    word = word.removeprefix("timm/")
    if _NAME.fullmatch(word) is None:
        raise ValueError(value)
    return word


BackboneName = Annotated[str, BeforeValidator(_backbone)]


class Stage(Part):
    """One stage of a tuning: what is frozen, at which size and rate, for how long."""

    freeze: Freeze = says(
        "none",
        "What stays as it was: body (all but the head), none, or how many of the network's "
        "groups of layers, counted from the picture.",
        expected="body, none, or a whole number from 1 to 1000",
        why="everything learns",
    )
    epochs: Epochs | Literal["auto"] = says(
        "auto",
        "Passes over the training pictures; auto: what the cycles add up to, else `train.epochs`.",
        expected=f"a whole number from 1 to {MAX_EPOCHS}, or auto",
        why="what the cycles add up to, or what suits the number of pictures",
    )
    lr: Rate | Literal["auto", "find"] = says(
        "auto",
        "Largest learning rate: a number; find: by a finder of learning rates; auto: "
        "`train.learning_rate`, else what suits the stage.",
        expected="a number above 0, at most 100, or auto or find",
        why="`train.learning_rate`, else what suits the stage",
    )
    find: bool = says(
        False,
        "Whether the finder of learning rates is run for its plot even where `lr` is a number.",
        expected="true or false",
        why="a given rate needs no finder",
    )
    size: Side | Literal["auto"] = says(
        "auto",
        "Side in pixels of the pictures in this stage; auto: `train.size`.",
        expected="a whole number from 32 to 1024, or auto",
        why="as `train.size` says",
    )
    cycles: Annotated[Whole, Field(ge=1, le=50)] | None = says(
        None,
        "How often the learning rate falls and starts again (warm restarts); null: once.",
        expected="a whole number from 1 to 50, or null",
        why="the rate goes up and down once",
    )
    cycle_length: Annotated[Whole, Field(ge=1, le=1000)] = says(
        1,
        "Epochs of the first cycle.",
        expected="a whole number from 1 to 1000",
        why="one epoch",
    )
    cycle_mult: Annotated[Whole, Field(ge=1, le=10)] = says(
        1,
        "How many times as long each cycle is as the one before.",
        expected="a whole number from 1 to 10",
        why="all cycles are equally long",
    )
    schedule: Schedule | Literal["auto"] = says(
        "auto",
        "How the rate goes over the stage; auto: cosine with `cycles`, else one_cycle.",
        expected="auto, one_cycle, cosine or constant",
        why="cosine with cycles, else one_cycle",
    )

    @property
    def cycle_epochs(self) -> int | None:
        """Epochs that the cycles add up to; None where there are no cycles."""
        if self.cycles is None:
            return None
        lengths = [self.cycle_length * int(self.cycle_mult**n) for n in range(self.cycles)]
        return sum(lengths)


class Augmentation(Part):
    """How training pictures are varied, each time anew. What is not written is off."""

    flip: bool | Literal["hv"] = says(
        False,
        "Mirror half of the pictures left to right; hv: upside down too.",
        expected="true, false or hv",
        why="off unless written",
    )
    zoom: Annotated[Number, Field(ge=1, le=4)] = says(
        1.0,
        "Enlarge by up to this factor.",
        expected="a number from 1 (off) to 4",
        why="off unless written",
    )
    rotate: Annotated[Number, Field(ge=0, le=180)] = says(
        0.0,
        "Turn by up to so many degrees to either side.",
        expected="a number from 0 (off) to 180",
        why="off unless written",
    )
    lighting: Annotated[Number, Field(ge=0, le=1)] = says(
        0.0,
        "Change brightness by up to this share of the range, contrast by up to this factor.",
        expected="a number from 0 (off) to 1",
        why="off unless written",
    )
    crop: Annotated[Number, Field(ge=0.05, le=1)] = says(
        1.0,
        "Smallest share of the area that is left where a part is cut out at any place.",
        expected="a number from 0.05 to 1 (off)",
        why="off unless written",
    )
    mixup: Annotated[Number, Field(ge=0, le=10)] = says(
        0.0,
        "Blend pictures two by two: the shape of the beta distribution of the share.",
        expected="a number from 0 (off) to 10",
        why="off unless written",
    )
    cutmix: Annotated[Number, Field(ge=0, le=10)] = says(
        0.0,
        "Put a rectangle of one picture into another: the shape of the beta distribution of "
        "its area.",
        expected="a number from 0 (off) to 10",
        why="off unless written",
    )


def none_of_it(value: object) -> object:
    """`none` means an augmentation in which nothing is on."""
    return {} if isinstance(value, str) and value.strip().lower() == "none" else value


OptionalAugmentation = Annotated[Augmentation | None, BeforeValidator(none_of_it)]
