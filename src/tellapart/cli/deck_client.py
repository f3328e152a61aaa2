"""The verbs of decks, asked of this machine's own ledger or of a server: the same words in both.

What comes back is the same JSON, so that the command line shows one thing in one way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.cli.remote import Server
    from tellapart.runtime.desk import Desk

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Verb:
    """How one thing is asked of a desk, and where it stands in the REST."""

    method: str
    #: Below /api/v1/decks; `{deck}` and the like are taken out of the values.
    path: str
    here: Callable[[Desk, Any, Values], Any]


def _named(method: str) -> Callable[[Desk, Any, Values], Any]:
    """A method of the desk that takes the deck's name first."""
    return lambda desk, deck, values: getattr(desk, method)(deck, **values)


def _mode(mode: str) -> Callable[[Desk, Any, Values], Any]:
    return lambda desk, deck, values: desk.deck_mode(deck, mode, **values)  # type: ignore[arg-type]


VERBS: dict[str, Verb] = {
    "sources": Verb("GET", "sources", lambda desk, _, values: desk.deck_sources()),
    "list": Verb("GET", "", lambda desk, _, values: desk.decks(**values)),
    "add": Verb("POST", "", lambda desk, _, values: desk.deck_add(**values)),
    "show": Verb("GET", "{deck}", _named("deck")),
    "change": Verb("PATCH", "{deck}", _named("deck_change")),
    "remove": Verb("DELETE", "{deck}", _named("deck_delete")),
    "on": Verb("POST", "{deck}/on", _mode("on")),
    "dry": Verb("POST", "{deck}/dry", _mode("dry")),
    "off": Verb("POST", "{deck}/off", _mode("off")),
    "run": Verb("POST", "{deck}/run", _named("deck_run")),
    "turns": Verb("GET", "{deck}/turns", _named("deck_turns")),
    "log": Verb("GET", "{deck}/log", _named("deck_log")),
    "confirm": Verb("POST", "{deck}/confirm", _named("deck_confirm")),
    "withdraw": Verb(
        "DELETE", "{deck}/confirm", lambda desk, deck, _: desk.deck_confirm(deck, False)
    ),
    "credential": Verb("PUT", "{deck}/credentials/{secret}", _named("deck_credential")),
    "forget-credential": Verb(
        "DELETE",
        "{deck}/credentials/{secret}",
        lambda desk, deck, values: desk.deck_credential(deck, value="", **values),
    ),
    "policy": Verb("GET", "{deck}/policy", _named("deck_policy")),
    "set-policy": Verb("PUT", "{deck}/policy", _named("deck_policy_set")),
    "replay": Verb("POST", "{deck}/replay", _named("deck_replay")),
    "heads": Verb("GET", "{deck}/heads", _named("deck_heads")),
    "retrain": Verb("POST", "{deck}/retrain", _named("deck_retrain")),
    "rollback": Verb("POST", "{deck}/rollback", _named("deck_rollback")),
    "review": Verb("GET", "{deck}/review", _named("deck_review")),
    "progress": Verb("GET", "{deck}/progress", _named("deck_progress")),
    "undo": Verb("POST", "{deck}/undo", _named("deck_undo")),
    "results": Verb("GET", "{deck}/results", _named("deck_results")),
    "candidate": Verb("GET", "{deck}/candidates/{candidate}", _named("deck_candidate")),
    "label": Verb("POST", "{deck}/candidates/{candidate}/label", _named("deck_answer")),
    "correct": Verb("POST", "{deck}/candidates/{candidate}/correct", _named("deck_correct")),
    "forget": Verb("DELETE", "{deck}/candidates/{candidate}", _named("deck_forget")),
}
#: Kept although it is null: it means something there.
_NULLS = frozenset({"label"})


class Decks(Protocol):
    """Whoever is asked."""

    def ask(self, verb: str, deck: str | None = None, **values: Any) -> dict[str, Any]:
        """The answer of a verb as JSON; values that are None are not said."""
        ...

    def option(self, kind: str, text: str) -> Any:
        """An option's value, typed; paths as whoever is asked will find them."""
        ...

    def picture(self, deck: str, candidate: str, position: int, kind: str) -> tuple[bytes, str]:
        """A picture's bytes (`original` or `heat`) and how a file of it ends."""
        ...


class Here:
    """This machine's own ledger."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def ask(self, verb: str, deck: str | None = None, **values: Any) -> dict[str, Any]:
        return shape(VERBS[verb].here(self.desk, deck, _said(verb, values)))

    def turn(self, deck: str, limit: int | None) -> dict[str, Any]:
        """One turn in this process."""
        from tellapart.deck import Deck
        from tellapart.runtime.desk.deck_rows import turn_row

        opened = Deck.open(self.desk.engine, self.desk.settings, deck)
        return turn_row(opened.turn(limit).to_dict()).to_dict()

    def option(self, kind: str, text: str) -> Any:
        if kind == "path" and not text.startswith("upload:"):
            return str(Path(text).expanduser().absolute())
        return typed(kind, text)

    def picture(self, deck: str, candidate: str, position: int, kind: str) -> tuple[bytes, str]:
        if kind == "heat":
            return self.desk.deck_heat(deck, candidate, position).data, ".jpg"
        found = self.desk.deck_picture(deck, candidate, position)
        return found.data, Path(found.name).suffix


class There:
    """A server, by its REST."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, verb: str, deck: str | None = None, **values: Any) -> dict[str, Any]:
        wanted, said = VERBS[verb], _said(verb, values)
        places = {"deck": deck or "", "candidate": "", "secret": ""}
        for name in places:
            if f"{{{name}}}" in wanted.path and name in said:
                places[name] = str(said.pop(name))
        path = wanted.path.format(**{name: quote(text, safe="") for name, text in places.items()})
        return self.server.call(wanted.method, f"decks/{path}".rstrip("/"), said)

    def option(self, kind: str, text: str) -> Any:
        """A file or folder of this machine is brought there first."""
        place = Path(text).expanduser()
        if kind == "path" and not text.startswith("upload:") and place.exists():
            return self.server.bring(place)
        return typed(kind, text)

    def picture(self, deck: str, candidate: str, position: int, kind: str) -> tuple[bytes, str]:
        path = f"decks/{quote(deck, safe='')}/candidates/{candidate}/pictures/{position}/{kind}"
        data, media_type = self.server.content(path)
        return data, {"image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif"}.get(
            media_type, ".png" if media_type == "image/png" else ".bin"
        )


@contextlib.contextmanager
def opened(server: str | None = None) -> Iterator[Decks]:
    """The decks of this home, or those of the server at that address."""
    if server is not None:
        from tellapart.cli.remote import Server

        with Server(server) as there:
            yield There(there)
        return
    from tellapart.accounts import Accounts
    from tellapart.runtime import Runs
    from tellapart.runtime.desk import Desk
    from tellapart.settings import Settings
    from tellapart.store.database import open_database

    settings = Settings.from_env()
    engine = open_database(settings)
    try:
        accounts = Accounts(engine, settings, single_user=not settings.owner)
        account = accounts.get(settings.owner)
        yield Here(Desk(account, settings, engine, Runs(engine, settings), accounts))
    finally:
        engine.dispose()


def shape(found: Any) -> dict[str, Any]:
    """What a desk hands out as the REST writes it."""
    if found is None:
        return {}
    if isinstance(found, list):
        return {"items": [one.to_dict() for one in found], "next": None}
    if hasattr(found, "items") and hasattr(found, "next"):
        items = [one.to_dict() for one in found.items]
        page: dict[str, Any] = {"items": items, "next": found.next}
        return page if found.total is None else {**page, "total": found.total}
    whole: dict[str, Any] = found.to_dict()
    return whole


def typed(kind: str, text: str) -> Any:
    """An option's value of the kind that its source declares. Raises `InputError`."""
    try:
        if kind == "number":
            return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
        if kind == "bool":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.strip().lower()
            ]
    except (ValueError, KeyError):
        raise InputError(
            f"The option's value is {text!r}.",
            expected="a number" if kind == "number" else "true or false",
            do="Correct it.",
        ) from None
    return text


def _said(verb: str, values: Values) -> dict[str, Any]:
    kept = _NULLS if verb == "label" else frozenset()
    return {name: value for name, value in values.items() if value is not None or name in kept}
