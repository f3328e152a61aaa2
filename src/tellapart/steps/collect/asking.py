"""The recipe's sources: made once, shared by all classes, asked page by page."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart import registry
from tellapart.bundle import licenses
from tellapart.catalog import Catalog
from tellapart.doors import Format, Hit, Source, SourceContext
from tellapart.errors import FetchError, TellapartError
from tellapart.forgetting import REASON, Refusals
from tellapart.steps import StepContext
from tellapart.steps.collect.candidates import Pair, Plan, new_picture
from tellapart.steps.collect.writing import Writer

if TYPE_CHECKING:
    from tellapart.fetch import Fetcher

_EVERYTHING = 10**9
#: So many hits, all without a picture's address, and the answer has another shape than it had.
_STRANGE = 3


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

    async def aclose(self) -> None:
        """Let every source go; what one cannot close must not break the run."""
        for source in self._made:
            with contextlib.suppress(Exception):
                await source.aclose()

    async def read_lists(self, catalog: Catalog, writer: Writer) -> None:
        """Read the sources that are lists of one's own; rows without a class are refused now."""
        for index, source in enumerate(self._made):
            if not source.local:
                continue
            by_label: dict[str, list[Hit]] = {}
            async for hit in source.search("", limit=_EVERYTHING):
                if not self.refuses(hit):
                    stated = licenses.rules_out(hit.license, self.plan.licenses)
                    found = replace(hit, problem="license") if stated and not hit.problem else hit
                    by_label.setdefault(hit.label or "", []).append(found)
            self._lists[index] = by_label
            pair = Pair(source.name, "", 0, index, local=True)
            homeless = [
                new_picture(hit, "", pair, self.key(pair, hit)) for hit in by_label.get("", [])
            ]
            if homeless:
                await writer.do(catalog.add, homeless)

    def refuses(self, hit: Hit) -> bool:
        """Whether it was forgotten: it gets no row at all."""
        known = self._refusals.picture(url=hit.file_url, creator=hit.creator)
        return known or hit.problem == REASON

    def known_as(self, pair: Pair) -> str:
        """Under which name the health of the pair's source is kept."""
        return self._made[pair.index].known_as()

    def key(self, pair: Pair, hit: Hit) -> str:
        """What names the hit in the ledger."""
        options = self.plan.sources[pair.index].options
        given = None if hit.path is None else options.get("path") or options.get("file")
        return key_of(hit, None if given is None else root_of(Path(given).absolute()))

    def held(self, pair: Pair, hit: Hit) -> Hit:
        """A hit of a cassette; `outside` where it names a file that the source cannot have given:
        whoever made the cassette names none of this machine's."""
        if hit.path is None:
            return hit
        options = self.plan.sources[pair.index].options
        given = options.get("path") or options.get("file")
        if given and Path(os.path.realpath(hit.path)).is_relative_to(os.path.realpath(given)):
            return hit
        return replace(hit, path=None, problem="outside")

    async def ask(self, label: str, pair: Pair, start: int) -> tuple[list[Hit], FetchError | None]:
        """One page of hits from rank `start`, and the error that cut it short."""
        source = self._made[pair.index]
        if pair.local:
            return self._lists[pair.index].get(label, []), None
        hits: list[Hit] = []
        try:
            words = self.plan.words(label, pair)
            async for hit in source.search(words, limit=source.page, start=start):
                word = hit.problem or self.plan.word_against(label, hit.title, hit.license)
                hits.append(replace(hit, problem=word) if word else hit)
        except FetchError as error:
            return hits, error
        except TellapartError:
            raise
        except Exception as error:  # a stranger's source must not take the run down with it
            return hits, FetchError(
                # Its words may hold a secret.
                f"The source {pair.source!r} failed: {type(error).__name__}.",
                expected="hits, or a FetchError",
                do=f"Tell the author of {pair.source!r}, or leave it out of the sources.",
                reason="source_error",
            )
        return hits, None if readable(hits) else strange(pair.source, hits)


def readable(hits: list[Hit]) -> bool:
    """Whether a page looks as such pages do: it holds a picture, or next to nothing."""
    return len(hits) < _STRANGE or any(hit.problem != "no_url" for hit in hits)


def strange(source: str, hits: list[Hit]) -> FetchError:
    """The error of a page that is not `readable`."""
    return FetchError(
        f"None of the {len(hits)} hits of {source!r} names a picture.",
        expected="hits with the address of a picture each",
        do="Its answers may have a new shape: upgrade Tellapart, or leave the source out.",
        reason="bad_answer",
    )


def key_of(hit: Hit, root: Path | None) -> str:
    """What names a hit within its source, on every machine: its URL, its path below `root`."""
    if hit.key:
        return hit.key
    if hit.path is None:
        return hit.file_url or f"row {hit.rank}"
    if root is None:
        return hit.path.as_posix()
    below, name = f"{root}{os.sep}", str(hit.path)
    if name.startswith(below) and ".." not in name:
        return name[len(below) :].replace(os.sep, "/")
    return Path(os.path.relpath(hit.path, root)).as_posix()


def root_of(path: Path) -> Path:
    """The folder that a data set's names are relative to."""
    return path if path.is_dir() else path.parent
