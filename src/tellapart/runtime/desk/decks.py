"""Decks of an account: adding, switching, secrets.

Whatever a person can do with a deck is a method here or in `deck_turns`, `deck_learning` and
`deck_looking`; pages, REST and the command line call it by the same words. What people are owed is
kept below, by policy and turn; no method leads around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tellapart import registry
from tellapart.deck import Deck
from tellapart.decks import listing
from tellapart.decks import shapes as ledger
from tellapart.doors import DeckSource
from tellapart.errors import InputError, NotFoundError, RequestError
from tellapart.runtime import intake, uploads
from tellapart.runtime.desk import deck_rows as rows
from tellapart.runtime.desk.base import when_free
from tellapart.runtime.desk.deck_shapes import DeckRow, DeckView, Mode, SourceView
from tellapart.runtime.desk.deck_turns import MOST_ON_A_PAGE, UNDER_WAY, DeckTurns
from tellapart.runtime.desk.shapes import Page

#: Decks of one account, and letters of a secret.
MOST_DECKS, MOST_SECRET = 100, 10_000
#: Minutes between turns, and seconds where none are said.
_LEAST_EVERY, _MOST_EVERY, _FIVE_MINUTES = 1.0, 10_080.0, 300
_A_WEEK, _MOST_DAYS = 7, 365
#: Seconds for which a deletion waits for a cancelled turn.
_LET_GO = 10.0
#: Names that stand for something else in addresses.
_TAKEN = frozenset({"sources", "new"})


class Decks(DeckTurns):
    """The decks of one account. Every method raises `NotFoundError` for what is not its own."""

    def deck_sources(self) -> list[SourceView]:
        """The kinds of streams there are, with options, secrets and terms."""
        found = [rows.source_view(registry.load("deck", name)) for name in registry.names("deck")]
        missing = [
            SourceView(name, name.capitalize(), install=f"pip install 'tellapart[{extra}]'")
            for name, (_, extra, _module) in registry.OPTIONAL.get("deck", {}).items()
            if not registry.installed("deck", name)
        ]
        return found + missing

    def decks(self, *, limit: int = 50, after: str | None = None) -> Page[DeckRow]:
        """The account's decks, by name."""
        turns = self._busy()  # before the counts: see `_shown_deck`
        everything = listing.listed(self.engine, self.settings.owner)
        limit = min(max(1, limit), MOST_ON_A_PAGE)
        left = [row for row in everything if after is None or row.name > after]
        shown = left[:limit]
        items = []
        for row in shown:
            counts = self._deck_counts(Deck(row.name, self.settings, self.engine), row)
            items.append(rows.deck_row(row, counts, busy=f"deck:{row.id}" in turns))
        return Page(items, shown[-1].name if len(left) > len(shown) else None, len(everything))

    def deck(self, name: str) -> DeckView:
        """One deck with all its settings."""
        return self._shown_deck(self._deck(name))

    def deck_add(
        self,
        name: str,
        source: str,
        options: Mapping[str, Any] | None = None,
        *,
        project: str = "",
        people: bool | None = None,
        title: str = "",
        policy: Mapping[str, Any] | str | None = None,
        every: float | None = None,
        deeper: int | None = None,
    ) -> DeckView:
        """Make a deck, off. `people` must be said where its source does not know.

        `project`: one of the account's, whose model may be its base; empty: none. `every`:
        minutes between turns; None: 5. `deeper`: days between deeper trainings on its labels;
        None: 7, 0: none. Raises `InputError` for what cannot be used, `RecipeError`
        for a wrong policy, and `RequestError` (429) where the account has too many decks.
        """
        if name in _TAKEN:
            raise InputError(
                f"No deck can be called {name!r}.",
                expected="a name that is no word of this program's own",
                do="Choose another name.",
            )
        self._room_for_a_deck()
        kind = registry.load("deck", source)
        said = kind.people if kind.people is not None else people is not False
        if project:
            self.catalog(project)
        made = Deck.add(
            self.engine,
            self.settings,
            name,
            source,
            self._options(kind, options or {}),
            project=project,
            title=title,
            people=people,
            policy=None if policy is None else self._parsed(policy, said),
            every_s=_FIVE_MINUTES if every is None else _seconds(every),
            deeper_days=_A_WEEK if deeper is None else _days(deeper),
        )
        return self._shown_deck(made)

    def deck_change(
        self,
        name: str,
        *,
        title: str | None = None,
        every: float | None = None,
        options: Mapping[str, Any] | None = None,
        people: bool | None = None,
        project: str | None = None,
        deeper: int | None = None,
    ) -> DeckView:
        """Change what is given. A deck of people stays one; new options switch it off.

        Where they lead to another host, its secrets are forgotten: they were for the one before.
        """
        deck = self._deck(name)
        if project:
            self.catalog(project)
        changes: dict[str, Any] = {"title": title, "people": people, "project": project}
        if every is not None:
            changes["every_s"] = _seconds(every)
        if deeper is not None:
            changes["deeper_days"] = _days(deeper)
        if options is not None:
            changes["options"] = self._moved(deck, options)
        deck.change(**{key: value for key, value in changes.items() if value is not None})
        return self._changed_deck(deck)

    def deck_delete(self, name: str) -> None:
        """Forget a deck: candidates, pictures, verdicts, heads, secrets.

        It is switched off first, and its turns are cancelled. Raises `BusyError` where one does
        not let go.
        """
        deck = self._deck(name)
        self._memory.forget(self._whose(deck))
        deck.off("it is being deleted")
        for run in self._turn_runs(deck, states=UNDER_WAY):
            self._runs.cancel(run.id)
        when_free(deck.delete, _LET_GO)
        for run in self._turn_runs(deck, limit=10_000):
            self._runs.delete(id=run.id)

    def deck_mode(self, name: str, mode: Mode, why: str = "") -> DeckView:
        """Switch it `off`, to `dry` (decides, sends nothing) or `on`.

        `on` raises `InputError` with all that stands against it (`DeckView.may_on`).
        """
        switches = {"off": Deck.off, "dry": Deck.dry, "on": Deck.on}
        if mode not in switches:
            raise InputError(
                f"There is no mode {str(mode)[:40]!r}.",
                expected="off, dry or on",
                do="Correct the word.",
            )
        deck = self._deck(name)
        switches[mode](deck, why.strip()[:500])
        return self._changed_deck(deck)

    def deck_confirm(self, name: str, confirmed: bool = True) -> DeckView:
        """Confirm the terms of its source for this account, or take that back (switches off)."""
        deck = self._deck(name)
        if confirmed:
            deck.confirm()
        else:
            deck.withdraw()
        return self._changed_deck(deck)

    def deck_credential(self, name: str, secret: str, value: str) -> DeckView:
        """Store a secret of its source, encrypted; an empty one is forgotten (switches off)."""
        deck = self._deck(name)
        known = [one.name for one in registry.load("deck", deck.row.source).needs]
        if secret not in known:
            raise NotFoundError(
                f"The source {deck.row.source!r} needs no secret {secret[:40]!r}.",
                expected=", ".join(known) or "no secret at all",
                do="Use one of these names." if known else "Store none.",
            )
        value = value.strip()
        if len(value) > MOST_SECRET or not value.isprintable():
            raise InputError(
                f"The secret {secret!r} has {len(value)} characters, or some that no secret has.",
                expected=f"at most {MOST_SECRET:,} characters on one line",
                do="Copy it again.",
            )
        deck.credential(secret, value)
        return self._changed_deck(deck)

    # -- inside -----------------------------------------------------------------------------

    def _changed_deck(self, deck: Deck) -> DeckView:
        self._memory.forget(self._whose(deck))
        return self._shown_deck(deck)

    def _shown_deck(self, deck: Deck) -> DeckView:
        """A deck with all its settings, as it stands now.

        Whether a turn is under way is asked before what it left: a deck that is shown as idle
        is shown with all that its last turn did.
        """
        turns = self._turn_runs(deck, limit=1, states=UNDER_WAY)
        busy = bool(turns) or deck.ledger.busy()
        state, kind = self._state(deck)
        row: ledger.DeckRow = state["deck"]
        shown = rows.deck_row(row, state["counts"], busy=busy)
        champion = state["champion"]
        return DeckView(
            **{one.name: getattr(shown, one.name) for one in fields(DeckRow)},
            options=rows.hidden(row.options, self.uploads),
            terms=kind.confirm if kind else "",
            terms_url=kind.terms if kind else "",
            confirmed=state["confirmed"],
            needs=state["needs"],
            acts=kind.acts if kind else False,
            least_dry=kind.least_dry if kind else 0,
            deeper=row.deeper_days,
            may_on=list(state["may_on"]),
            head=rows.head_row(champion, []) if champion is not None else None,
        )

    def _state(self, deck: Deck) -> tuple[dict[str, Any], type[DeckSource] | None]:
        """How it stands, and the class of its source; None: that is not installed any more.

        Such a deck is shown all the same, and can be switched off and deleted.
        """
        row = deck.row
        counts = self._deck_counts(deck, row)
        kind = self._kind(row.source)
        if kind is not None:
            return deck.state(counts), kind
        champion = deck.ledger.head("champion")
        state = {
            "deck": row,
            "counts": counts,
            "champion": None if champion is None else champion[0],
            "needs": [],
            "confirmed": "",
            "may_on": [f"Its source {row.source!r} is not installed any more."],
        }
        return state, None

    def _options(self, kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options as they are stored, with the paths of uploads. Raises `InputError`.

        Off a single user's machine a path is one of the account's uploads.
        """
        places = {one.name for one in kind.options if one.kind == "path"}
        found: dict[str, Any] = {}
        for name, value in options.items():
            if name in places and isinstance(value, str):
                value = uploads.resolve({"data": value}, self.uploads)["data"]
                if not self.single_user:
                    self._own(name, value)
            found[name] = value
        kind.check(found)
        return found

    def _moved(self, deck: Deck, options: Mapping[str, Any]) -> dict[str, Any]:
        """New options as they are stored; secrets go where they lead to another host."""
        row = deck.row
        kind = registry.load("deck", row.source)
        found = self._options(kind, options)
        urls = [one.name for one in kind.options if one.kind == "url"]
        if any(_origin(row.options.get(name)) != _origin(found.get(name)) for name in urls):
            deck.off("its options were changed")  # nothing is sent to there meanwhile
            for secret in kind.needs:
                deck.credential(secret.name, "")
        return found

    def _own(self, name: str, path: str) -> None:
        """Whether a path is the account's own upload. Raises `InputError`."""
        try:
            intake.confine({name: Path(path)}, self.uploads)
        except InputError:
            raise InputError(
                f"The option {name!r} names a path of the server.",
                expected="an upload of yours, such as upload:up_…",
                do="Upload a zip with one folder a candidate, and name that.",
            ) from None

    def _room_for_a_deck(self) -> None:
        number = len(listing.listed(self.engine, self.settings.owner))
        if not self.single_user and number >= MOST_DECKS:
            raise RequestError(
                f"This account has {number} decks.",
                expected=f"at most {MOST_DECKS} decks an account",
                do="Delete those that are no longer needed.",
                status=429,
            )
        self._room_on_the_disk()


def _origin(url: Any) -> tuple[str, str]:
    """Scheme and host with port of an address."""
    parts = urlsplit(str(url or ""))
    return parts.scheme.lower(), parts.netloc.lower()


def _seconds(minutes: float) -> int:
    if not _LEAST_EVERY <= minutes <= _MOST_EVERY:
        raise InputError(
            f"Turns every {minutes:g} minutes were asked for.",
            expected=f"{_LEAST_EVERY:g} to {_MOST_EVERY:g} minutes",
            do="Choose such a number; a turn can also be asked for at any time.",
        )
    return round(minutes * 60)


def _days(days: int) -> int:
    if 0 <= days <= _MOST_DAYS:
        return days
    raise InputError(
        f"A deeper training every {days} days was asked for.",
        expected=f"1 to {_MOST_DAYS} days, or 0 for none",
        do="Choose such a number.",
    )
