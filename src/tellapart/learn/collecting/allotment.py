"""Where the next pictures of a class are looked for: more from what is clean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tellapart.learn.collecting.quality import Share

#: Ranks dealt at a time: about a page.
STEP = 20
#: A pair counts by the lower end of its interval until so many of its ranks are gone through:
#: what is hardly known is tried, and no further than it takes to know it.
_TRY = 40
#: Pairs whose expected noise is within this of the best are dealt to in turn: so small a difference
#: is nobody's knowledge, and several sources make for more different pictures.
_ALIKE = 0.05


@dataclass(frozen=True)
class Pair:
    """One query of one source, as far as it has been gone through."""

    source: str
    query: str
    #: Ranks gone through so far.
    reached: int = 0
    #: Whether the source has no more.
    exhausted: bool = False


def targets(
    pairs: Sequence[Pair],
    wanted: int,
    expect: Callable[[Pair, int, int], Share],
    usable: Mapping[tuple[str, str], float] | None = None,
) -> dict[tuple[str, str], int]:
    """The rank up to which each of a class's `pairs` is to be gone through for `wanted` more.

    Ranks are dealt by twenties, each to the pair whose next twenty promise the least noise, by
    `expect(pair, first, until)`; those about as good as the best take turns.
    `usable`: of each pair, the share of hits that come to anything at all (default: all).
    """
    reached = {(pair.source, pair.query): pair.reached for pair in pairs}
    dealt = dict.fromkeys(reached, 0)
    open_ = [pair for pair in pairs if not pair.exhausted]
    left = float(wanted)
    while left > 0 and open_:
        expected, promised = {}, {}
        for pair in open_:
            first = reached[pair.source, pair.query]
            expected[pair] = expect(pair, first, first + STEP)
            promised[pair] = expected[pair].low if first < _TRY else expected[pair].share
        best = min(promised.values())
        alike = [pair for pair in open_ if promised[pair] <= best + _ALIKE]
        chosen = min(alike, key=lambda pair: dealt[pair.source, pair.query])
        name = (chosen.source, chosen.query)
        reached[name] += STEP
        dealt[name] += STEP
        share = 1.0 if usable is None else usable.get(name, 1.0)
        left -= STEP * max(0.05, share * (1 - expected[chosen].share))
    return reached
