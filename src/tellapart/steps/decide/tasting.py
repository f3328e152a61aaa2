"""Which head judges a deck's candidates, and on which features it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import DeckRow, HeadRow
from tellapart.errors import NotFoundError, TellapartError
from tellapart.settings import Settings

if TYPE_CHECKING:
    from tellapart.learn.taste import Sight, Taste

#: The head that comes with a project's version, where its two classes mean like and pass.
OF_PROJECT = "project"
#: A note is not written again while it is among so many last ones.
_NOTES = 2


@dataclass(frozen=True)
class Judge:
    """A head ready to judge; `taste` None: nothing was learned yet."""

    sight: Sight
    taste: Taste | None
    #: The head's id, `project`, or empty where there is none.
    head: str = ""
    #: The bundle that the features come from, `PROJECT/VERSION`; empty: the embedded backbone.
    base: str = ""
    #: There is a head, and the features that it learned on come no more: it cannot judge.
    lost: bool = False

    @property
    def keeps(self) -> bool:
        """Whether features may lie in the database: those of faces may not."""
        return bool(getattr(self.sight, "keeps", True))


def judge_of(engine: sa.Engine, settings: Settings, ledger: Ledger, deck: DeckRow) -> Judge:
    """The head that judges: on a live deck the champion, else the newest that may become it.

    `settings` are the owner's. Where there is no head, that of the project's version counts, if
    its classes mean like and pass. A base that is gone leaves the embedded backbone.
    """
    from tellapart.learn.taste import Sight, Taste

    found = head_of(ledger, deck)
    if found is not None:
        head, weights = found
        taste = Taste.from_bytes(weights)
        there = True
        try:
            sight = Sight.shared(settings, bundle(engine, settings, head.base))
        except TellapartError:
            sight, there = Sight.shared(settings), False
        _note_once(ledger, sight.note)
        if not taste.base or taste.base == sight.key:
            return Judge(sight, taste, head.id, head.base)
        _note_once(ledger, "The features that the head learned on are gone: retrain the deck.")
        if there:  # the same network, in another precision or by another engine
            return Judge(sight, None, "", head.base, lost=True)
    base = _newest(engine, settings, deck.project)
    path = bundle(engine, settings, base) if usable(engine, settings, base) else None
    sight = Sight.shared(settings, path)
    _note_once(ledger, sight.note)
    if path is not None and found is None:
        try:
            taste = Taste.of_bundle(path)
            if taste.base != sight.key:  # it was made in fp32, and judges in that
                sight = Sight.shared(replace(settings, sight_precision="fp32"), path)
            return Judge(sight, taste, OF_PROJECT, base)
        except TellapartError:
            pass  # other classes than like and pass: its features serve all the same
    return Judge(sight, None, "", base if path is not None else "", lost=found is not None)


def _note_once(ledger: Ledger, text: str) -> None:
    """Write a note that stands until something else happens to the deck's heads."""
    if text and text not in [line.text for line in ledger.log(_NOTES, "head")]:
        ledger.note("head", text)


def head_of(ledger: Ledger, deck: DeckRow) -> tuple[HeadRow, bytes] | None:
    """The champion; where nothing is sent, a newer head that is not gated or not yet let in."""
    champion = ledger.head("champion")
    if deck.mode == "on":
        return champion
    newest = [champion, ledger.head("challenger"), ledger.head("shadow")]
    return max((one for one in newest if one is not None), key=lambda one: one[0].id, default=None)


def base_of(engine: sa.Engine, settings: Settings, deck: DeckRow) -> str:
    """What the deck's next head is to be learned on: what was offered, the champion's own base,
    the project's version, in this order; empty: the embedded backbone."""
    champion = Ledger(engine, deck.id).head("champion")
    if champion is not None and not deck.base:
        return champion[0].base if usable(engine, settings, champion[0].base) else ""
    base = deck.base or _newest(engine, settings, deck.project)
    return base if usable(engine, settings, base) else ""


def bundle(engine: sa.Engine, settings: Settings, base: str) -> Path | None:
    """The bundle's file; None for the embedded backbone. Raises `NotFoundError`: it is gone."""
    from tellapart.catalog import Catalog

    if not base:
        return None
    project, _, number = base.rpartition("/")
    for version in Catalog.open(engine, project, settings.owner).versions():
        path = settings.projects_dir / project / "versions" / version.file
        if str(version.version) == number and path.is_file():
            return path
    raise NotFoundError(
        f"The version {number} of {project!r} is gone.",
        expected="a version whose bundle is there",
        do="Retrain the deck.",
    )


def _newest(engine: sa.Engine, settings: Settings, project: str) -> str:
    from tellapart.catalog import Catalog

    try:
        latest = Catalog.open(engine, project, settings.owner).latest_version()
    except NotFoundError:
        return ""
    return "" if latest is None else f"{project}/{latest.version}"


def usable(engine: sa.Engine, settings: Settings, base: str) -> bool:
    """Whether a bundle is there that gives features of pictures."""
    from tellapart.learn.taste import Sight

    if not base:
        return True
    try:
        Sight.shared(settings, bundle(engine, settings, base))
    except TellapartError:
        return False
    return True
