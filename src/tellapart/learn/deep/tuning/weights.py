"""Weights that training changes: averaged, set aside, written down."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tellapart.errors import StorageError


def state(net: nn.Module, without: Collection[str] = ()) -> dict[str, Tensor]:
    """References to all of the network's state but the entries named in `without`."""
    return {k: v.detach() for k, v in net.state_dict().items() if k not in without}


@torch.no_grad()  # type: ignore[untyped-decorator]
def put(net: nn.Module, values: dict[str, Tensor]) -> None:
    """Copy `values` into the network's entries of those names."""
    own = net.state_dict()
    for name, value in values.items():
        own[name].copy_(value)


class Average:
    """Weights and running statistics that follow the network's slowly.

    After step t (from 0) the average moves towards the network by 1 − min(decay, (1 + t) /
    (10 + t)): fast at first, so that the start is soon forgotten. Source: the moving averages of
    TensorFlow 1, `num_updates`.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {}
        self.steps = 0
        self._live: list[Tensor] = []

    def begin(self, net: nn.Module, without: Collection[str]) -> None:
        """Follow `net` in all that is not in `without`; what is new begins at its own value."""
        if not self.decay:
            return
        live = {k: v for k, v in state(net, without).items() if v.is_floating_point()}
        self.values = {
            k: self.values[k].to(v.device) if k in self.values else v.clone()
            for k, v in live.items()
        }
        self._live = list(live.values())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def follow(self) -> None:
        """After a step."""
        if self.decay:
            share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
            torch._foreach_lerp_(list(self.values.values()), self._live, share)
            self.steps += 1

    @contextlib.contextmanager
    def inside(self, net: nn.Module) -> Iterator[None]:
        """The network with the averaged weights, then with its own again."""
        own = {k: v.clone() for k, v in net.state_dict().items() if k in self.values}
        put(net, self.values)
        try:
            yield
        finally:
            put(net, own)


def write(path: Path, value: Any) -> None:
    """Save by torch, whole or not at all. Raises `StorageError`."""
    part = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            torch.save(value, file)
        Path(part).replace(path)
    except (OSError, RuntimeError) as error:  # a full disk is torch's RuntimeError
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise StorageError(
            f"The checkpoint {str(path)!r} cannot be written ({error}).",
            expected="a folder that this user may write to, on a disk with free space",
            do="Free some space, then run the same command again: it goes on where it stopped.",
        ) from error


def read(path: Path) -> Any:
    """What `write` saved, on the CPU; None where it is not there or not whole."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # not there, cut off, of another version
        return None
