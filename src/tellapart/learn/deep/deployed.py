"""What is deployed: a trained network that takes raw pictures or rows and knows its preparation.

Scaling, one-hot encoding and missing values are part of the network, so that whoever runs it,
in whatever engine, cannot get them wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True)
class Pictures:
    """Prepares uint8 pictures, N×h×w×c: each value v becomes (v / 255 - mean) / std."""

    height: int
    width: int
    #: 1 (gray) or 3 (RGB).
    channels: int
    #: One figure a channel, of values from 0 to 1; one alone holds for every channel.
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `preparation` reads it back."""
        return {"kind": "pictures", **asdict(self)}


@dataclass(frozen=True)
class Rows:
    """Prepares float32 rows, N×f: numbers standardized, categories one-hot, NaN where missing.

    Column j is a number where `categories[j]` is 0: it becomes (v - mean[j]) / std[j], and 0 (the
    mean) where it is missing. Else it holds the index of one of that many categories and becomes
    as many figures, all 0 where it is missing. Columns keep their order.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    categories: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Figures in a raw row."""
        return len(self.categories)

    @property
    def width(self) -> int:
        """Figures that the network gets of a row."""
        return sum(count or 1 for count in self.categories)

    @classmethod
    def fit(cls, rows: NDArray[np.float32], categories: Sequence[int] = ()) -> Rows:
        """Mean and standard deviation of the columns of (n, f) rows, missing values left out.

        `categories`: how many each column has, 0 for a number; left out: all are numbers. A
        column that never varies is only moved, not stretched.
        """
        kinds = tuple(categories) or (0,) * rows.shape[1]
        mean, std = [], []
        for column, count in zip(rows.T.astype(np.float64), kinds, strict=True):
            known = column[np.isfinite(column)]
            spread = float(known.std()) if len(known) else 0.0
            mean.append(float(known.mean()) if len(known) and not count else 0.0)
            std.append(spread if spread > 0 and not count else 1.0)
        return cls(tuple(mean), tuple(std), kinds)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `preparation` reads it back."""
        return {"kind": "rows", **asdict(self)}


Preparation = Pictures | Rows


def preparation(facts: dict[str, Any]) -> Preparation:
    """What `to_dict` of either kind wrote."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in facts.items()
        if key != "kind"
    }
    return Pictures(**values) if facts["kind"] == "pictures" else Rows(**values)


class Prepare(nn.Module):  # type: ignore[misc]
    """Raw input to what the network was trained on: float32 N×c×h×w, or N×width."""

    def __init__(self, how: Preparation) -> None:
        super().__init__()
        self.how = how
        if isinstance(how, Pictures):
            std = torch.tensor(how.std, dtype=torch.float64)
            mean = torch.tensor(how.mean, dtype=torch.float64)
            scale, shift, shape = 1 / (255 * std), -mean / std, [1, -1, 1, 1]
        else:
            std = torch.tensor(how.std, dtype=torch.float64)
            scale, shift = 1 / std, -torch.tensor(how.mean, dtype=torch.float64)
            shape = [1, -1]
            if any(how.categories):
                count = max(how.categories)
                self.register_buffer("indexes", torch.arange(count).float(), persistent=False)
        self.register_buffer("scale", scale.float().reshape(shape), persistent=False)
        self.register_buffer("shift", shift.float().reshape(shape), persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        if isinstance(self.how, Pictures):
            return raw.permute(0, 3, 1, 2).float() * self.scale + self.shift
        # The mean first: years or prices would lose their last digits the other way round.
        return self.encode((raw + self.shift) * self.scale, raw)

    def encode(self, scaled: Tensor, raw: Tensor) -> Tensor:
        """Rows with their numbers standardized, to what the network gets."""
        assert isinstance(self.how, Rows)
        numbers = torch.where(torch.isnan(raw), torch.zeros_like(raw), scaled)
        if not any(self.how.categories):
            return numbers
        parts, start = [], 0
        for column, count in enumerate(self.how.categories):
            if count:
                # NaN equals nothing: a missing category has no figure of 1.
                given = raw[:, column : column + 1] == self.indexes[:count]
                parts.append(given.to(torch.float32))
                start = column + 1
            else:
                end = column + 1
                if end == len(self.how.categories) or self.how.categories[end]:
                    parts.append(numbers[:, start:end])
        return torch.cat(parts, dim=1)


class Deployed(nn.Module):  # type: ignore[misc]
    """A trained network from raw input to (logits, probabilities, features), float32 each.

    `module`: float input as `Prepare` gives it to (logits, features), to a dict of the two, or to
    logits alone (they are then the features too). The probabilities are the softmax of the
    logits. It is put into evaluation mode.
    """

    def __init__(self, module: nn.Module, how: Preparation) -> None:
        super().__init__()
        self.how = how
        self.prepare, self.module = Prepare(how), module
        self.eval()

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.answer(self.prepare(raw))

    def answer(self, prepared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from prepared input on."""
        found = self.module(prepared)
        if isinstance(found, dict):
            found = (found["logits"], found["features"])
        logits, features = found if isinstance(found, tuple | list) else (found, found)
        return logits, torch.softmax(logits, dim=1), features.flatten(1)

    def example(self, count: int = 2) -> Tensor:
        """Raw input of the right shape and type."""
        if isinstance(self.how, Pictures):
            shape = (count, self.how.height, self.how.width, self.how.channels)
            return torch.zeros(shape, dtype=torch.uint8)
        return torch.zeros((count, self.how.columns))


def predict(deployed: Deployed, raw: NDArray[Any], batch: int = 256) -> NDArray[np.float32]:
    """Probabilities (N, C) of raw input, `batch` at a time."""
    with torch.inference_mode():
        parts = [
            deployed(torch.from_numpy(np.ascontiguousarray(raw[i : i + batch])))[1].numpy()
            for i in range(0, len(raw), batch)
        ]
    return np.concatenate(parts).astype(np.float32)
