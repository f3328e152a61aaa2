"""A deck: one stream of candidates, one policy and one switch, of one user."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import (
    LABELS,
    CandidateRow,
    Counts,
    DeckRow,
    Filters,
    HeadRow,
    Label,
    LogRow,
    Mode,
    Page,
    TurnReport,
    new_id,
    now,
)
from tellapart.errors import (
    BusyError,
    DataError,
    InputError,
    Interrupted,
    NotFoundError,
    StorageError,
    TellapartError,
)
from tellapart.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from sqlalchemy import Engine

    from tellapart.doors import DeckSource
    from tellapart.policy import Policy, Replayed
    from tellapart.steps.decide.learning import Learning

#: Seconds between two turns at least.
LEAST_EVERY_S = 60
#: Seconds in which a turn of a deck that was switched off has ended.
_TURN_ENDS_S = 60.0


class Deck:
    """One deck of `settings.owner`, with one method per verb. All of them are synchronous."""

    def __init__(self, name: str, settings: Settings, engine: Engine) -> None:
        """Looks at nothing: `open` says whether there is such a deck."""
        self.name = name
        self.settings = settings
        self._engine = engine
        self._ledger: Ledger | None = None

    # -- finding and making ---------------------------------------------------------------

    @classmethod
    def open(cls, engine: Engine, settings: Settings, name: str) -> Deck:
        """The deck called `name`. Raises `NotFoundError` where there is none."""
        deck = cls(name, settings, engine)
        deck._ledger = Ledger(engine, listing.find(engine, settings.owner, name))
        return deck

    @classmethod
    def add(
        cls,
        engine: Engine,
        settings: Settings,
        name: str,
        source: str,
        options: Mapping[str, Any] | None = None,
        *,
        project: str = "",
        title: str = "",
        people: bool | None = None,
        policy: Mapping[str, Any] | None = None,
        every_s: int = 300,
        deeper_days: int = 7,
    ) -> Deck:
        """Make a deck, switched off. `people` may be left out where the source knows.

        Raises `InputError` for a name that is taken, an unknown source or wrong options,
        `RecipeError` for a wrong policy.
        """
        from tellapart.steps.decide import preparing

        values = preparing.new(name, source, options, people, policy)
        values |= {"project": project, "title": title, "every_s": max(LEAST_EVERY_S, every_s)}
        id = listing.create(engine, settings.owner, name, {**values, "deeper_days": deeper_days})
        deck = cls(name, settings, engine)
        deck._ledger = Ledger(engine, id)
        deck.folder.mkdir(parents=True, exist_ok=True)
        return deck

    @classmethod
    def all(cls, engine: Engine, settings: Settings) -> list[DeckRow]:
        """The owner's decks by name."""
        return listing.listed(engine, settings.owner)

    def delete(self) -> None:
        """Forget the deck: rows, pictures, heads and credentials. Raises `BusyError`."""
        from tellapart.steps.decide import preparing

        with self._held():
            preparing.drop_secrets(self._engine, self.settings, self.ledger.id)
            self.ledger.delete()
            shutil.rmtree(self.folder, ignore_errors=True)

    def change(
        self,
        *,
        title: str | None = None,
        every_s: int | None = None,
        deeper_days: int | None = None,
        project: str | None = None,
        options: Mapping[str, Any] | None = None,
        people: bool | None = None,
    ) -> DeckRow:
        """Change what is given. A deck of people stays one; other options switch it off."""
        from tellapart.steps.decide import preparing

        values: dict[str, Any] = {
            "title": title,
            "every_s": None if every_s is None else max(LEAST_EVERY_S, every_s),
            "deeper_days": deeper_days,
            "project": project,
        }
        values = {key: value for key, value in values.items() if value is not None}
        row = self.row
        if people is False and row.people:
            raise preparing.stays_people(self.name)
        if people and not row.people:
            self._become_people(preparing.for_people(row.policy))
        if options is not None and dict(options) != row.options:
            self.source.check(options)
            self.off("its options were changed")
            if preparing.leads_elsewhere(self.source, row.options, options):
                # A secret is meant for the service that it was given for.
                preparing.drop_secrets(self._engine, self.settings, self.ledger.id)
            values["options"] = dict(options)
        if values:
            self.ledger.change(**values)
        return self.row

    # -- looking --------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """Its rows in the database."""
        if self._ledger is None:
            self._ledger = Ledger(
                self._engine, listing.find(self._engine, self.settings.owner, self.name)
            )
        return self._ledger

    @property
    def row(self) -> DeckRow:
        """The deck as it stands."""
        return self.ledger.row()

    @property
    def folder(self) -> Path:
        """`TELLAPART_HOME/decks/<id>`; of an account, below `accounts/<owner>`."""
        return self.settings.owner_dir / "decks" / self.ledger.id

    @property
    def source(self) -> type[DeckSource]:
        """The class of its source."""
        from tellapart import registry

        return registry.load("deck", self.row.source)

    @property
    def policy(self) -> Policy:
        """How it decides."""
        from tellapart.policy import check

        row = self.row
        return check(row.policy, people=row.people)

    def state(self, counts: Counts | None = None) -> dict[str, Any]:
        """`deck` (a row), `counts`, `champion` (a row or None), `may_on` (what stands against
        `on`), `needs` (secrets: `name title have`), `confirmed` (when), `least_dry`, `busy`."""
        from tellapart.steps.decide import preparing

        busy = self.ledger.busy()  # first: one that is idle then is shown with all it did
        champion = self.ledger.head("champion")
        counts = counts or self.counts()
        found = {
            "deck": self.row,
            "counts": counts,
            "champion": None if champion is None else champion[0],
            "busy": busy,
        }
        try:
            source = self.source
        except TellapartError as error:  # uninstalled: the deck can be looked at all the same
            why = [f"Its source cannot be used: {error.what}"]
            return {**found, "needs": [], "confirmed": "", "least_dry": 0, "may_on": why}
        return {
            **found,
            "needs": preparing.needs(self._engine, self.settings, self.ledger.id, source),
            "confirmed": self.confirmed,
            "least_dry": source.least_dry,
            "may_on": self.may_on(counts),
        }

    def counts(self) -> Counts:
        """How many candidates, verdicts and labels there are."""
        return self.ledger.counts()

    def candidate(self, candidate: str) -> CandidateRow:
        """One candidate by id. Raises `NotFoundError`."""
        return self.ledger.candidate(candidate)

    def names(self, candidates: Sequence[str]) -> dict[str, str]:
        """Their names, by id."""
        return {row.id: row.name for row in self.ledger.candidates(candidates)}

    def results(self, filters: Filters | None = None) -> Page:
        """Everything seen and why, newest first."""
        return self.ledger.page(filters or Filters())

    def picture(self, candidate: str, position: int) -> bytes:
        """A picture's file as it was fetched. Raises `NotFoundError`."""
        from tellapart.steps.decide.eyes import kept

        _, _, _, sha = self.ledger.picture(candidate, position)
        data = kept(self.folder, sha)
        if data is None:
            raise NotFoundError(
                f"The picture {position} of {candidate!r} is not kept.",
                expected="a picture that was fetched and whose time has not run out",
                do="Look at the candidate where it came from.",
            )
        return data

    def heat(self, candidate: str, position: int) -> np.ndarray:
        """Which parts of a picture speak for a like: logits, float32, height × width.

        Raises `DataError` where nothing was learned yet, or the base has no map.
        """
        judge = self._learning().judge
        data = self.picture(candidate, position)
        heat = None if judge.taste is None else judge.sight.map(data, judge.taste)
        if heat is None:
            raise DataError(
                "There is nothing that could say where.",
                expected="a head that was learned on features with a map",
                do="Label some candidates first.",
            )
        return heat

    def log(self, limit: int = 50, kind: str = "") -> list[LogRow]:
        """What happened, newest first; `kind`: `switch`, `turn`, `error`, `head` or `policy`."""
        return self.ledger.log(limit, kind)

    # -- the switch -----------------------------------------------------------------------

    def may_on(self, counts: Counts | None = None) -> list[str]:
        """What stands against switching it on, a sentence each."""
        from tellapart.steps.decide import preparing

        return preparing.against(
            self.source,
            preparing.needs(self._engine, self.settings, self.ledger.id, self.source),
            self.confirmed,
            (counts or self.counts()).reviewed_dry,
        )

    def on(self, why: str = "") -> DeckRow:
        """Let it act. Raises `InputError` that names all that stands against it."""
        return self._switch("on", why, self.may_on())

    def dry(self, why: str = "") -> DeckRow:
        """Let it decide and store; nothing is sent."""
        return self._switch("dry", why, [])

    def off(self, why: str = "") -> DeckRow:
        """Switch it off, from anywhere. No intent is stored after this has returned."""
        return self._switch("off", why, [])

    def _switch(self, mode: Mode, why: str, against: Sequence[str]) -> DeckRow:
        if against:
            raise InputError(
                f"The deck {self.name!r} cannot be switched {mode}: {' '.join(against)}",
                expected="a deck against which nothing stands",
                do="Do what is missing, then switch it on again.",
            )
        return self.ledger.switch(mode, why or "switched by a person")

    def credential(self, name: str, secret: str) -> None:
        """Keep a secret of its source, encrypted; an empty one is forgotten (and the deck off)."""
        from tellapart.steps.decide import preparing

        preparing.keep_secret(self._engine, self.settings, self.ledger.id, name, secret)
        if not secret and self.row.mode != "off":
            self.off("its secret was taken away")

    @property
    def confirmed(self) -> str:
        """When this owner confirmed the source's terms as they are now; empty: not."""
        source = self.source
        return listing.confirmed(self._engine, self.settings.owner, source.name, source.confirm)

    def confirm(self) -> None:
        """The owner has read the source's terms and wants it all the same."""
        source = self.source
        listing.confirm(self._engine, self.settings.owner, source.name, source.confirm or "-")

    def withdraw(self) -> None:
        """Take the confirmation back: all the owner's decks of this source are switched off."""
        source = self.source
        listing.confirm(self._engine, self.settings.owner, source.name, "")
        for row in self.all(self._engine, self.settings):
            if row.source == source.name and row.mode != "off" and source.confirm:
                Ledger(self._engine, row.id).switch("off", "its terms are not confirmed any more")

    # -- judging --------------------------------------------------------------------------

    def turn(
        self,
        limit: int | None = None,
        *,
        turn: str = "",
        cancelled: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda judged: None,
    ) -> TurnReport:
        """One turn, here and now: judge up to `limit` candidates, and act where it is on.

        What a service does is in the report, and in `error`. Raises `InputError` where the deck is
        off, `BusyError` where another turn is under way, `Interrupted` where it was taken over.
        """
        from tellapart.steps.decide import preparing
        from tellapart.steps.decide.turn import take

        with self._held() as place:
            row = self.row
            if row.mode == "off":
                raise preparing.is_off(self.name, row.why)
            id = turn or new_id("t")
            holder = f"{id}/{secrets.token_hex(8)}"
            self.ledger.hold(holder, place)
            try:
                plan = preparing.plan(self._engine, self.settings, self.ledger, row, self.folder)
                return take(
                    preparing.with_wishes(plan, id, holder, limit, cancelled, progress, self.source)
                )
            except (BusyError, Interrupted, StorageError):
                raise
            except TellapartError as error:  # before it began: only a person can help
                shape = error.to_dict()["error"]
                self.ledger.switch("off", error.what, shape)
                return TurnReport(id, row.mode, now(), ended=now(), end="error", error=shape)
            finally:
                preparing.tidy(self.ledger, self.folder)
                self.ledger.release(holder)

    def tidy(self) -> None:
        """Drop what need not be kept any longer. Raises `BusyError` while a turn is under way."""
        from tellapart.steps.decide import preparing

        with self._held():
            preparing.tidy(self.ledger, self.folder)

    def replay(self, policy: Mapping[str, Any], limit: int = 500) -> Replayed:
        """What yesterday's stream would have come to under another policy; nothing changes."""
        from tellapart.policy import check
        from tellapart.steps.decide.replaying import replayed

        row = self.row
        wanted = check(policy, people=row.people)
        estimates = self.settings.age_sex is not None
        return replayed(self.ledger, row, wanted, limit, estimates=estimates)

    def set_policy(self, policy: Mapping[str, Any]) -> DeckRow:
        """Take another policy from the next turn on. Raises `RecipeError` for a wrong one."""
        from tellapart.policy import changes, check

        row = self.row
        old, new = check(row.policy, people=row.people), check(policy, people=row.people)
        self.ledger.change(policy=new.model_dump(mode="json"))
        told = [f"{key}: {before} → {after}" for key, before, after in changes(old, new)]
        self.ledger.note("policy", "; ".join(told)[:2000] or "the same policy")
        return self.row

    # -- what people say ------------------------------------------------------------------

    def review_next(self, limit: int = 1, skip: Sequence[str] = ()) -> list[CandidateRow]:
        """Candidates to label next, the most telling ones first."""
        picks = self._learning().next(limit, skip)
        return self.ledger.candidates([one.candidate for one in picks])

    def correct(self, candidate: str, label: Label) -> CandidateRow:
        """Say what is right about a candidate; twice is the same as once. See `learn`."""
        if label not in LABELS:
            raise InputError(
                f"The label is {label!r}.", expected="like or pass", do="Use one of these."
            )
        self.ledger.say(candidate, label, self.settings.owner)
        return self.ledger.candidate(candidate)

    def learn(self, candidate: str = "") -> dict[str, Any]:
        """Refit the head to all labels and score look-alikes anew, in under a second.

        A dry deck judges with it; a live one not before the gate (`retrain`). `head state why`,
        and `moved`: `candidate name before after`, the corrected one first. With too few labels
        `head` is empty and `why` says so.
        """
        try:
            lesson = self._learning().refit(candidate)
        except DataError as error:
            return {"head": "", "state": "", "moved": [], "why": error.what}
        names = self.names([one["candidate"] for one in lesson.moved])
        moved = [{**one, "name": names.get(one["candidate"], "")} for one in lesson.moved]
        return {**asdict(lesson), "moved": moved}

    def undo(self, candidate: str = "") -> CandidateRow | None:
        """Take back the last label (all of one candidate); None: there is none."""
        whose = self.ledger.unsay(candidate)
        return None if whose is None else self.ledger.candidate(whose)

    def progress(self) -> dict[str, Any]:
        """`labels likes passes accuracy low high saved stop why held_back`."""
        learning = self._learning()
        labels = [one.label for one in learning.said.values()]
        return {
            **learning.progress().to_dict(),
            "labels": len(labels),
            "likes": labels.count("like"),
            "passes": labels.count("pass"),
            "held_back": sum(one.part == "held" for one in learning.said.values()),
        }

    # -- heads ----------------------------------------------------------------------------

    def heads(self) -> list[HeadRow]:
        """All heads, newest first."""
        return self.ledger.heads()

    def retrain(self) -> HeadRow:
        """Fit a challenger to the labels and gate it. Raises `DataError` for too few labels."""
        learning = self._learning()
        learning.refit()
        lesson = learning.gate()
        return next(one for one in self.ledger.heads() if one.id == lesson.head)

    def keep_up(self) -> None:
        """After a turn: mark what looks new; let a challenger be gated once enough is held back.

        What cannot be learned yet is no error.
        """
        from tellapart.steps.decide.learning import keep_up

        with contextlib.suppress(DataError):
            keep_up(self._learning())

    def rollback(self) -> HeadRow:
        """Put the champion before the present one back. Raises `InputError`: there is none."""
        head = self.ledger.roll_back()
        return next(one for one in self.ledger.heads() if one.id == head)

    def labels(self, target: Path) -> int:
        """Write `labels.csv` (`path,label,group`) of the labelled candidates' pictures; how many
        rows. Pictures are named where they lie; a candidate is one group."""
        from tellapart.steps.decide.deeper import write_labels

        return write_labels(self.ledger, self.folder, target)

    def forget(self, candidate: str) -> dict[str, Any]:
        """Remove a candidate with all that came of it, for good; the certificate.

        Heads that learned from it go too, and the deck is off until it was retrained. Raises
        `BusyError` while a turn is under way.
        """
        from tellapart.forgetting import Asked, forget

        asked = Asked("candidate", self.ledger.candidate(candidate).id)
        owner = self.settings.owner
        return forget(self.settings, self._engine, asked, owner=owner).to_dict()

    # -- inside ---------------------------------------------------------------------------

    def _learning(self) -> Learning:
        from tellapart.steps.decide import preparing

        return preparing.learning(self._engine, self.settings, self.ledger, self.row, self.folder)

    def _become_people(self, policy: Mapping[str, Any]) -> None:
        """The deck is off, and nobody is kept who is not declared an adult.

        A turn under way ends at its next candidate; what it may still have kept goes after it.
        """
        from tellapart.steps.decide import preparing

        self.off("it is a deck of people from now on")
        preparing.guard(self._engine, self.settings, self.ledger, self.row, self.folder, policy)
        until = time.monotonic() + _TURN_ENDS_S
        while True:
            try:
                with self._held():
                    preparing.guard(
                        self._engine, self.settings, self.ledger, self.row, self.folder, policy
                    )
                    preparing.tidy(self.ledger, self.folder)
                    self.ledger.settle()
                    return
            except BusyError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    @contextlib.contextmanager
    def _held(self) -> Any:
        """The deck's file lock; gives the name of the lock. Raises `BusyError`."""
        from tellapart.store.lock import place, project_lock

        with contextlib.ExitStack() as held:
            try:
                held.enter_context(project_lock(self.folder))
            except BusyError:
                raise BusyError(
                    f"A turn of the deck {self.name!r} is under way.",
                    expected="one turn of a deck at a time",
                    do="Wait until it has ended, or switch the deck off.",
                ) from None
            yield place(self.folder)
