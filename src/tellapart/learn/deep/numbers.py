"""What a training calculates with: device, precision of its numbers, threads."""

from __future__ import annotations

import os

import torch

from tellapart.errors import InputError
from tellapart.recipe.network import Network

#: Below so many operations a sample, other costs outweigh the multiplications.
_SMALL = 1_000_000
#: Below so many operations a step, a second thread costs more than it gives.
_ONE_THREAD = 20_000_000


def device_for(asked: str) -> str:
    """`cpu`, `cuda` or `mps`. Raises `InputError` for one that is not here."""
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    if not here[asked]:
        known = ", ".join(name for name, is_here in here.items() if is_here)
        raise InputError(
            f"train.device is {asked!r}, and this machine has none that torch can use.",
            expected=f"auto or one of {known}",
            do="Set train.device to auto, or install the torch build for your device.",
        )
    return asked


def precision_for(asked: str, device: str, network: Network) -> str:
    """`fp32` or `bf16`. `auto`: bf16 for convolutions where the processor multiplies in it.

    Weights, sums and the optimizer keep float32 in either.
    """
    if asked != "auto":
        return asked
    wide = len(network.input) == 3 and network.flops >= _SMALL
    if device == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = device == "cpu" and cpu_multiplies_bf16()
    return "bf16" if wide and fast else "fp32"


def cpu_multiplies_bf16() -> bool:
    """Whether the CPU has instructions for bf16 products (AVX512-BF16 or AMX)."""
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in asks)


def threads_for(network: Network, batch: int) -> int:
    """How many threads a step is worth; `OMP_NUM_THREADS` has the last word."""
    if network.flops * batch * 3 < _ONE_THREAD:
        return 1
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1
