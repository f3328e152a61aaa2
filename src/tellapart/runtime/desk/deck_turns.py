"""Turns of an account's decks: asked for, watched, told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tellapart.deck import Deck
from tellapart.errors import InputError, RequestError
from tellapart.runtime.desk import deck_rows as rows
from tellapart.runtime.desk.deck_learning import DeckLearning
from tellapart.runtime.desk.deck_shapes import DeckEvent, TurnRow
from tellapart.runtime.desk.shapes import Page
from tellapart.runtime.shapes import TURN, Request, Run, State

#: Turns on a page, and of one account that may wait.
MOST_ON_A_PAGE, MOST_TURNS = 200, 20
#: A turn that is one of these has not ended.
UNDER_WAY: tuple[State, ...] = ("queued", "running")
_EVENTS = ("switch", "turn", "error", "head", "policy")


class DeckTurns(DeckLearning):
    """What decks do by themselves or when asked."""

    def deck_run(self, name: str, *, limit: int | None = None, key: str | None = None) -> TurnRow:
        """Queue one turn now; `limit`: candidates at most. A deck that is off makes none."""
        deck = self._deck(name)
        if deck.row.mode == "off":
            raise InputError(
                f"The deck {name!r} is off.",
                expected="a deck that is dry or on",
                do="Switch it to dry first: it then decides, and sends nothing.",
            )
        if key and (known := self._runs.find(self.settings.owner, key)) is not None:
            return _turn(known)
        self._room_for_a_turn()
        run = self._runs.submit(
            Request(
                kind="turn",
                owner=self.settings.owner,
                project=project_of(deck),
                recipe={"deck": deck.name, "limit": limit},
                key=key or "",
            )
        )
        return _turn(run)

    def deck_turns(self, name: str, *, limit: int = 50, after: str | None = None) -> Page[TurnRow]:
        """Its turns, newest first."""
        limit = min(max(1, limit), MOST_ON_A_PAGE)
        found = self._turn_runs(self._deck(name), limit=limit + 1, after=after)
        following = found[limit - 1].id if len(found) > limit else None
        return Page([_turn(run) for run in found[:limit]], following)

    def deck_log(self, name: str, *, kind: str = "", limit: int = 50) -> list[DeckEvent]:
        """What happened to it, newest first; `kind`: `switch`, `turn`, `error`, `head`, `policy`.

        Turns of this machine's command line stand here too.
        """
        if kind not in ("", *_EVENTS):
            raise InputError(
                f"There is no kind {kind[:40]!r} of events.",
                expected=f"one of {', '.join(_EVENTS)}",
                do="Correct the word.",
            )
        found = self._deck(name).log(min(max(1, limit), MOST_ON_A_PAGE), kind)
        return [DeckEvent(one.at, one.kind, one.text, one.data) for one in found]

    # -- inside -----------------------------------------------------------------------------

    def _busy(self) -> set[str]:
        owner = self.settings.owner
        found = self._runs.list(owner=owner, kinds=TURN, states=UNDER_WAY, limit=1000)
        return {run.project for run in found}

    def _turn_runs(
        self,
        deck: Deck,
        *,
        limit: int = 100,
        after: str | None = None,
        states: Sequence[State] = (),
    ) -> Sequence[Run]:
        return self._runs.list(
            owner=self.settings.owner,
            project=project_of(deck),
            kinds=TURN,
            states=states,
            limit=limit,
            after=after,
        )

    def _room_for_a_turn(self) -> None:
        """A turn fetches pictures: it needs the room, and a place in the queue."""
        waiting = len(
            self._runs.list(
                owner=self.settings.owner, kinds=TURN, states=("queued",), limit=MOST_TURNS
            )
        )
        if waiting >= MOST_TURNS:
            raise RequestError(
                f"{waiting} turns of this account are waiting.",
                expected=f"at most {MOST_TURNS}",
                do="Wait for some to end, or cancel some.",
                status=429,
                retry_after=60,
            )
        self._room_on_the_disk()

    def _room_on_the_disk(self) -> None:
        if self.account.quota.disk_mb is not None:
            self.account.quota.check("disk_mb", self._disk_bytes() / 1e6, 0)


def project_of(deck: Deck) -> str:
    """Under which name the queue keeps a deck's turns."""
    return f"deck:{deck.ledger.id}"


def _turn(run: Run) -> TurnRow:
    """A run of the kind `turn`, with its report where it has one."""
    report = {"turn": run.id, "started": run.started, "ended": run.ended, **(run.result or {})}
    shown = rows.turn_row(report, run.state)
    return replace(shown, run=run.id, error=shown.error or run.error)
