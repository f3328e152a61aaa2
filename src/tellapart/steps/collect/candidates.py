"""What the recipe asks for, and which pictures of the ledger come first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tellapart import registry
from tellapart.catalog import NewPicture, Outcome, PictureRow, Status
from tellapart.doors import Hit
from tellapart.recipe import Recipe, SourceSpec

#: After all that the recipe names: rows of sources and queries that it names no longer.
LAST = 1_000_000
#: Failures that may pass: tried again when a class is short of pictures.
PASSING = frozenset(
    (
        *("connection", "dns", "rate_limited", "timeout", "too_slow", "tls"),
        *(f"http_{status}" for status in (408, 425, 429, 500, 502, 503, 504)),
    )
)
#: Refusals by the recipe's own filters: they end when the recipe changes.
FILTERS = frozenset(("license", "mature", "class"))

Order = tuple[int, int, str]


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

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Plan:
        """Raises `InputError` for a source that is not installed."""
        queries = {
            label: tuple(dict.fromkeys(recipe.classes[label].queries)) or (label,)
            for label in recipe.labels
        }
        local = (s.name for s in recipe.sources if registry.load("source", s.name).local)
        return cls(
            queries,
            recipe.sources,
            recipe.per_class,
            frozenset(recipe.licenses),
            recipe.mature,
            frozenset(local),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.queries)

    @property
    def has_local(self) -> bool:
        return bool(self.local)

    def asked(self) -> dict[str, Any]:
        """JSON that is equal for plans that ask for the same pictures."""
        return {
            "classes": {label: list(words) for label, words in self.queries.items()},
            "sources": [[spec.name, spec.options] for spec in self.sources],
            "per_class": self.wanted,
            "licenses": sorted(self.licenses),
            "mature": self.mature,
        }

    def pairs(self, label: str) -> list[Pair]:
        """The class's sources and queries in the order in which they are tried."""
        found: list[Pair] = []
        for index, spec in enumerate(self.sources):
            local = spec.name in self.local
            # A list of one's own knows its classes; what to search for does not concern it.
            for query in (label,) if local else self.queries[label]:
                found.append(Pair(spec.name, query, len(found), index, local))
        return found

    def search_key(self, query: str) -> str:
        """The query as `searches` knows it: other filters give another list of hits."""
        filters = [*sorted(self.licenses), *(["mature"] if self.mature else [])]
        return f"{query} [{' '.join(filters)}]" if filters else query

    def filtered(self, row: PictureRow) -> str:
        """The filter word that keeps a row of the ledger out, else an empty string."""
        if row.label not in self.queries:
            return "class"
        if row.source in self.local:
            return ""
        if self.licenses and row.license not in self.licenses:
            return "license"
        return "mature" if row.reason == "mature" and not self.mature else ""


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

    @classmethod
    def of_row(cls, row: PictureRow, positions: dict[tuple[str, str], int]) -> Candidate:
        position = positions.get((row.source, row.query), LAST + row.position)
        return cls(
            id=row.id,
            order=(position, row.rank, row.id),
            url=row.file_url,
            path=row.path,
            status=row.status,
            reason=row.reason,
            sha256=row.sha256,
            bytes=row.bytes,
            mtime_ns=row.mtime_ns,
            width=row.width,
            height=row.height,
        )

    @classmethod
    def of_new(cls, id: str, new: NewPicture) -> Candidate:
        return cls(
            id=id,
            order=(new.position, new.rank, id),
            url=new.file_url,
            path=new.path,
            status=new.status,
            reason=new.reason,
            sha256="",
            bytes=None,
            mtime_ns=None,
            width=new.width,
            height=new.height,
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
