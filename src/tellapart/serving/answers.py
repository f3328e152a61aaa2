"""From what a worker says to the JSON that a client reads: the numbers of `predict --json`."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from tellapart.errors import TellapartError
from tellapart.serving.jobs import Answer, Tensor, Told
from tellapart.serving.models import ModelInfo

#: Decimals of probabilities and familiarity, as `Prediction.to_dict` has them; and of a map.
_DECIMALS, _MAP_DECIMALS = 6, 4
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Named(Protocol):
    """What an answer's JSON tells of its model."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def labels(self) -> Sequence[str]: ...


def encode(value: Any) -> bytes:
    """JSON in ASCII, so that no text of a request can spoil it."""
    return _encode(value).encode("ascii")


def prediction(info: Named, answer: Answer) -> dict[str, Any]:
    """One answer: what the model says, or its error.

    `info` is what was asked; the model that answered may be a newer one of that name.
    """
    if answer.error is not None:
        return {"error": answer.error}
    info = answer.info or info
    known = answer.familiarity
    found: dict[str, Any] = {
        "label": answer.label,
        "best": answer.best,
        "abstained": answer.abstained,
        "familiarity": None
        if known is None or not math.isfinite(known)
        else round(known, _DECIMALS),
        "probabilities": {
            label: round(share, _DECIMALS)
            for label, share in zip(info.labels, answer.probabilities, strict=True)
        },
    }
    if answer.map is not None:
        found["why"] = _why(info, answer, answer.map)
    return found


def single(info: Named, answer: Answer) -> dict[str, Any]:
    """The answer to a request for one picture or row."""
    return {**_named(answer.info or info), **prediction(info, answer)}


class Teller:
    """Writes what one model says as the JSON of `POST /predict`: in a worker, for the front.

    The bytes are those of `encode(single(…))`, put together out of what was encoded before.
    """

    def __init__(self, model: Named) -> None:
        self._model = model
        self._start = _encode(_named(model))[:-1]
        self._labels = {label: _encode(label) for label in model.labels}
        self._keys = [f"{text}:" for text in self._labels.values()]

    def told(self, answer: Answer) -> Told:
        """The answer as it goes on to the client."""
        decode, infer = answer.seconds.decode, answer.seconds.infer
        if answer.error is not None:
            body = encode({"error": answer.error})
        elif answer.map is not None or len(answer.probabilities) != len(self._keys):
            body = encode(single(self._model, answer))
        else:
            body = self._plain(answer).encode("ascii")
        return Told(answer.http_status, body, answer.abstained, answer.batch, decode, infer)

    def _plain(self, answer: Answer) -> str:
        known = answer.familiarity
        familiarity = (
            "null" if known is None or not math.isfinite(known) else round(known, _DECIMALS)
        )
        pairs = zip(self._keys, answer.probabilities, strict=True)
        shares = ",".join([f"{key}{round(share, _DECIMALS)!r}" for key, share in pairs])
        best = self._labels[answer.best or ""]
        label, abstained = ("null", "true") if answer.abstained else (best, "false")
        return (
            f'{self._start},"label":{label},"best":{best},"abstained":{abstained},'
            f'"familiarity":{familiarity},"probabilities":{{{shares}}}}}'
        )


def several(info: ModelInfo, found: Sequence[Answer | TellapartError]) -> dict[str, Any]:
    """The answer to a request for many: each with what the model says, or its own error."""
    rows = [
        one.to_dict() if isinstance(one, TellapartError) else prediction(info, one) for one in found
    ]
    told = (one.info for one in found if isinstance(one, Answer) and one.info is not None)
    return {**_named(next(told, info)), "predictions": rows}


def _named(info: Named) -> dict[str, Any]:
    return {"model": info.name, "version": info.version}


def heat(map: Tensor, place: int) -> list[list[float]]:
    """Where a picture speaks for the class at `place` rather than the others: h rows of w.

    As `Prediction.heat`: the class's map above the mean of all maps.
    """
    count, high, wide = map.shape
    values = floats(map)
    area = high * wide
    own = values[place * area : (place + 1) * area]
    if count == 2:  # the mean of two, without going over them cell by cell
        other = values[(1 - place) * area : (2 - place) * area]
        flat = [(mine - its) / 2 for mine, its in zip(own, other, strict=True)]
    else:
        flat = [mine - sum(values[cell::area]) / count for cell, mine in enumerate(own)]
    flat = [round(value, _MAP_DECIMALS) if math.isfinite(value) else 0.0 for value in flat]
    return [flat[row * wide : (row + 1) * wide] for row in range(high)]


def floats(tensor: Tensor) -> list[float]:
    """A float32 tensor's numbers, flat and row-major."""
    found = array("f")
    found.frombytes(tensor.data)
    return found.tolist()


def _why(info: Named, answer: Answer, map: Tensor) -> dict[str, Any]:
    best = answer.best or info.labels[0]
    found: dict[str, Any] = {
        "label": best,
        "kind": answer.map_kind,
        "map": heat(map, info.labels.index(best)),
    }
    if answer.overlay is not None:
        kind = "jpeg" if answer.overlay[:2] == b"\xff\xd8" else "png"
        text = base64.b64encode(answer.overlay).decode("ascii")
        found["picture"] = f"data:image/{kind};base64,{text}"
    return found
