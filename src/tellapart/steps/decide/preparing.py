"""What a turn needs before it begins: secrets, terms, heads, and what stands against it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from tellapart import registry
from tellapart.accounts import Accounts
from tellapart.decks import listing
from tellapart.decks.ledger import Ledger
from tellapart.decks.shapes import DeckRow
from tellapart.doors import DeckSource
from tellapart.errors import InputError, NotFoundError, TellapartError
from tellapart.forgetting import Refusals
from tellapart.policy import check
from tellapart.recipe.naming import is_name, slug
from tellapart.settings import Settings
from tellapart.steps.decide.eyes import AgeModel, Estimates
from tellapart.steps.decide.learning import Learning
from tellapart.steps.decide.plan import Plan, never_again
from tellapart.steps.decide.tasting import (
    OF_PROJECT,
    Judge,
    base_of,
    bundle,
    head_of,
    judge_of,
    usable,
)


def new(
    name: str,
    source: str,
    options: Mapping[str, Any] | None,
    people: bool | None,
    policy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The columns of a new deck, checked. Raises `InputError` and `RecipeError`."""
    if not is_name(name):
        raise InputError(
            f"The deck's name is {name!r}.",
            expected="lower case letters, digits, - and _",
            do=f"Call it {slug(name)!r}." if slug(name) else "Choose another name.",
        )
    kind = registry.load("deck", source)
    kind.check(options or {})
    guarded = kind.people if kind.people is not None else people
    if guarded is None:
        raise InputError(
            f"It is not said whether the candidates of {name!r} are people.",
            expected="people or things: people are judged only where they are declared adults",
            do="Say people, or things.",
        )
    found = check(policy, people=guarded)
    return {
        "source": source,
        "options": dict(options or {}),
        "people": guarded,
        "policy": found.model_dump(mode="json"),
    }


def stays_people(name: str) -> InputError:
    """A deck of people never becomes one of things."""
    return InputError(
        f"The deck {name!r} holds people.",
        expected="a deck that stays one of people",
        do="Make another deck for things.",
    )


def for_people(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy of things as it is for people."""
    return check(policy, people=False).for_people().model_dump(mode="json")


def is_off(name: str, why: str) -> InputError:
    """No turn of a deck that is off."""
    return InputError(
        f"The deck {name!r} is off" + (f": {why}" if why else "."),
        expected="a deck that is dry or on",
        do=f"Switch it on, or let it decide without acting: tellapart deck dry {name}",
    )


# -- secrets and terms ----------------------------------------------------------------------


def _secret(deck: str, name: str) -> str:
    return f"deck:{deck}:{name}"


def keep_secret(engine: sa.Engine, settings: Settings, deck: str, name: str, secret: str) -> None:
    """Encrypt a secret of a deck's source; an empty one is forgotten."""
    accounts = Accounts(engine, settings)
    account = accounts.get(settings.owner)
    if secret:
        accounts.secrets.put(account, _secret(deck, name), secret)
    else:
        accounts.secrets.delete(account, _secret(deck, name))


def drop_secrets(engine: sa.Engine, settings: Settings, deck: str) -> None:
    """Forget all secrets of a deck, whatever its source once needed."""
    accounts = Accounts(engine, settings)
    account = accounts.get(settings.owner)
    for name in accounts.secrets.names(account):
        if name.startswith(_secret(deck, "")):
            accounts.secrets.delete(account, name)


def leads_elsewhere(
    source: type[DeckSource], old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    """Whether other options would send a deck's secrets to another service."""
    places = [one.name for one in source.options if one.kind == "url"]
    return any(
        urlsplit(str(old.get(name, "")))[:2] != urlsplit(str(new.get(name, "")))[:2]
        for name in places
    )


def secrets(
    engine: sa.Engine, settings: Settings, deck: str, source: type[DeckSource]
) -> dict[str, str]:
    """The secrets that a source needs, opened. Those that are missing are left out."""
    if not source.needs:
        return {}
    accounts = Accounts(engine, settings)
    account = accounts.get(settings.owner)
    found = {}
    for one in source.needs:
        with contextlib.suppress(NotFoundError):
            found[one.name] = accounts.secrets.get(account, _secret(deck, one.name))
    return found


def needs(
    engine: sa.Engine, settings: Settings, deck: str, source: type[DeckSource]
) -> list[dict[str, Any]]:
    """The secrets that a source needs: `name title about required have`."""
    if not source.needs:
        return []
    accounts = Accounts(engine, settings)
    have = set(accounts.secrets.names(accounts.get(settings.owner)))
    return [
        {
            "name": one.name,
            "title": one.title or one.name,
            "about": one.about,
            "required": one.required,
            "have": _secret(deck, one.name) in have,
        }
        for one in source.needs
    ]


def against(
    source: type[DeckSource], needed: Sequence[Mapping[str, Any]], confirmed: str, reviewed: int
) -> list[str]:
    """What stands against switching a deck on, a sentence each."""
    found = [
        f"The secret {one['name']!r} is missing."
        for one in needed
        if one["required"] and not one["have"]
    ]
    if source.confirm and not confirmed:
        found.append("The terms of its source are not confirmed.")
    if reviewed < source.least_dry:
        found.append(
            f"{reviewed} verdicts of dry turns are reviewed, of {source.least_dry} at least."
        )
    return found


# -- a turn ---------------------------------------------------------------------------------


def plan(
    engine: sa.Engine, settings: Settings, ledger: Ledger, deck: DeckRow, folder: Path
) -> Plan:
    """What a turn of this deck works with; models are loaded when they are asked for."""
    source = registry.load("deck", deck.source)
    confirmed = listing.confirmed(engine, deck.owner, source.name, source.confirm)
    head = head_of(ledger, deck)
    judge = _once(lambda: judge_of(engine, settings, ledger, deck))
    return Plan(
        settings=settings,
        engine=engine,
        deck=deck,
        folder=folder,
        turn="",
        holder="",
        secrets=secrets(engine, settings, deck.id, source),
        confirmed=bool(confirmed),
        judge=judge,
        ages=_once(lambda: _ages(settings)),
        head=head[0].id if head is not None else "",
    )


def with_wishes(
    plan: Plan,
    turn: str,
    holder: str,
    limit: int | None,
    cancelled: Callable[[], bool],
    progress: Callable[[int], None],
    source: type[DeckSource],
) -> Plan:
    """The same with what whoever asks for the turn wants."""
    people = plan.deck.people or source.people is True
    deck = replace(plan.deck, people=people)
    return replace(
        plan,
        deck=deck,
        turn=turn,
        holder=holder,
        limit=limit,
        cancelled=cancelled,
        progress=progress,
    )


def _once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Made on first use, by whichever thread."""
    lock = threading.Lock()
    made: list[Any] = []

    def get() -> Any:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _ages(settings: Settings) -> AgeModel | None:
    """The model of ages that these settings name; None: they name none.

    One that is named and cannot be used is an error: it must not pass for none.
    """
    from tellapart.learn.faces import People

    if settings.age_sex is None:
        return None
    key = replace(settings, owner="")
    with _people_lock:
        if key not in _people:
            found = People(key)
            if not found.estimates:
                raise NotFoundError(
                    "The model of ages that is named cannot be used.",
                    expected="a model that estimates ages",
                    do="Check TELLAPART_AGE_SEX, or unset it.",
                )
            _people[key] = found
        return Estimates(_people[key].look)


_people: dict[Settings, Any] = {}
_people_lock = threading.Lock()


def learning(
    engine: sa.Engine, settings: Settings, ledger: Ledger, deck: DeckRow, folder: Path
) -> Learning:
    """What learns a deck's taste: on the base that is offered, else on the one that it has."""
    from tellapart.learn.taste import Sight

    judge = judge_of(engine, settings, ledger, deck)
    base = base_of(engine, settings, deck)
    if base != judge.base:
        sight = Sight.shared(settings, bundle(engine, settings, base))
        judge = Judge(sight, None, "", base, judge.lost)
    elif judge.head == OF_PROJECT and judge.taste is not None:
        # The project's head judges in fp32; what is learned beside it may be in another precision.
        sight = Sight.shared(settings, bundle(engine, settings, base))
        judge = replace(judge, sight=sight, taste=replace(judge.taste, base=sight.key))
    policy = check(deck.policy, people=deck.people)
    return Learning(ledger, judge, folder, policy, lambda base: usable(engine, settings, base))


def guard(
    engine: sa.Engine,
    settings: Settings,
    ledger: Ledger,
    deck: DeckRow,
    folder: Path,
    policy: Mapping[str, Any],
) -> None:
    """Make a deck one of people: whoever is not declared an adult goes, with what learned from
    them; those acted upon are known by a keyed digest alone."""
    gone = ledger.guard(policy)
    never_again(Refusals(settings, engine, deck.owner), deck.source, gone)
    if gone.learned:
        (folder / "labels.csv").unlink(missing_ok=True)


def tidy(ledger: Ledger, folder: Path) -> None:
    """Drop what need not be kept any longer, and pictures that nothing names."""
    with contextlib.suppress(TellapartError, OSError):
        if ledger.empty_old():
            ledger.settle()
        named = ledger.shas()
        for one in (folder / "pictures").iterdir():
            if one.name not in named:
                one.unlink(missing_ok=True)
