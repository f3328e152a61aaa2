"""A turn of a deck as a run: walked in the worker's own process, which holds the shared models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tellapart.accounts import Accounts
from tellapart.deck import Deck
from tellapart.errors import (
    BusyError,
    Interrupted,
    NotFoundError,
    StorageError,
    TellapartError,
)
from tellapart.runtime.walking import Job
from tellapart.steps import Progress

#: Seconds for which a turn waits for another one of its deck, and between two looks.
_PATIENCE_S, _LOOK_S = 90.0, 0.5
#: How often a turn begins anew where the database is away, and the seconds before.
_AGAIN, _PAUSE_S = 5, 2.0


class TurnJob(Job):
    """One turn. What a service does does not fail it: the deck tells of that."""

    def _begin(self) -> None:
        """Nothing is to be made; whether there is such a deck the turn itself finds out."""

    def _step(self, name: str) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE_S
        left = _AGAIN
        while True:
            self._check()
            try:
                return self._turn(name)
            except BusyError:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK_S)
            except StorageError:
                left -= 1
                if not left:
                    raise
                time.sleep(_PAUSE_S)

    def _turn(self, name: str) -> dict[str, Any]:
        deck = self._deck()
        if deck.row.mode == "off":
            return {"end": "switched off", "notes": []}
        try:
            self._room()
        except TellapartError as error:
            deck.ledger.went_wrong(error.to_dict()["error"])
            return {"end": "error", "error": error.to_dict()["error"], "notes": []}

        def tell(judged: int) -> None:
            self._recorder.progress(Progress(name, judged))

        limit = self.run.recipe.get("limit")
        report = deck.turn(
            int(limit) if limit is not None else None,
            turn=self.id,
            cancelled=lambda: self._cancelled or self._leaving,
            progress=tell,
        )
        self._check()
        if report.end != "cancelled":
            try:
                deck.keep_up()
            except Exception as error:  # the turn is made all the same
                self._recorder.log(f"nothing was learned: {type(error).__name__}: {error}", name)
        return {**report.to_dict(), "notes": []}

    def _room(self) -> None:
        """A turn fetches pictures: an account whose disk is full takes none. Raises
        `RequestError`."""
        from tellapart.runtime.desk.base import size_of

        account = Accounts(self._engine, self._server).get(self.run.owner)
        if account.quota.disk_mb is not None:
            used = size_of(self._settings.owner_dir) / 1e6
            account.quota.check("disk_mb", used, 0)

    def _deck(self) -> Deck:
        """The deck by its id: it may have been given another name meanwhile."""
        wanted = self.run.project.removeprefix("deck:")
        for row in Deck.all(self._engine, self._settings):
            if row.id == wanted:
                return Deck(row.name, self._settings, self._engine)
        raise NotFoundError(
            "The deck of this turn is gone.",
            expected="a deck that is there",
            do="Nothing has to be done.",
        )

    def _result(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        summary: dict[str, Any] = outputs["turn"]["summary"]
        if summary.get("end") == "cancelled":
            raise Interrupted(
                "The turn was cancelled.",
                expected="a turn that is let finish",
                do="Nothing: what was judged is kept, and the next turn goes on.",
            )
        return summary
