"""What a recipe may say: every key with its meaning, its limits, its default and the reason.

A recipe is data: it names registered things and never holds code. Whatever is not written (or
written as `auto`) is chosen here; the `why` of each field is the reason shown to the user and
stored beside the resolved recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_serializer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

#: Licence codes as sources report them, most open first.
LICENSES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
MAX_CLASSES = 1000

Effort = Literal["quick"]
License = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]


def _says(default: Any, doc: str, *, expected: str, why: str = "the default", **limits: Any) -> Any:
    """A field with its description, the words of its error messages and its default's reason."""
    extra: dict[str, Any] = {"expected": expected, "why": why}
    if isinstance(default, type) and issubclass(default, BaseModel):
        limits["default_factory"] = default
    elif default is not ...:
        limits["default"] = default
    return Field(description=doc, json_schema_extra=extra, **limits)


def extra_of(field: FieldInfo | None) -> dict[str, str]:
    """The words of a field: `expected` for errors, `why` for the reason of its default."""
    extra = field.json_schema_extra if field is not None else None
    return {k: str(v) for k, v in extra.items()} if isinstance(extra, dict) else {}


def _no_truth(value: Any) -> Any:
    """Python takes True for 1; a recipe that says so is a mistake."""
    if isinstance(value, bool):
        raise PydanticCustomError("not_a_number", "true and false are not numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
Number = Annotated[float, BeforeValidator(_no_truth)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassOptions(_Part):
    """One class: what to search for to find pictures of it."""

    queries: tuple[str, ...] = _says(
        (),
        "Words to search for, tried in this order. Left out: the class's own name.",
        expected="a list of words to search for, each at most 200 characters",
    )


class SourceSpec(_Part):
    """One source of pictures, named as registered, with its own options."""

    name: str = _says(
        ..., "Registered name of the source, such as `openverse`.", expected="a source's name"
    )
    options: dict[str, Any] = _says(
        {}, "Options of this source alone, such as `file` for `urls`.", expected="a mapping"
    )

    @model_serializer
    def _short(self) -> str | dict[str, Any]:
        """Back to the form a recipe is written in: the bare name, or `{name: options}`."""
        return {self.name: self.options} if self.options else self.name


class Curate(_Part):
    """Thresholds of what is set aside. Changing one re-decides; it never measures again."""

    min_side: Whole = _says(
        32,
        "Shortest side in pixels below which a picture is `too_small`.",
        expected="a whole number from 1 to 10000",
        why="less than a seventh of the 224 pixels that the backbone sees holds no detail",
        ge=1,
        le=10_000,
    )
    min_entropy: Number = _says(
        1.0,
        "Entropy in bits (0 to 8) of the busiest color channel below which a picture has "
        "`low_information`: blank or nearly so.",
        expected="a number from 0 to 8",
        # The plainest of 3,959 photographs (caltech101_10, trashnet_100, grocery_10) has 1.9.
        why="blank and one-color placeholder pictures lie below it, photographs from 1.9 up",
        ge=0,
        le=8,
    )
    # Recompressed (JPEG 20 to 75), halved, enlarged, brightened and darkened, marked copies of 120
    # photographs: .94 to 1.0 of each kind found; pairs found among 4,586 photographs as they are:
    # 26, of which 11 look-alikes are in a set of portraits.
    near_duplicate_bits: Whole = _says(
        10,
        "Hamming distance of two 64-bit perceptual hashes at which pictures of equal features "
        "are a `near_duplicate`; less where the features differ: "
        "bits / this + (1 - cosine) / (1 - near_duplicate_cosine) must not exceed 1.",
        expected="a whole number from 0 to 32",
        why="resized, recompressed, brightened and marked copies stay within it",
        ge=0,
        le=32,
    )
    near_duplicate_cosine: Number = _says(
        0.75,
        "Cosine of two feature vectors at which pictures of equal hash are a `near_duplicate`; "
        "more where the hashes differ, see `near_duplicate_bits`.",
        expected="a number from 0 to 1",
        why="strongly recompressed copies stay above it, other pictures of that hash below",
        ge=0,
        le=1,
    )
    # 5 to 10 % foreign photographs planted in classes of caltech101_10, trashnet_100, grocery_10:
    # precision .88 to 1.0, recall .83 to 1.0 (.5 for a cluster of portraits, a tenth of its class);
    # nothing planted: at most .7 % set aside.
    off_topic: Number | None = _says(
        0.65,
        "How well a picture must fit its class, 1 being typical; below it is `off_topic`; "
        "null: never.",
        expected="a number from 0 to 1, or null",
        why="nine in ten foreign pictures lie below it, less than 1 in 100 own ones",
        ge=0,
        le=1,
    )
    # 5 % wrong labels planted: precision .82 (trashnet_100) to 1.0, recall .51 to .94; nothing
    # planted: 0 to 1.0 % set aside. At .02 it is 1.5 %: hard pictures, missing from the test then.
    mislabelled: Number | None = _says(
        0.01,
        "Probability of its label (from a model that has not seen the picture) below which a "
        "picture is `mislabelled`, if another class is more likely than not; null: never.",
        expected="a number from 0 to 1, or null",
        why="cautious: a picture that is only hard must stay, or the figures would flatter",
        ge=0,
        le=1,
    )
    max_blur: Number | None = _says(
        None,
        "Largest blur figure, from 0 (sharp) to 1 (haze), before a picture is `blurred`; null: "
        "blurred pictures are kept.",
        expected="a number from 0 to 1, or null",
        why="off: blurred pictures teach the model to know blurred pictures",
        ge=0,
        le=1,
    )


class Split(_Part):
    """How the kept pictures are divided. Groups (duplicates, scenes, pages) never cross."""

    train: Number = _says(
        0.7,
        "Share of the pictures to learn from.",
        expected="a number above 0 and below 1",
        why="most pictures teach",
        gt=0,
        lt=1,
    )
    validation: Number = _says(
        0.1,
        "Share of the pictures that set the thresholds.",
        expected="a number from 0, below 1",
        why="enough to set the refusal threshold; cross-validation on train does the rest",
        ge=0,
        lt=1,
    )
    test: Number = _says(
        0.2,
        "Share of the pictures kept untouched for the figures.",
        expected="a number above 0 and below 1",
        why="a fifth keeps the interval of the accuracy narrow",
        gt=0,
        lt=1,
    )
    group_by: str | None = _says(
        None,
        "Column of the given data whose equal values must stay in one split; null: none.",
        expected="a column's name, or null",
        why="no column was named; duplicates, scenes and pages are grouped without one",
        min_length=1,
        max_length=200,
    )
    official: bool = _says(
        True,
        "Whether train/validation/test folders or columns of the given data are honored.",
        expected="true or false",
        why="figures on an official split can be compared with other people's",
    )
    # The lowest cosine at which no group holds over a tenth of its class, on caltech101_10 and
    # trashnet_100; checked on grocery_10: 5-fold on train .989 -> .978, official test .952.
    scene_cosine: Number = _says(
        0.88,
        "Smallest cosine of two feature vectors that counts as the same scene.",
        expected="a number from 0 to 1",
        why="pictures of one scene lie above it; split apart, they would flatter the figures",
        ge=0,
        le=1,
    )


class Train(_Part):
    """How the classifier is trained."""

    backbone: Literal["tf_efficientnet_lite0"] = _says(
        "tf_efficientnet_lite0",
        "Pretrained network that turns a picture into features.",
        expected="tf_efficientnet_lite0",
        why="comes with the base install and is the fastest on a CPU",
    )
    view: Literal["squash", "crop", "pad"] = _says(
        "squash",
        "How a picture becomes a square: squash it, crop its middle, or pad it.",
        expected="squash, crop or pad",
        why="nothing at the edges is lost, and no border is learned",
    )
    C: Number | Literal["auto"] = _says(
        "auto",
        "Inverse strength of the regularization; auto: by cross-validation on train.",
        expected="a number above 0, or auto",
        why="chosen by cross-validation once the pictures are there",
    )
    class_weight: Literal["balanced"] | None = _says(
        "balanced",
        "balanced: rare classes count as much as frequent ones; null: by number.",
        expected="balanced, or null",
        why="a class with few pictures must not be ignored",
    )
    refuse: Number = _says(
        0.03,
        "Share of own pictures that may be refused as none of the classes.",
        expected="a number from 0 to 0.5",
        why="refuses almost all foreign pictures while it costs at most 3 in 100 own ones",
        ge=0,
        le=0.5,
    )
    neighbours: Whole = _says(
        5,
        "Nearest stored training features whose mean cosine is the familiarity.",
        expected="a whole number from 1 to 100",
        why="one neighbour is noisy, many blur small classes",
        ge=1,
        le=100,
    )
    bank: Whole = _says(
        512,
        "Training features stored in the model for the familiarity.",
        expected="a whole number from 1 to 10000",
        why="2.6 MB in the model, enough for hundreds of classes",
        ge=1,
        le=10_000,
    )


class Recipe(_Part):
    """What to tell apart and how. Made by `check` or `read`, which say what is wrong."""

    name: str = _says(
        ...,
        "Name of the project, its folder and its bundles. Left out: made of the classes or the "
        "folder's name.",
        expected="lower-case letters, digits, `-`, `_` and `.`, at most 64, first a letter "
        "or digit",
        why="made of the classes or the folder's name",
    )
    classes: dict[str, ClassOptions] = _says(
        {},
        "What to tell apart: a list of words, or a mapping from class to its options "
        "(`{apple: {queries: [apple fruit]}}`). Left out with `data`.",
        expected=f"2 to {MAX_CLASSES} different words",
        why="the folders or the labels of the data are the classes",
    )
    data: Path | None = _says(
        None,
        "A labelled folder or CSV to use instead of searching; relative to the recipe's folder.",
        expected="the path of a labelled folder or CSV",
        why="pictures are searched for",
    )
    sources: tuple[SourceSpec, ...] = _says(
        (SourceSpec(name="openverse"), SourceSpec(name="commons")),
        "Where to search, in order of preference: names, or `{name: options}` such as "
        "`{urls: {file: list.csv}}`.",
        expected="a list of source names",
        why="need no key, and give the licence of every picture",
    )
    per_class: Whole = _says(
        100,
        "Pictures wanted per class when searching.",
        expected="a whole number from 1 to 10000",
        why="enough for a first honest figure; found in about a minute",
        ge=1,
        le=10_000,
    )
    effort: Effort = _says(
        "quick",
        "The one dial: quick trains a linear head on frozen features, in seconds.",
        expected="quick",
        why="seconds on a CPU",
    )
    seed: Whole = _says(
        0,
        "Seed of everything that is drawn by chance.",
        expected="a whole number from 0 to 4294967295",
        why="the same recipe and pictures give the same bundle",
        ge=0,
        le=2**32 - 1,
    )
    licenses: tuple[License, ...] = _says(
        (),
        "Licences to search for; empty: any open licence.",
        expected="a list of licence codes: " + ", ".join(LICENSES),
        why="any open licence will do for learning; the bundle says what may be passed on",
    )
    mature: bool = _says(
        False,
        "Whether sources may return pictures marked as mature.",
        expected="true or false",
        why="off unless asked for",
    )
    curate: Curate = _says(Curate, "What is set aside, and when.", expected="a mapping")
    split: Split = _says(
        Split, "How pictures are divided into train, validation, test.", expected="a mapping"
    )
    train: Train = _says(
        Train, "The training: backbone, view, regularization, refusal.", expected="a mapping"
    )

    @property
    def labels(self) -> tuple[str, ...]:
        """The named classes in alphabetical order; empty where they come from `data`."""
        return tuple(sorted(self.classes))
