"""What is set aside, and how what is kept is divided: the groups `curate` and `split`."""

from __future__ import annotations

from tellapart.recipe.fields import Number, Part, Whole, says


class Curate(Part):
    """Thresholds of what is set aside. Changing one re-decides; it never measures again."""

    min_side: Whole = says(
        32,
        "Shortest side in pixels below which a picture is `too_small`.",
        expected="a whole number from 1 to 10000",
        why="less than a seventh of the 224 pixels that the backbone sees holds no detail",
        ge=1,
        le=10_000,
    )
    min_entropy: Number = says(
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
    near_duplicate_bits: Whole = says(
        10,
        "Hamming distance of two 64-bit perceptual hashes at which pictures of equal features "
        "are a `near_duplicate`; less where the features differ: "
        "bits / this + (1 - cosine) / (1 - near_duplicate_cosine) must not exceed 1.",
        expected="a whole number from 0 to 32",
        why="resized, recompressed, brightened and marked copies stay within it",
        ge=0,
        le=32,
    )
    near_duplicate_cosine: Number = says(
        0.75,
        "Cosine of two feature vectors at which pictures of equal hash are a `near_duplicate`; "
        "more where the hashes differ, see `near_duplicate_bits`.",
        expected="a number from 0 to 1",
        why="strongly recompressed copies stay above it, other pictures of that hash below",
        ge=0,
        le=1,
    )
    # benchmarks/planted_faults.py: the higher, the fewer motorcycles on white ground pass for one
    # another; the lower, the more crops and frames are found.
    near_duplicate_likeness: Number = says(
        0.93,
        "Correlation of two pictures laid over each other (one of them mirrored, cropped, framed "
        "or written upon), less the distance of their colors, at which those of equal features are "
        "a `near_duplicate`; more where the features differ; 1: only by `near_duplicate_bits` and "
        "`near_duplicate_cosine`.",
        expected="a number from 0 to 1",
        why="mirrored, marked and most cropped and framed copies lie above, other pictures below",
        ge=0,
        le=1,
    )
    # 5 to 10 % foreign photographs planted in classes of caltech101_10, trashnet_100, grocery_10:
    # precision .88 to 1.0, recall .83 to 1.0 (.5 for a cluster of portraits, a tenth of its class);
    # nothing planted: at most .7 % set aside.
    off_topic: Number | None = says(
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
    mislabelled: Number | None = says(
        0.01,
        "Probability of its label (from a model that has not seen the picture) below which a "
        "picture is `mislabelled`, if another class is more likely than not; null: never.",
        expected="a number from 0 to 1, or null",
        why="cautious: a picture that is only hard must stay, or the figures would flatter",
        ge=0,
        le=1,
    )
    max_blur: Number | None = says(
        None,
        "Largest blur figure, from 0 (sharp) to 1 (haze), before a picture is `blurred`; null: "
        "blurred pictures are kept.",
        expected="a number from 0 to 1, or null",
        why="off: blurred pictures teach the model to know blurred pictures",
        ge=0,
        le=1,
    )
    features: bool | None = says(
        None,
        "Whether the backbone looks at each picture before it is judged. Without, near duplicates "
        "are told by their hash alone, and nothing is set aside as `mislabelled` or `off_topic`. "
        "null: up to 100,000 pictures.",
        expected="true, false, or null",
        why="by itself: beyond 100,000 pictures a look at each takes the better part of an hour",
    )


class Split(Part):
    """How the kept pictures are divided. Groups (duplicates, scenes, pages) never cross."""

    train: Number = says(
        0.7,
        "Share of the pictures to learn from.",
        expected="a number above 0 and below 1",
        why="most pictures teach",
        gt=0,
        lt=1,
    )
    validation: Number = says(
        0.1,
        "Share of the pictures that set the thresholds.",
        expected="a number from 0, below 1",
        why="enough to set the refusal threshold; cross-validation on train does the rest",
        ge=0,
        lt=1,
    )
    test: Number = says(
        0.2,
        "Share of the pictures kept untouched for the figures.",
        expected="a number above 0 and below 1",
        why="a fifth keeps the interval of the accuracy narrow",
        gt=0,
        lt=1,
    )
    group_by: str | None = says(
        None,
        "Column of the given data whose equal values must stay in one split; null: none.",
        expected="a column's name, or null",
        why="no column was named; duplicates, scenes and pages are grouped without one",
        min_length=1,
        max_length=200,
    )
    official: bool = says(
        True,
        "Whether train/validation/test folders or columns of the given data are honored.",
        expected="true or false",
        why="figures on an official split can be compared with other people's",
    )
    # The lowest cosine at which no group holds over a tenth of its class, on caltech101_10 and
    # trashnet_100; checked on grocery_10: 5-fold on train .989 -> .978, official test .952.
    scene_cosine: Number = says(
        0.88,
        "Smallest cosine of two feature vectors that counts as the same scene.",
        expected="a number from 0 to 1",
        why="pictures of one scene lie above it; split apart, they would flatter the figures",
        ge=0,
        le=1,
    )
