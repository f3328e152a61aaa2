"""A person's head: which features speak for a like, in 5 KB, as bytes for a database.

Linear and logistic: P(like) of a picture = 1 / (1 + exp(-(features · weight + bias))). Scores of
one head depend on nothing but its own labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tellapart.errors import InputError, VerificationError
from tellapart.learn.taste.rows import Pool

_MAGIC = b"TASTE1\n"
#: Probabilities further out are the same to a person, and their logits no numbers.
_LEAST = 1e-9
#: Weights of a candidate's logit before anything is learned: the mean over its pictures.
PLAIN_WHOLE = (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Taste:
    """A fitted head. The calibration's temperature is folded into `weight` and `bias`."""

    #: (D,) float32 over raw features.
    weight: NDArray[np.float32]
    bias: float
    #: Names the features it reads (`Sight.key`); "": not said.
    base: str = ""
    #: Inverse strength of the L2 penalty, and the temperature, as last chosen …
    C: float = 1.0
    temperature: float = 1.0
    #: … with so many labelled candidates; 0: too few to choose by.
    tuned_at: int = 0
    #: Liked and passed candidates it was fitted to.
    likes: int = 0
    passes: int = 0
    #: A candidate's logit = mean · w0 + greatest · w1 + w2, over its pictures' logits.
    whole_weights: tuple[float, float, float] = PLAIN_WHOLE

    @property
    def dim(self) -> int:
        return len(self.weight)

    @property
    def labels(self) -> int:
        """Candidates it was fitted to."""
        return self.likes + self.passes

    def logits(self, features: ArrayLike) -> NDArray[np.float64]:
        """Calibrated logits (n,) of raw features (n, D). Raises `InputError` for other shapes."""
        rows = np.atleast_2d(np.asarray(features, dtype=np.float32)).astype(np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise InputError(
                f"Features of {rows.shape[-1]} numbers for a head of {self.dim}.",
                expected="features of the base the head was fitted on",
                do="Look at the pictures again, or fit the head anew.",
            )
        # Row by row the same sum, however many rows come together.
        return np.asarray(np.einsum("ij,j->i", rows, self.weight.astype(np.float64)) + self.bias)

    def score(self, features: ArrayLike) -> NDArray[np.float64]:
        """P(like) (n,) of each picture, from raw features (n, D) or of one (D,)."""
        return sigmoid(self.logits(features))

    def whole(self, scores: Sequence[float | None]) -> float | None:
        """P(like) of a candidate from its pictures' scores, as learned; None without a score."""
        known = np.array([score for score in scores if score is not None], np.float64)
        if not len(known):
            return None
        return float(sigmoid(self.whole_logits(logit(known), np.zeros(len(known), np.int64), 1))[0])

    def judge(
        self, pool: Pool, *, rule: str = "learned"
    ) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """Candidates' ids and P(like) of each, by the group rule `first` or `learned`.

        By `first` it is the likeliest picture's: any that reaches the threshold likes the whole.
        """
        names, numbers = pool.ids_and_numbers()
        logits = self.logits(pool.features) if len(pool) else np.empty(0)
        if rule == "first":
            best = np.full(len(names), -np.inf)
            np.maximum.at(best, numbers, logits)
            return names, sigmoid(best)
        return names, sigmoid(self.whole_logits(logits, numbers, len(names)))

    def whole_logits(
        self, logits: NDArray[np.float64], numbers: NDArray[np.int64], count: int
    ) -> NDArray[np.float64]:
        """Logits (count,) of candidates from their pictures' (n,); `numbers` (n,): whose."""
        mean, most = summaries(logits, numbers, count)
        by_mean, by_most, bias = self.whole_weights
        return np.asarray(mean * by_mean + most * by_most + bias)

    def map(self, feature_map: ArrayLike) -> NDArray[np.float32]:
        """What spoke for a like, and where: logits (h, w) of a feature map (D, h, w).

        Their mean is the picture's logit (class activation mapping, Zhou et al. 2016).
        """
        places = np.asarray(feature_map, np.float32)
        return np.asarray(np.tensordot(self.weight, places, 1) + np.float32(self.bias), np.float32)

    def to_bytes(self) -> bytes:
        """The head as a database keeps it: about 5 KB for features of 1,280 numbers."""
        facts = {
            "base": self.base,
            "dim": self.dim,
            "bias": self.bias,
            "C": self.C,
            "temperature": self.temperature,
            "tuned_at": self.tuned_at,
            "likes": self.likes,
            "passes": self.passes,
            "whole": list(self.whole_weights),
        }
        line = json.dumps(facts, sort_keys=True).encode() + b"\n"
        return _MAGIC + line + self.weight.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Taste:
        """What `to_bytes` wrote. Raises `VerificationError` for anything else."""
        try:
            if not data.startswith(_MAGIC):
                raise ValueError("it does not begin as one")
            line, _, raw = data[len(_MAGIC) :].partition(b"\n")
            return _read(json.loads(line), np.frombuffer(raw, "<f4").astype(np.float32))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise VerificationError(
                f"These {len(data):,} bytes are not a head: {error}.",
                expected="bytes that `Taste.to_bytes` wrote",
                do="Fit the head anew from its labels.",
            ) from None

    @classmethod
    def of_bundle(cls, path: Path, like: str = "") -> Taste:
        """The head of a bundle of two classes; `like`: the one that means it ("": known words).

        Raises `InputError` where its classes do not say like and pass, `VerificationError` and
        `NotFoundError` as reading the bundle does.
        """
        from tellapart.learn.taste.base import head_of_bundle

        weight, bias, key = head_of_bundle(path, like)
        return cls(weight, bias, base=key)


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """Probabilities of logits, without overflow."""
    values = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, small) / (1 + small))


def logit(chances: ArrayLike) -> NDArray[np.float64]:
    """Logits of probabilities, held off 0 and 1."""
    held = np.clip(np.asarray(chances, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(held) - np.log1p(-held))


def summaries(
    logits: NDArray[np.float64], numbers: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and greatest logit of each of `count` candidates."""
    size = np.maximum(np.bincount(numbers, minlength=count), 1)
    most = np.full(count, -np.inf)
    np.maximum.at(most, numbers, logits)
    return np.bincount(numbers, logits, count) / size, most


def _read(facts: Mapping[str, Any], weight: NDArray[np.float32]) -> Taste:
    if len(weight) != facts["dim"]:
        raise ValueError(f"it has {len(weight)} weights of {facts['dim']}")
    mean, most, offset = (float(number) for number in facts["whole"])
    taste = Taste(
        weight,
        float(facts["bias"]),
        base=str(facts["base"]),
        C=float(facts["C"]),
        temperature=float(facts["temperature"]),
        tuned_at=int(facts["tuned_at"]),
        likes=int(facts["likes"]),
        passes=int(facts["passes"]),
        whole_weights=(mean, most, offset),
    )
    numbers = [taste.bias, taste.C, taste.temperature, *taste.whole_weights]
    if not (np.isfinite(weight).all() and np.isfinite(numbers).all()):
        raise ValueError("it holds values that are no finite numbers")
    if min(taste.C, taste.temperature) <= 0 or min(taste.tuned_at, taste.likes, taste.passes) < 0:
        raise ValueError("it holds numbers below their least")
    return taste
