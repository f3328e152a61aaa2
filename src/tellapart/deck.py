"""A deck: one stream of candidates, one policy and one switch, of one user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tellapart.decks.shapes import (
    CandidateRow,
    Counts,
    DeckRow,
    Filters,
    HeadRow,
    LogRow,
    Page,
    TurnReport,
)
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Deck:
    """One deck of `settings.owner`, with one method per verb. All of them are synchronous."""

    def __init__(self, name: str, settings: Settings, engine: Engine) -> None:
        self.name = name
        self.settings = settings
        self._engine = engine

    # -- finding and making ---------------------------------------------------------------

    @classmethod
    def open(cls, engine: Engine, settings: Settings, name: str) -> Deck:
        """The deck called `name`. Raises `NotFoundError` where there is none."""
        raise NotImplementedError

    @classmethod
    def add(
        cls,
        engine: Engine,
        settings: Settings,
        name: str,
        source: str,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Deck:
        """Make a deck, switched off. Keyword options: `project title people policy every_s`.

        Raises `InputError` for a name that is taken, an unknown source or wrong options.
        """
        raise NotImplementedError

    @classmethod
    def all(cls, engine: Engine, settings: Settings) -> list[DeckRow]:
        """The owner's decks by name."""
        raise NotImplementedError

    def delete(self) -> None:
        """Forget the deck: rows, pictures, heads and credentials."""
        raise NotImplementedError

    # -- looking --------------------------------------------------------------------------

    @property
    def row(self) -> DeckRow:
        """The deck as it stands."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """`TELLAPART_HOME/decks/<id>`; of an account, below `accounts/<owner>`."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """`deck` (a row), `counts`, `champion`, `may_on` (what stands against it), `needs`."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """How many candidates, verdicts and labels there are."""
        raise NotImplementedError

    def candidate(self, candidate: str) -> CandidateRow:
        """One candidate by id. Raises `NotFoundError`."""
        raise NotImplementedError

    def results(self, filters: Filters | None = None) -> Page:
        """Everything seen and why, newest first."""
        raise NotImplementedError

    def picture(self, candidate: str, position: int) -> bytes:
        """A picture's file as it was fetched. Raises `NotFoundError`."""
        raise NotImplementedError

    def heat(self, candidate: str, position: int) -> Any:
        """Which parts of a picture speak for `like`: float32, height × width. For `why`."""
        raise NotImplementedError

    def log(self, limit: int = 50) -> list[LogRow]:
        """What happened, newest first."""
        raise NotImplementedError

    # -- the switch -----------------------------------------------------------------------

    def on(self, why: str = "") -> DeckRow:
        """Let it act. Raises `InputError` that names all that stands against it."""
        raise NotImplementedError

    def dry(self, why: str = "") -> DeckRow:
        """Let it decide and store; nothing is sent."""
        raise NotImplementedError

    def off(self, why: str = "") -> DeckRow:
        """Switch it off, from anywhere, at once: no action begins after this returns + 1 s."""
        raise NotImplementedError

    def credential(self, name: str, secret: str) -> None:
        """Keep a secret of its source, encrypted; an error of the last one is forgotten."""
        raise NotImplementedError

    def confirm(self) -> None:
        """The owner has read the source's terms and wants it all the same."""
        raise NotImplementedError

    # -- judging --------------------------------------------------------------------------

    def turn(self, limit: int | None = None) -> TurnReport:
        """One turn, here and now: judge up to `limit` candidates and act where it is on."""
        raise NotImplementedError

    def replay(self, policy: Mapping[str, Any]) -> Any:
        """What yesterday's stream would have come to under another policy; nothing changes."""
        raise NotImplementedError

    def set_policy(self, policy: Mapping[str, Any]) -> DeckRow:
        """Take another policy from the next candidate on. Raises `InputError` for a wrong one."""
        raise NotImplementedError

    # -- what people say ------------------------------------------------------------------

    def review_next(self, limit: int = 1, skip: tuple[str, ...] = ()) -> list[CandidateRow]:
        """Candidates to label next, the most telling ones first."""
        raise NotImplementedError

    def correct(self, candidate: str, label: Literal["like", "pass"]) -> CandidateRow:
        """Say what is right about a candidate; twice is the same as once."""
        raise NotImplementedError

    def undo(self, candidate: str = "") -> CandidateRow | None:
        """Take back the last label (of a candidate); None: there is none."""
        raise NotImplementedError

    def progress(self) -> dict[str, Any]:
        """Estimated accuracy with its interval, labels saved, when to stop."""
        raise NotImplementedError

    # -- heads ----------------------------------------------------------------------------

    def heads(self) -> list[HeadRow]:
        """All heads, newest first."""
        raise NotImplementedError

    def retrain(self) -> HeadRow:
        """Fit a challenger on the labels and gate it. Raises `DataError` for too few labels."""
        raise NotImplementedError

    def rollback(self) -> HeadRow:
        """Put the champion before the present one back. Raises `InputError`: there is none."""
        raise NotImplementedError

    def labels(self, target: Path) -> int:
        """Write `labels.csv` of the labelled candidates' pictures; how many rows."""
        raise NotImplementedError
