"""A network drawn for teaching: blocks from top to bottom, as large as their tensors suggest.

Stand-alone SVG: its colors follow light and dark by themselves and every drawing program that
knows style sheets shows them (no CSS variables, which several do not know).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import escape

from tellapart.report.layers import quantity, settings, shape
from tellapart.report.svg import label, pt

if TYPE_CHECKING:
    from tellapart.recipe.network import Network, Traced

_WIDTH = 412
#: Middle of the column of blocks, and where the words begin.
_COLUMN, _WORDS = 82, 156
#: Longest side of a block's face, and its depth, in points.
_FACE, _DEPTH = 54.0, 44.0
#: Longest bar of a vector; up to so many values are drawn one by one.
_BAR, _BEADS = 104.0, 12
_GAP, _PILL = 20, 24
#: Length of the bar that tells of all parameters.
_METER = 150.0
#: Kinds that are drawn as pills where they keep the tensor's shape.
_FUNCTIONS = ("activation", "add", "batch_norm", "dropout")

_STYLE = """
.network{font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
.network .n-paper{fill:#fff}
.network .n-name{fill:#1d2327;font-weight:600;font-size:13.5px}
.network .n-soft{fill:#5b666e}
.network .n-mid{text-anchor:middle}
.network .n-face{fill:#cfe6e7;stroke:#0e7c86}
.network .n-top{fill:#e6f2f2;stroke:#0e7c86}
.network .n-side{fill:#a9d2d5;stroke:#0e7c86}
.network .n-bar,.network .n-bead{fill:#f3ddc9;stroke:#b25a1c}
.network .n-given{fill:#eceeec;stroke:#5b666e}
.network .n-pill{fill:#f4f5f3;stroke:#9aa6ad}
.network .n-flow{stroke:#9aa6ad;fill:none;stroke-width:1.5}
.network .n-tip{fill:#9aa6ad}
.network .n-skip{stroke:#9a6b00;fill:none;stroke-width:1.75}
.network .n-skiptip{fill:#9a6b00}
.network .n-rail{fill:#e2e4e1}
.network .n-share{fill:#0e7c86}
@media (prefers-color-scheme:dark){
.network .n-paper{fill:#1b2125}
.network .n-name{fill:#e6eaec}
.network .n-soft{fill:#9aa6ad}
.network .n-face{fill:#1f4a50;stroke:#4cc2cc}
.network .n-top{fill:#2a5f66;stroke:#4cc2cc}
.network .n-side{fill:#173438;stroke:#4cc2cc}
.network .n-bar,.network .n-bead{fill:#4a2f1d;stroke:#f0a06c}
.network .n-given{fill:#2e373c;stroke:#9aa6ad}
.network .n-pill{fill:#252d32;stroke:#66737b}
.network .n-flow{stroke:#66737b}
.network .n-tip{fill:#66737b}
.network .n-skip{stroke:#e0b04c}
.network .n-skiptip{fill:#e0b04c}
.network .n-rail{fill:#2e373c}
.network .n-share{fill:#4cc2cc}
}
"""


@dataclass(frozen=True)
class _Scale:
    """The largest of everything, which the drawing is fitted to."""

    side: float
    channels: float
    length: float
    parameters: int


@dataclass
class _Drawing:
    """What is drawn so far."""

    scale: _Scale
    y: float = 16
    parts: list[str] = field(default_factory=list)
    #: By layer name: half the width, top and bottom of its block.
    places: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def put(self, name: str, half: float, top: float, bottom: float) -> None:
        """Note where a block stands; draw the arrow that leads to it from the one before."""
        if self.places:
            above = list(self.places.values())[-1][2]
            self.parts.append(
                f'<path class="n-flow" d="M{_COLUMN} {pt(above + 3)}V{pt(top - 8)}"/>'
                f'<path class="n-tip" d="M{_COLUMN - 4} {pt(top - 9)}h8l-4 6z"/>'
            )
        self.places[name] = (half, top, bottom)


def svg(network: Network) -> str:
    """The network drawn from top to bottom, as a stand-alone SVG that can also stand in a page.

    Each layer is one block. Layers that make another tensor show it: faces and depth grow with
    the square root of sides and channels, bars with the logarithm of a vector's length; the
    others are pills. A meter tells a layer's share of all parameters; an arrow at the left leads
    to each `add` from the layer that it adds.
    """
    drawing = _Drawing(_scale(network))
    _input(drawing, network.input)
    before = network.input
    for layer in network.layers:
        drawing.y += _GAP
        _layer(drawing, layer, before)
        before = layer.output
    skips = _skips(drawing, network.layers)
    height = drawing.y + 12
    title = (
        f"Network of {len(network.layers)} layers, {network.parameters:,} parameters, "
        f"{quantity(network.flops)} FLOPs per sample"
    )
    inner = "\n".join([*drawing.parts, *skips])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="network" viewBox="0 0 {_WIDTH} '
        f'{pt(height)}" role="img" aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        f'<rect class="n-paper" width="{_WIDTH}" height="{pt(height)}" rx="12"/>\n{inner}\n</svg>\n'
    )


def _scale(network: Network) -> _Scale:
    shapes = [network.input, *(layer.output for layer in network.layers)]
    return _Scale(
        side=max((max(one[:2]) for one in shapes if len(one) == 3), default=1),
        channels=max((one[2] for one in shapes if len(one) == 3), default=1),
        length=max((math.prod(one) for one in shapes if len(one) != 3), default=1),
        parameters=max(network.parameters, 1),
    )


def _input(drawing: _Drawing, values: Sequence[int]) -> None:
    body, half, height = _tensor(drawing.scale, values, drawing.y, given=True)
    drawing.put("", half, drawing.y, drawing.y + height)
    middle = drawing.y + height / 2
    words = [
        label(_WORDS, middle - 2, "input", "n-name"),
        label(_WORDS, middle + 15, _values(values), "n-soft"),
    ]
    drawing.parts.append(f'<g class="input">{body}{"".join(words)}</g>')
    drawing.y += height


def _layer(drawing: _Drawing, layer: Traced, before: Sequence[int]) -> None:
    same = tuple(layer.output) == tuple(before)
    if layer.kind in _FUNCTIONS and same:
        body, half, height = _pill(layer, drawing.y)
    else:
        body, half, height = _tensor(drawing.scale, layer.output, drawing.y)
    words = _describe(layer, drawing.scale, same)
    tall = max(height, 17.0 * len(words) + 3)
    shift = (tall - height) / 2
    top = drawing.y + shift
    block = f'<g transform="translate(0 {pt(shift)})">{body}</g>' if shift else body
    first = drawing.y + tall / 2 - 17 * (len(words) - 1) / 2 + 4
    texts = [word.replace("@", pt(first + 17 * row)) for row, word in enumerate(words)]
    title = f"{layer.name}: {layer.kind}, {shape(layer.input)} to {shape(layer.output)}, "
    title += f"{layer.parameters:,} parameters, {quantity(layer.flops)} FLOPs"
    drawing.parts.append(
        f'<g class="block" data-layer="{escape(layer.name)}" data-kind="{escape(layer.kind)}">'
        f"<title>{escape(title)}</title>{block}{''.join(texts)}</g>"
    )
    drawing.put(layer.name, half, top, top + height)
    drawing.y += tall


def _describe(layer: Traced, scale: _Scale, same: bool) -> list[str]:
    """Lines beside the block; `@` stands for the height they come to."""
    said = "" if layer.kind == "activation" and same else settings(layer)
    named = layer.kind in layer.name
    first = f'<tspan class="n-name">{escape(_cut(layer.name, 30 if named else 20))}</tspan>'
    if not named:
        first += f"<tspan> {escape(layer.kind)}</tspan>"
    lines = [f'<text class="n-soft" x="{_WORDS}" y="@">{first}</text>']
    if said:
        lines.append(f'<text class="n-soft" x="{_WORDS}" y="@">{escape(_cut(said, 40))}</text>')
    figures = [] if same else [_values(layer.output)]
    if layer.parameters:
        figures.append(f"{layer.parameters:,} parameters")
    if figures:
        lines.append(f'<text class="n-soft" x="{_WORDS}" y="@">{" · ".join(figures)}</text>')
    if layer.parameters:
        share = layer.parameters / scale.parameters
        lines.append(
            f'<g transform="translate({_WORDS} @)">'
            f'<rect class="n-rail" y="-8" width="{pt(_METER)}" height="5" rx="2.5"/>'
            f'<rect class="n-share" y="-8" width="{pt(max(_METER * share, 2))}" height="5" '
            f'rx="{pt(min(2.5, max(_METER * share, 2) / 2))}"/>'
            f'<text class="n-soft" x="{pt(_METER + 8)}" y="-1.5">{escape(_share(share))}</text></g>'
        )
    return lines


def _tensor(
    scale: _Scale, values: Sequence[int], y: float, *, given: bool = False
) -> tuple[str, float, float]:
    """The block of a tensor, half its width, its height."""
    if len(values) == 3:
        return _box(scale, values, y, given=given)
    return _vector(scale, math.prod(values), y, given=given)


def _box(
    scale: _Scale, values: Sequence[int], y: float, *, given: bool
) -> tuple[str, float, float]:
    rows, columns, channels = values
    tall = max(_FACE * math.sqrt(rows / scale.side), 6.0)
    wide = max(_FACE * math.sqrt(columns / scale.side), 6.0)
    # Depth runs to the upper right at 45 degrees, in half its length as the eye sees it.
    deep = max(_DEPTH * math.sqrt(channels / scale.channels), 3.0) * 0.71
    left, top = _COLUMN - (wide + deep) / 2, y + deep
    right, low = left + wide, top + tall
    kinds = ("n-given", "n-given", "n-given") if given else ("n-top", "n-side", "n-face")
    top_side = [(left, top), (left + deep, y), (right + deep, y), (right, top)]
    right_side = [(right, top), (right + deep, y), (right + deep, low - deep), (right, low)]
    face = [(left, top), (right, top), (right, low), (left, low)]
    body = "".join(
        f'<path class="{kind}" stroke-linejoin="round" d="M'
        + " L".join(f"{pt(a)} {pt(b)}" for a, b in points)
        + 'Z"/>'
        for kind, points in zip(kinds, (top_side, right_side, face), strict=True)
    )
    return body, (wide + deep) / 2, tall + deep


def _vector(scale: _Scale, length: int, y: float, *, given: bool) -> tuple[str, float, float]:
    kind = "n-given" if given else "n-bead"
    if length <= _BEADS:
        step = min(14.0, _BAR / max(length, 1))
        radius = min(5.5, step / 2 - 0.8)
        start = _COLUMN - step * (length - 1) / 2
        body = "".join(
            f'<circle class="{kind}" cx="{pt(start + step * place)}" cy="{pt(y + 8)}" '
            f'r="{pt(radius)}"/>'
            for place in range(length)
        )
        return body, step * length / 2, 16
    wide = _BAR * max(math.log(length) / math.log(max(scale.length, 64)), 0.2)
    kind = "n-given" if given else "n-bar"
    body = (
        f'<rect class="{kind}" x="{pt(_COLUMN - wide / 2)}" y="{pt(y + 1)}" '
        f'width="{pt(wide)}" height="14" rx="3"/>'
    )
    return body, wide / 2, 16


def _pill(layer: Traced, y: float) -> tuple[str, float, float]:
    text = {"add": "+", "batch_norm": "norm"}.get(layer.kind, layer.kind)
    if layer.kind == "activation":
        text = settings(layer)
    half = 13.0 if layer.kind == "add" else 6 + 3.6 * len(text)
    body = (
        f'<rect class="n-pill" x="{pt(_COLUMN - half)}" y="{pt(y)}" width="{pt(2 * half)}" '
        f'height="{_PILL}" rx="{_PILL / 2:g}"/>'
        f"{label(_COLUMN, y + 16.5, text, 'n-soft n-mid')}"
    )
    return body, half, _PILL


def _skips(drawing: _Drawing, layers: Sequence[Traced]) -> list[str]:
    """Arrows at the left for each `add`; ones that would overlap run in lanes side by side."""
    lanes: list[float] = []
    parts = []
    for layer in layers:
        source = drawing.places.get(str(layer.options.get("with", "")))
        if layer.kind != "add" or source is None:
            continue
        half, top, bottom = drawing.places[layer.name]
        start, end = (source[1] + source[2]) / 2, (top + bottom) / 2
        lane = next((at for at, busy in enumerate(lanes) if busy < start), len(lanes))
        lanes[lane : lane + 1] = [end]
        x = max(18.0 - 6 * lane, 4.0)
        parts.append(
            f'<path class="n-skip" data-add="{escape(layer.name)}" '
            f'd="M{pt(_COLUMN - source[0] - 3)} {pt(start)}H{pt(x + 8)}q-8 0 -8 8V{pt(end - 8)}'
            f'q0 8 8 8H{pt(_COLUMN - half - 8)}"/>'
            f'<path class="n-skiptip" d="M{pt(_COLUMN - half - 9)} {pt(end - 4.5)}v9l7 -4.5z"/>'
        )
    return parts


def _values(values: Sequence[int]) -> str:
    if len(values) == 1:
        return f"{values[0]:,} value{'' if values[0] == 1 else 's'}"
    return shape(values)


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
