"""A network as a text table and as a picture: what each layer does to the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tellapart.report.drawing import svg
from tellapart.report.layers import quantity, settings, shape

if TYPE_CHECKING:
    from tellapart.recipe.network import Network

__all__ = ["svg", "table"]

_HEAD = ("Layer", "Kind", "Settings", "Output", "Parameters", "FLOPs")


def table(network: Network) -> str:
    """The network as a text table, one line a layer, its totals below.

    FLOPs count for one sample; a multiply-add is two.
    """
    rows: list[Sequence[str]] = [("input", "", "", shape(network.input), "", "")]
    for layer in network.layers:
        figures = (f"{layer.parameters:,}", quantity(layer.flops))
        rows.append((layer.name, layer.kind, settings(layer), shape(layer.output), *figures))
    total = ("total", "", "", "", f"{network.parameters:,}", quantity(network.flops))
    widths = [max(len(row[at]) for row in (_HEAD, *rows, total)) for at in range(len(_HEAD))]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [_line(_HEAD, widths), rule, *(_line(row, widths) for row in rows), rule]
    lines.append(_line(total, widths))
    still = network.parameters - network.trainable
    if still:
        lines.append(f"{network.trainable:,} parameters are trained, {still:,} are not.")
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    # Words stand left, figures right.
    parts = [
        cell.rjust(width) if at >= 4 else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()
