"""Asks the sources page by page; what was asked once is in the ledger and never asked again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart import registry
from tellapart.catalog import Catalog, NewPicture, Search
from tellapart.doors import Format, Hit, Source, SourceContext
from tellapart.errors import FetchError, TellapartError
from tellapart.forgetting import Refusals
from tellapart.steps import StepContext
from tellapart.steps.collect.candidates import Candidate, Pair, Plan, new_picture
from tellapart.steps.collect.writing import Writer

if TYPE_CHECKING:
    from tellapart.fetch import Fetcher

_EVERYTHING = 10**9
#: A service that repeats itself page after page, or never ends, is not asked any further.
_STALE_PAGES, _DEEPEST = 3, 10_000


@dataclass
class Report:
    """What went wrong while searching, for the summary and the errors."""

    #: class -> source -> the error it gave.
    errors: dict[str, dict[str, TellapartError]] = field(default_factory=dict)

    def failed(self, label: str, source: str, error: TellapartError) -> None:
        self.errors.setdefault(label, {})[source] = error


class Sources:
    """The recipe's sources, made once and shared by all classes."""

    def __init__(
        self,
        context: StepContext,
        plan: Plan,
        fetcher: Fetcher,
        find_format: Callable[[Path], Format],
        refusals: Refusals,
    ) -> None:
        self.plan = plan
        self._refusals = refusals
        self._made: list[Source] = [
            registry.load("source", spec.name)(
                SourceContext(
                    settings=context.settings,
                    fetcher=fetcher,
                    options=spec.options,
                    licenses=sorted(plan.licenses),
                    mature=plan.mature,
                    find_format=find_format,
                )
            )
            for spec in plan.sources
        ]
        self._lists: dict[int, dict[str, list[Hit]]] = {}

    async def read_lists(self, catalog: Catalog, writer: Writer) -> None:
        """Read the sources that are lists of one's own; rows without a class are refused now."""
        for index, source in enumerate(self._made):
            if not source.local:
                continue
            by_label: dict[str, list[Hit]] = {}
            async for hit in source.search("", limit=_EVERYTHING):
                if not self.refuses(hit):
                    by_label.setdefault(hit.label or "", []).append(hit)
            self._lists[index] = by_label
            pair = Pair(source.name, "", 0, index, local=True)
            homeless = [
                new_picture(hit, "", pair, self.key(pair, hit)) for hit in by_label.get("", [])
            ]
            if homeless:
                await writer.do(catalog.add, homeless)

    def refuses(self, hit: Hit) -> bool:
        """Whether it was forgotten: it gets no row at all."""
        return self._refusals.picture(url=hit.file_url, creator=hit.creator)

    def key(self, pair: Pair, hit: Hit) -> str:
        """What names the hit in the ledger."""
        options = self.plan.sources[pair.index].options
        given = options.get("path") or options.get("file") if pair.local else None
        return key_of(hit, None if given is None else root_of(Path(given).absolute()))

    async def ask(self, label: str, pair: Pair, start: int) -> tuple[list[Hit], FetchError | None]:
        """One page of hits from rank `start`, and the error that cut it short."""
        source = self._made[pair.index]
        if pair.local:
            return self._lists[pair.index].get(label, []), None
        hits: list[Hit] = []
        try:
            async for hit in source.search(pair.query, limit=source.page, start=start):
                hits.append(hit)  # noqa: PERF401 - those before a failure are kept
        except FetchError as error:
            return hits, error
        except TellapartError:
            raise
        except Exception as error:  # a stranger's source must not take the run down with it
            return hits, FetchError(
                f"The source {pair.source!r} failed: {type(error).__name__}: {error}",
                expected="hits, or a FetchError",
                do=f"Tell the author of {pair.source!r}, or leave it out of the sources.",
                reason="source_error",
            )
        return hits, None


class ClassSearch:
    """Goes through one class's sources and queries; the next only where the last has no more."""

    def __init__(
        self,
        label: str,
        sources: Sources,
        catalog: Catalog,
        writer: Writer,
        known: dict[tuple[str, str, str], Search],
        report: Report,
    ) -> None:
        self._label = label
        self._sources = sources
        self._catalog = catalog
        self._writer = writer
        self._known = known
        self._report = report
        self._left = sources.plan.pairs(label)
        #: Pictures offered by the query at hand, and its pages in a row without a new one.
        self._seen: set[str] = set()
        self._stale = 0

    async def more(self) -> list[Candidate] | None:
        """The next page's candidates, maybe none of them new; None where all is exhausted."""
        while self._left:
            pair = self._left[0]
            name = (self._label, pair.source, self._sources.plan.search_key(pair.query))
            state = self._known.get(name) or Search(label=name[0], source=name[1], query=name[2])
            if state.exhausted and not pair.local:
                self._left.pop(0)
                continue
            hits, error = await self._sources.ask(self._label, pair, state.reached)
            if error is not None:
                self._report.failed(self._label, pair.source, error)
            found = [
                new_picture(hit, self._label, pair, self._sources.key(pair, hit))
                for hit in hits
                if not self._sources.refuses(hit)
            ]
            # A page may be short for missing hits; only an empty one is the end.
            over = pair.local or not hits or self._endless(found)
            if over or error is not None:
                self._left.pop(0)
                self._seen, self._stale = set(), 0
            self._known[name] = Search(
                label=name[0],
                source=name[1],
                query=name[2],
                reached=hits[-1].rank + 1 if hits else state.reached,
                exhausted=over and error is None,
                error="" if error is None else error.reason,
            )
            # Rows first: killed in between, the page is asked for again and nothing is lost.
            await self._writer.do(self._catalog.add, found)
            await self._writer.do(self._catalog.save_search, self._known[name])
            return [self._candidate(new) for new in found]
        return None

    def _endless(self, found: list[NewPicture]) -> bool:
        """Whether this page is one too many of those that bring nothing new, or of all."""
        ids = {self._catalog.id_of(new) for new in found if new.file_url or new.path}
        self._stale = 0 if ids - self._seen else self._stale + 1
        self._seen |= ids
        return self._stale >= _STALE_PAGES or (bool(found) and found[-1].rank >= _DEEPEST)

    def _candidate(self, new: NewPicture) -> Candidate:
        return Candidate.of_new(self._catalog.id_of(new), new)


def key_of(hit: Hit, root: Path | None) -> str:
    """What names a hit within its source, on every machine: its URL, its path below `root`."""
    if hit.path is None:
        return hit.file_url or f"row {hit.rank}"
    if root is None:
        return hit.path.as_posix()
    return Path(os.path.relpath(hit.path, root)).as_posix()


def root_of(path: Path) -> Path:
    """The folder that a data set's names are relative to."""
    return path if path.is_dir() else path.parent
