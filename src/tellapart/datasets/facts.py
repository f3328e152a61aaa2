"""What is known of each data set that has a name: shape, classes, rows, license, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Facts:
    """One data set by name. `rows` and `official` are those of the whole original."""

    name: str
    kind: Literal["pictures", "table"]
    #: (height, width, channels) of a picture, (features,) of a row.
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    rows: int
    #: Whether a test part is given, which is kept as it is.
    official: bool
    license: str
    #: One line for people: what it is and who made it.
    about: str
    #: `fetched`: from a folder or the network; `sklearn`: comes with scikit-learn; `made`: drawn.
    origin: Literal["fetched", "sklearn", "made"]


_DIGITS = tuple("0123456789")
_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_ALL = (
    Facts(
        "mnist",
        "pictures",
        (28, 28, 1),
        _DIGITS,
        70_000,
        True,
        "CC BY-SA 3.0",
        "Handwritten digits, gray (Y. LeCun, C. Cortes, C. Burges)",
        "fetched",
    ),
    Facts(
        "fashion_mnist",
        "pictures",
        (28, 28, 1),
        _FASHION,
        70_000,
        True,
        "MIT",
        "Pieces of clothing, gray (Zalando Research)",
        "fetched",
    ),
    Facts(
        "cifar10",
        "pictures",
        (32, 32, 3),
        _CIFAR10,
        60_000,
        True,
        "not stated by its makers",
        "Small color photographs of ten things (A. Krizhevsky, V. Nair, G. Hinton)",
        "fetched",
    ),
    Facts(
        "digits",
        "pictures",
        (8, 8, 1),
        _DIGITS,
        1797,
        False,
        "CC BY 4.0",
        "Handwritten digits, very small (E. Alpaydin, C. Kaynak); comes with scikit-learn",
        "sklearn",
    ),
    Facts(
        "iris",
        "table",
        (4,),
        ("setosa", "versicolor", "virginica"),
        150,
        False,
        "CC BY 4.0",
        "Lengths and widths of three kinds of iris (R. A. Fisher, 1936); comes with scikit-learn",
        "sklearn",
    ),
    Facts(
        "wine",
        "table",
        (13,),
        ("class_0", "class_1", "class_2"),
        178,
        False,
        "CC BY 4.0",
        "Chemical analyses of wines of three growers (M. Forina); comes with scikit-learn",
        "sklearn",
    ),
    Facts(
        "breast_cancer",
        "table",
        (30,),
        ("benign", "malignant"),
        569,
        False,
        "CC BY 4.0",
        "Measures of cell nuclei (W. Wolberg, W. Street, O. Mangasarian); comes with scikit-learn",
        "sklearn",
    ),
    Facts(
        "circles",
        "table",
        (2,),
        ("inner", "outer"),
        1000,
        False,
        "CC0",
        "Points on two noisy circles, one within the other; made from the seed",
        "made",
    ),
    Facts(
        "moons",
        "table",
        (2,),
        ("lower", "upper"),
        1000,
        False,
        "CC0",
        "Points on two noisy half circles that reach into each other; made from the seed",
        "made",
    ),
)

#: Every data set that may be named in a recipe, by its canonical name.
FACTS: Mapping[str, Facts] = MappingProxyType({facts.name: facts for facts in _ALL})

_BY_LETTERS = {re.sub(r"[\W_]", "", name): name for name in FACTS}


def canonical(word: str) -> str | None:
    """The name of the data set that `word` means (`Fashion-MNIST`, `CIFAR-10`), or None."""
    return _BY_LETTERS.get(re.sub(r"[\W_]", "", word.strip().lower()))
