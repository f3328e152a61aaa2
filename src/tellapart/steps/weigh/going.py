"""Where the next round goes: how many of each class, how deep into which source's query."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tellapart.catalog import PictureRow, Search
from tellapart.catalog.sources import PASSING
from tellapart.learn.collecting import Pair, Quality, Share, targets
from tellapart.recipe import Recipe
from tellapart.steps import StepContext
from tellapart.steps.ration import Ration, Well

#: What arrives and stays is drawn towards all of the project's, as if so many had been seen.
_COUNTS_AS = 10.0
#: Rows that were not fetched yet, or need not be.
_UNTRIED = frozenset(("pending", "surplus"))


def next_ration(
    context: StepContext,
    last: Ration,
    rows: Sequence[PictureRow],
    quality: Quality,
    aim: int,
) -> Ration | None:
    """The ration of the round after `last`, for `aim` kept pictures in all; None: there is no more.

    Every class is brought to the same number of kept pictures, as far as sources and the most
    that is wanted allow.
    """
    labels = context.recipe.labels
    each = math.ceil(aim / len(labels))
    searches = context.catalog.searches()
    whole = _Tally(rows)
    wanted, shares = {}, {}
    for label in labels:
        own = [row for row in rows if row.label == label]
        here = len({row.sha256 for row in own if row.status == "ok"})
        wanted[label] = here
        lacking = each - sum(bool(row.kept) and row.status == "ok" for row in own)
        room = context.recipe.most_per_class - here
        if lacking <= 0 or room <= 0:
            continue
        wells = _wells(own)
        pairs = [_pair(label, well, wells[well], searches) for well in sorted(wells)]
        if all(pair.exhausted for pair in pairs):
            continue
        tallies = {well: _Tally(wells[well], whole) for well in wells}

        def expect(pair: Pair, first: int, until: int, label: str = label) -> Share:
            return quality.among(first, until, label, pair.source, pair.query)

        useful = {well: tally.arrives * tally.stays for well, tally in tallies.items()}
        depths = targets(pairs, lacking, expect, useful)
        shares[label] = _shares(depths)
        more = lacking / _kept_share(pairs, depths, tallies, expect)
        wanted[label] = here + min(room, math.ceil(more))
    if all(wanted[label] <= last.wanted.get(label, 0) for label in labels):
        # What is wanted grows; where it does not, those of before have not come and will not.
        return None
    return Ration(last.round + 1, wanted, shares)


def failures(recipe: Recipe, searches: Sequence[Search]) -> dict[str, str]:
    """By source: why one that the recipe names gave no more; of several reasons one that passes."""
    named = {spec.name for spec in recipe.sources}
    found: dict[str, str] = {}
    for search in searches:
        # The second of one name is `NAME 2`.
        name = search.source.partition(" ")[0]
        fails = search.error and not search.exhausted
        if fails and name in named and _asks(recipe, search) and found.get(name) not in PASSING:
            found[name] = search.error
    return dict(sorted(found.items()))


def _asks(recipe: Recipe, search: Search) -> bool:
    """Whether a search is one of the recipe's: a query of the class, `-words`, the filters."""
    if search.label not in recipe.labels:
        return False
    filters = [*sorted(recipe.licenses), *(["mature"] if recipe.mature else [])]
    words, _, asked = search.query.partition(" [")
    if asked != (f"{' '.join(filters)}]" if filters else ""):
        return False
    option = recipe.classes[search.label]
    queries = (*option.kinds, *(option.searched or (search.label,)))
    return any(words == query or words.startswith(f"{query} -") for query in queries)


class _Tally:
    """What became of the ranks gone through, noise apart."""

    def __init__(self, rows: Sequence[PictureRow], among: _Tally | None = None) -> None:
        tried = [row for row in rows if row.status not in _UNTRIED]
        here = [row for row in tried if row.status == "ok"]
        clean = [row for row in here if row.verdict not in ("mislabelled", "off_topic")]
        kept = sum(bool(row.kept) for row in clean)
        #: Of those tried, the share that came.
        self.arrives: float = _drawn(len(here), len(tried), among.arrives if among else 1.0)
        #: Of those that came and show their class, the share that is kept: no duplicate, …
        self.stays: float = _drawn(kept, len(clean), among.stays if among else 1.0)


def _drawn(count: int, of: int, towards: float) -> float:
    return (count + _COUNTS_AS * towards) / (of + _COUNTS_AS)


def _wells(own: Sequence[PictureRow]) -> dict[Well, list[PictureRow]]:
    found: dict[Well, list[PictureRow]] = {}
    for row in own:
        found.setdefault((row.source, row.query), []).append(row)
    return found


def _pair(label: str, well: Well, rows: Sequence[PictureRow], searches: Sequence[Search]) -> Pair:
    """How far a query was gone through; it is over where all that was found of it was tried."""
    source, query = well
    # Searches are kept under the query and the filters behind it.
    own = [
        one
        for one in searches
        if (one.label, one.source) == (label, source)
        and (one.query == query or one.query.startswith(f"{query} ["))
    ]
    reached = max((row.rank + 1 for row in rows if row.status not in _UNTRIED), default=0)
    known = max((row.rank + 1 for row in rows), default=0)
    return Pair(source, query, reached, all(one.exhausted for one in own) and reached >= known)


def _shares(depths: Mapping[Well, int]) -> dict[Well, float]:
    """Weights by which all come to their depths at the same time."""
    deepest = max(depths.values())
    return {well: round(depth / deepest, 6) for well, depth in depths.items()}


def _kept_share(
    pairs: Sequence[Pair],
    depths: Mapping[Well, int],
    tallies: Mapping[Well, _Tally],
    expect: Callable[[Pair, int, int], Share],
) -> float:
    """Of the pictures that the next round brings, the share that will be kept."""
    arriving = staying = 0.0
    for pair in pairs:
        well = (pair.source, pair.query)
        dealt = depths[well] - pair.reached
        if dealt <= 0:
            continue
        noise = expect(pair, pair.reached, depths[well]).share
        coming = dealt * tallies[well].arrives
        arriving += coming
        staying += coming * tallies[well].stays * (1 - noise)
    return max(0.05, staying / arriving) if arriving else 1.0
