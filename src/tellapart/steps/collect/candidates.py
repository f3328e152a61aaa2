"""What the recipe asks for, and which pictures of the ledger come first."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from tellapart import registry
from tellapart.bundle import licenses
from tellapart.catalog import NewPicture, Outcome, PictureRow, Status
from tellapart.doors import Hit
from tellapart.recipe import Recipe, SourceSpec
from tellapart.steps.ration import Ration

#: After all that the recipe names: rows of sources and queries that it names no longer.
LAST = 1_000_000
#: Refusals by the recipe's own filters: they end when the recipe changes.
FILTERS = frozenset(("license", "mature", "class", "without"))
#: Longest search that all services take, in characters.
_LONGEST = 200

#: Group of pairs, place in it, position of the pair, id: the smallest comes first.
Order = tuple[int, float, int, str]


@dataclass(frozen=True)
class Pair:
    """One query of one source, for one class."""

    source: str
    query: str
    #: Place among the class's pairs, from 0.
    position: int
    #: Index of the source in the recipe.
    index: int
    local: bool = False
    #: One of the class's kinds: gone through in turns with those of the same source.
    turns: bool = False
    #: Pairs of one group are gone through side by side, the groups one after another.
    group: int = 0
    #: Weight within its group; 0: nothing more is taken of it.
    share: float = 1.0
    #: The last rank that may be taken; None: all there are.
    deepest: int | None = None

    def order(self, rank: int, id: str = "") -> Order:
        """The place of one of its hits among all of its class."""
        level = rank / self.share if self.share > 0 else math.inf
        return (self.group, level, self.position, id)

    def bars(self, rank: int) -> bool:
        """Whether nothing of that rank may be taken."""
        return self.share <= 0 or (self.deepest is not None and rank > self.deepest)


@dataclass(frozen=True)
class Plan:
    """The recipe's part that collecting depends on."""

    #: Queries by class, classes in alphabetical order.
    queries: dict[str, tuple[str, ...]]
    sources: tuple[SourceSpec, ...]
    #: Pictures a class; None: all there are.
    wanted: int | None
    licenses: frozenset[str] = frozenset()
    mature: bool = False
    local: frozenset[str] = field(default=frozenset())
    #: By class: kinds of it, searched for before `queries` and in turns.
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: By class: words that a hit's title must not hold.
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Sources that understand `-word`.
    negating: frozenset[str] = field(default=frozenset())
    #: Hosts whose robots.txt the user, by a named act, wants left aside.
    ignore_robots: frozenset[str] = field(default=frozenset())
    #: What this round may bring; None: all at once.
    ration: Ration | None = None

    @classmethod
    def of_recipe(cls, recipe: Recipe, ration: Ration | None = None) -> Plan:
        """Raises `InputError` for a source that is not installed."""
        made = {s.name: registry.load("source", s.name) for s in recipe.sources}
        options = {label: recipe.classes[label] for label in recipe.labels}
        without = {
            label: tuple(dict.fromkeys((*recipe.without, *option.without)))
            for label, option in options.items()
        }
        return cls(
            {label: option.searched or (label,) for label, option in options.items()},
            recipe.sources,
            recipe.most_per_class,
            frozenset(recipe.licenses),
            recipe.mature,
            frozenset(name for name, source in made.items() if source.local),
            kinds={label: option.kinds for label, option in options.items() if option.kinds},
            without={label: words for label, words in without.items() if words},
            negating=frozenset(name for name, source in made.items() if source.negates),
            ignore_robots=frozenset(recipe.ignore_robots),
            ration=ration,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.queries)

    @property
    def has_local(self) -> bool:
        return bool(self.local)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each source is called in the ledger: the second of one name `NAME 2`."""
        seen: Counter[str] = Counter()
        found = []
        for spec in self.sources:
            seen[spec.name] += 1
            again = seen[spec.name] > 1 and spec.name not in self.local
            found.append(f"{spec.name} {seen[spec.name]}" if again else spec.name)
        return tuple(found)

    def wanted_of(self, label: str) -> int | None:
        """Pictures of a class in all; None: all there are. With a ration, what the round asks."""
        return self.wanted if self.ration is None else self.ration.wanted.get(label, 0)

    def asked(self) -> dict[str, Any]:
        """JSON that is equal for plans that ask for the same pictures."""
        more: dict[str, Any] = {
            key: {label: list(words) for label, words in found.items()}
            for key, found in (("kinds", self.kinds), ("without", self.without))
            if found
        }
        if self.ignore_robots:
            more["ignore_robots"] = sorted(self.ignore_robots)
        if self.ration is not None:
            more["ration"] = self.ration.to_dict()
        return {
            **more,
            "classes": {label: list(words) for label, words in self.queries.items()},
            "sources": [[spec.name, spec.options] for spec in self.sources],
            "per_class": self.wanted,
            "licenses": sorted(self.licenses),
            "mature": self.mature,
        }

    def answers(self) -> dict[str, Any]:
        """JSON that is equal for plans to which a source gives the same answers."""
        others = ("classes", "kinds", "per_class", "ration")
        return {key: value for key, value in self.asked().items() if key not in others}

    def pairs(self, label: str) -> list[Pair]:
        """The class's sources and queries in the order in which they are tried."""
        found: list[Pair] = []
        for index, spec in enumerate(self.sources):
            name = self.names[index]
            if spec.name in self.local:
                # A list of one's own knows its classes; what to search for does not concern it.
                found.append(Pair(name, label, len(found), index, local=True))
                continue
            kinds = self.kinds.get(label, ())
            for query in dict.fromkeys((*kinds, *self.queries[label])):
                found.append(Pair(name, query, len(found), index, turns=query in kinds))
        return _in_groups(found) if self.ration is None else _rationed(found, self.ration, label)

    def words(self, label: str, pair: Pair) -> str:
        """What the source is asked: the query, with `-word` for what is not wanted if it can."""
        asked = pair.query
        negates = self.sources[pair.index].name in self.negating
        for word in self.without.get(label, ()) if negates else ():
            more = f'{asked} -"{word}"' if " " in word else f"{asked} -{word}"
            # Whatever has no room is sorted out by its title alone.
            asked = more if len(more) <= _LONGEST else asked
        return asked

    def search_key(self, label: str, pair: Pair) -> str:
        """The search as `searches` knows it: other filters give another list of hits."""
        query = self.words(label, pair)
        filters = [*sorted(self.licenses), *(["mature"] if self.mature else [])]
        return f"{query} [{' '.join(filters)}]" if filters else query

    def ruled_out(self, label: str, title: str) -> bool:
        """Whether a title holds, as whole words in any case, what the class is not."""
        words = self.without.get(label, ())
        if not words or not title:
            return False
        found = f" {_plain(title)} "
        return any(f" {_plain(word)} " in found for word in words)

    def word_against(self, label: str, title: str, license: str) -> str:
        """The filter word that keeps a service's hit out, else an empty string.

        Without a known licence nothing says that it is one of those asked for.
        """
        if self.ruled_out(label, title):
            return "without"
        asked = not self.licenses or licenses.read(license).code in self.licenses
        return "" if asked else "license"

    def opens(self, row: PictureRow) -> bool:
        """Whether a picture that a robots.txt closed may come in now: the user named its host."""
        if row.reason != "robots" or not self.ignore_robots:
            return False
        try:
            parts = urlsplit(row.file_url.lower())
            names = {parts.hostname or "", parts.netloc}
        except ValueError:
            return False
        return not names.isdisjoint(self.ignore_robots)

    def filtered(self, row: PictureRow) -> str:
        """The filter word that keeps a row of the ledger out, else an empty string."""
        if row.label not in self.queries:
            return "class"
        if row.source in self.local:
            return "license" if licenses.rules_out(row.license, self.licenses) else ""
        word = self.word_against(row.label, row.title, row.license)
        if word:
            return word
        return "mature" if row.reason == "mature" and not self.mature else ""


def _in_groups(pairs: list[Pair]) -> list[Pair]:
    """Each pair by itself; kinds of one source together."""
    found: list[Pair] = []
    for pair in pairs:
        last = found[-1] if found else None
        joins = last is not None and last.turns and pair.turns and last.index == pair.index
        found.append(replace(pair, group=last.group if last and joins else pair.position))
    return found


def _rationed(pairs: list[Pair], ration: Ration, label: str) -> list[Pair]:
    """All side by side, by their shares. A list of one's own comes first, as a whole: its ranks
    count over all classes."""
    deepest = ration.deepest.get(label, {})
    return [
        replace(pair, group=-1)
        if pair.local
        else replace(
            pair,
            share=ration.share(label, pair.source, pair.query),
            deepest=deepest.get((pair.source, pair.query)),
        )
        for pair in pairs
    ]


@dataclass(slots=True)
class Candidate:
    """One picture that may be taken, with what is needed to fetch and to rank it."""

    id: str
    order: Order
    url: str
    path: str
    status: str
    reason: str
    sha256: str
    bytes: int | None
    mtime_ns: int | None
    width: int | None
    height: int | None
    #: Not to be fetched in this round.
    barred: bool = False

    @classmethod
    def of_file(cls, id: str, path: str) -> Candidate:
        """A file of one's own that is to be looked at."""
        return cls(id, (0, 0, 0, id), "", path, "pending", "", "", None, None, None, None)

    @classmethod
    def of_row(cls, row: PictureRow, pairs: Mapping[tuple[str, str], Pair]) -> Candidate:
        pair = pairs.get((row.source, row.query))
        last = (LAST + row.position, row.rank, row.position, row.id)
        return cls(
            id=row.id,
            order=last if pair is None else pair.order(row.rank, row.id),
            url=row.file_url,
            path=row.path,
            status=row.status,
            reason=row.reason,
            sha256=row.sha256,
            bytes=row.bytes,
            mtime_ns=row.mtime_ns,
            width=row.width,
            height=row.height,
            barred=pair is not None and pair.bars(row.rank),
        )

    @classmethod
    def of_new(cls, id: str, new: NewPicture, pair: Pair) -> Candidate:
        return cls(
            id=id,
            order=pair.order(new.rank, id),
            url=new.file_url,
            path=new.path,
            status=new.status,
            reason=new.reason,
            sha256="",
            bytes=None,
            mtime_ns=None,
            width=new.width,
            height=new.height,
            barred=pair.bars(new.rank),
        )


def new_picture(hit: Hit, label: str, pair: Pair, key: str = "") -> NewPicture:
    """A hit as a row of the ledger: refused where it has a problem, else pending."""
    return NewPicture(
        label=label,
        source=pair.source,
        key=key,
        query=pair.query,
        rank=hit.rank,
        position=pair.position,
        page_url=hit.page_url,
        file_url=hit.file_url,
        path="" if hit.path is None else str(hit.path),
        creator=hit.creator,
        title=hit.title,
        license=hit.license,
        license_version=hit.license_version,
        license_url=hit.license_url,
        attribution=hit.attribution,
        split_hint=hit.split or "",
        group_hint=hit.group or "",
        status="refused" if hit.problem else "pending",
        reason=hit.problem,
        width=hit.width,
        height=hit.height,
    )


def changed(row: PictureRow | Candidate, status: Status, reason: str = "") -> Outcome:
    """Another status for a picture of which everything else stays known."""
    return Outcome(
        id=row.id,
        status=status,
        reason=reason,
        sha256=row.sha256,
        bytes=row.bytes,
        mtime_ns=row.mtime_ns,
        width=row.width,
        height=row.height,
    )


def _plain(text: str) -> str:
    """Words in lower case with single spaces between; `Apple-Logo, 2019` is `apple logo 2019`."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
