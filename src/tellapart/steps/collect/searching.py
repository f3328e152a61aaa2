"""Asks the sources page by page; what was asked once is in the ledger and never asked again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tellapart.catalog import Catalog, NewPicture, Search
from tellapart.doors import Hit
from tellapart.errors import FetchError, RefusedError, TellapartError
from tellapart.forgetting import REASON
from tellapart.steps.collect.asking import Sources
from tellapart.steps.collect.candidates import Candidate, Order, Pair, new_picture
from tellapart.steps.collect.cassette import Tape
from tellapart.steps.collect.health import Health
from tellapart.steps.collect.writing import Writer

#: A service that repeats itself page after page, or never ends, is not asked any further.
_STALE_PAGES, _DEEPEST = 3, 10_000


@dataclass
class Report:
    """What went wrong while searching, for the summary and the errors."""

    #: class -> source -> the error it gave.
    errors: dict[str, dict[str, TellapartError]] = field(default_factory=dict)
    #: Classes of which no source has more.
    exhausted: set[str] = field(default_factory=set)
    #: For the user, beside what follows from the rows.
    notes: list[str] = field(default_factory=list)

    def failed(self, label: str, source: str, error: TellapartError) -> None:
        self.errors.setdefault(label, {})[source] = error


@dataclass(frozen=True)
class Means:
    """What the searches of all classes share."""

    sources: Sources
    catalog: Catalog
    writer: Writer
    known: dict[tuple[str, str, str], Search]
    report: Report
    health: Health
    tape: Tape


class ClassSearch:
    """Goes through one class's sources and queries; the next only where the last has no more.

    Pairs of one group are gone through side by side; sources that rest come last.
    """

    def __init__(self, label: str, means: Means) -> None:
        self._label = label
        self._means = means
        self._pairs = [p for p in means.sources.plan.pairs(label) if p.share > 0]
        self._left = list(self._pairs)
        #: Pictures offered by a query, and its pages in a row without a new one.
        self._seen: defaultdict[int, set[str]] = defaultdict(set)
        self._stale: Counter[int] = Counter()
        self._trail = means.tape.trail(label)
        groups = Counter(pair.group for pair in self._pairs)
        self._side_by_side = {group for group, pairs in groups.items() if pairs > 1}

    @property
    def is_played(self) -> bool:
        """Whether it follows a cassette."""
        return self._trail is not None

    @property
    def ended(self) -> bool:
        """Whether no source has more, whenever it is asked."""
        return all(pair.local or self._state(pair).exhausted for pair in self._pairs)

    def heads(self) -> dict[int, Order]:
        """By group of several pairs: the place of the first hit that may yet be found.

        Whatever comes after it has to wait until it has been searched for.
        """
        if self.is_played or not self._side_by_side:
            return {}
        found: dict[int, Order] = {}
        for pair in self._ready():
            if pair.group in self._side_by_side and not pair.local:
                head = pair.order(self._state(pair).reached)
                found[pair.group] = min(found.get(pair.group, head), head)
        return found

    def head(self) -> Order | None:
        """The place of the first hit that the next page may bring; None where nobody knows."""
        ready = [] if self.is_played else self._ready() or self._unfinished()
        return min((pair.order(self._state(pair).reached) for pair in ready), default=None)

    async def more(self) -> list[Candidate] | None:
        """The next page's candidates, maybe none of them new; None where all is exhausted."""
        while (turn := self._next()) is not None:
            pair, start = turn
            if pair.local or self.is_played:
                return await self._page(pair, start)
            name = self._means.sources.known_as(pair)
            async with self._means.health.asking(name) as allowed:
                if allowed:
                    return await self._page(pair, start)
            self._left.remove(pair)
            self._means.report.failed(self._label, pair.source, self._means.health.refusal(name))
        return None

    def _next(self) -> tuple[Pair, int] | None:
        """What to ask, and from which rank."""
        if self._trail is not None:
            pairs = {(pair.source, pair.query): pair for pair in self._pairs}
            while self._trail:
                source, query, start = self._trail.pop(0)
                if (source, query) in pairs:  # else the recipe names it no longer
                    return pairs[source, query], start
            return None
        self._left = self._unfinished()
        ready = self._ready() or self._left
        if not ready:
            return None
        pair = min(ready, key=lambda pair: pair.order(self._state(pair).reached))
        return pair, self._state(pair).reached

    def _unfinished(self) -> list[Pair]:
        return [pair for pair in self._left if pair.local or not self._finished(pair)]

    def _ready(self) -> list[Pair]:
        """What is left of sources that do not rest."""
        health, sources = self._means.health, self._means.sources
        return [
            pair
            for pair in self._unfinished()
            if pair.local or not health.rests(sources.known_as(pair))
        ]

    def _finished(self, pair: Pair) -> bool:
        state = self._state(pair)
        return state.exhausted or pair.bars(state.reached)

    def _name(self, pair: Pair) -> tuple[str, str, str]:
        return (self._label, pair.source, self._means.sources.plan.search_key(self._label, pair))

    def _state(self, pair: Pair) -> Search:
        name = self._name(pair)
        known = self._means.known.get(name)
        return known or Search(label=name[0], source=name[1], query=name[2])

    async def _page(self, pair: Pair, start: int) -> list[Candidate]:
        """Ask for one page, and take what it brings into the ledger."""
        means = self._means
        hits, error = await self._ask(pair, start)
        found = [
            new_picture(hit, self._label, pair, means.sources.key(pair, hit))
            for hit in hits
            if not means.sources.refuses(hit)
        ]
        # A page may be short for missing hits; only an empty one is the end.
        over = pair.local or not hits or self._endless(pair, found)
        if (over or error is not None) and pair in self._left:
            self._left.remove(pair)
        name = self._name(pair)
        means.known[name] = Search(
            label=name[0],
            source=name[1],
            query=name[2],
            reached=hits[-1].rank + 1 if hits else start,
            exhausted=over and error is None,
            error="" if error is None else error.reason,
        )
        # Rows first: killed in between, the page is asked for again and nothing is lost.
        await means.writer.do(means.catalog.add, found)
        await means.writer.do(means.catalog.save_search, means.known[name])
        return [Candidate.of_new(means.catalog.id_of(new), new, pair) for new in found]

    async def _ask(self, pair: Pair, start: int) -> tuple[list[Hit], FetchError | None]:
        """A page from its source or from the cassette; health and report hear of it."""
        means, ask = self._means, (pair.source, pair.query, start)
        if self.is_played and not pair.local:
            hits, error = means.tape.page(self._label, ask)
            hits = [means.sources.held(pair, hit) for hit in hits]
        else:
            hits, error = await means.sources.ask(self._label, pair, start)
            kept = [] if pair.local else [self._without_forgotten(hit) for hit in hits]
            await means.tape.keep_page(
                means.writer, self._label, ask, (kept, None if pair.local else error)
            )
        if error is not None:
            means.report.failed(self._label, pair.source, error)
        if not pair.local:
            self._judge(means.sources.known_as(pair), hits, error)
        return hits, error

    def _without_forgotten(self, hit: Hit) -> Hit:
        """What a cassette may keep of a hit: of one that was forgotten its rank alone."""
        refused = self._means.sources.refuses(hit)
        return Hit(rank=hit.rank, problem=REASON) if refused else hit

    def _judge(self, name: str, hits: list[Hit], error: FetchError | None) -> None:
        """Tell no answer, an answer that nobody can read, and one without pictures apart."""
        if self.is_played or isinstance(error, RefusedError):
            return  # what we do not do for reasons of our own is no fault of its
        if error is not None:
            self._means.health.failed(name, error.reason)
        else:
            self._means.health.answered(name, found=any(not hit.problem for hit in hits))

    def _endless(self, pair: Pair, found: list[NewPicture]) -> bool:
        """Whether this page is one too many of those that bring nothing new, or of all."""
        catalog, at = self._means.catalog, pair.position
        ids = {catalog.id_of(new) for new in found if new.file_url or new.path}
        self._stale[at] = 0 if ids - self._seen[at] else self._stale[at] + 1
        self._seen[at] |= ids
        return self._stale[at] >= _STALE_PAGES or (bool(found) and found[-1].rank >= _DEEPEST)
