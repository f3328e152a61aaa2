"""`deck …`: a stream, a policy and a switch, from the terminal; with --server at a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tellapart.cli import deck_showing as showing
from tellapart.cli.console import emit, tell, write
from tellapart.cli.deck_client import Here, There, opened
from tellapart.cli.options import Json, Quiet, Yes
from tellapart.errors import InputError, Interrupted

if TYPE_CHECKING:
    from tellapart.cli.deck_client import Decks

Deck = Annotated[str, typer.Argument(metavar="DECK", help="The deck's name.")]
At = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="Ask this server instead; TELLAPART_TOKEN lets you in."
    ),
]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, for whoever looks later.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")]
After = Annotated[
    str | None, typer.Option("--after", metavar="CURSOR", help="Go on where a list ended.")
]
Deeper = Annotated[
    int | None,
    typer.Option(
        "--deeper", metavar="DAYS", help="Days between deeper trainings on its labels; 0: none."
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="A policy as YAML or JSON."),
]


def sources(server: At = None, json: Json = False) -> None:
    """List the kinds of streams there are, with their options, secrets and terms."""
    with opened(server) as decks:
        found = decks.ask("sources")
    emit(found) if json else write(showing.sources(found["items"]))


def list_(limit: Limit = 200, after: After = None, server: At = None, json: Json = False) -> None:
    """List your decks: state, last and next turn, likes left, last error."""
    with opened(server) as decks:
        found = decks.ask("list", limit=min(limit, 200), after=after)
    listed(found, showing.decks(found["items"]), json)


def show(deck: Deck, server: At = None, json: Json = False) -> None:
    """Show one deck, and what stands between it and `on`."""
    with opened(server) as decks:
        _said(decks.ask("show", deck), json)


def add(
    deck: Deck,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Its kind: `tellapart deck sources`.")
    ],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option; may be repeated."),
    ] = None,
    people: Annotated[
        bool | None,
        typer.Option("--people/--things", help="What its candidates are, where that is not known."),
    ] = None,
    project: Annotated[
        str, typer.Option("--project", metavar="NAME", help="Whose model it begins with.")
    ] = "",
    policy: PolicyFile = None,
    every: Annotated[
        float | None, typer.Option("--every", metavar="MIN", help="Minutes between turns.")
    ] = None,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="As people see it.")] = "",
    deeper: Deeper = None,
    server: At = None,
    json: Json = False,
) -> None:
    """Add a deck. It is off: `dry` lets it decide, `on` lets it act."""
    with opened(server) as decks:
        made = decks.ask(
            "add",
            name=deck,
            source=source,
            options=_options(decks, source, option or []),
            people=people,
            project=project,
            policy=text_in(policy),
            every=every,
            title=title,
            deeper=deeper,
        )
        _said(made, json)


def change(
    deck: Deck,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="All its options, anew."),
    ] = None,
    people: Annotated[
        bool | None,
        typer.Option("--people/--things", help="A deck of people stays one."),
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", metavar="MIN", help="Minutes between turns.")
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="As people see it.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Whose model it begins with.")
    ] = None,
    deeper: Deeper = None,
    server: At = None,
    json: Json = False,
) -> None:
    """Change a deck; other options switch it off."""
    with opened(server) as decks:
        options = None
        if option:
            options = _options(decks, decks.ask("show", deck)["source"], option)
        values = {"options": options, "people": people, "every": every, "deeper": deeper}
        _said(decks.ask("change", deck, **values, title=title, project=project), json)


def remove(deck: Deck, yes: Yes = False, server: At = None, json: Json = False) -> None:
    """Forget a deck with all its candidates, verdicts, secrets and what it learned."""
    sure(f"Forget the deck {deck} with everything it has seen?", yes)
    with opened(server) as decks:
        decks.ask("remove", deck)
    emit({"removed": deck}) if json else write(f"{deck} is forgotten")


def on(deck: Deck, why: Why = "", server: At = None, json: Json = False) -> None:
    """Let a deck act. Refused while something stands against it; `show` says what."""
    _switched("on", deck, why, server, json)


def dry(deck: Deck, why: Why = "", server: At = None, json: Json = False) -> None:
    """Let a deck decide and store what it would do; nothing is sent."""
    _switched("dry", deck, why, server, json)


def off(deck: Deck, why: Why = "", server: At = None, json: Json = False) -> None:
    """Switch a deck off, from anywhere: no act begins any more, also amid a turn."""
    _switched("off", deck, why, server, json)


def run(
    deck: Deck,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Candidates at most.")
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to a worker instead of working here.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --server: watch it there until it ends.")
    ] = False,
    server: At = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make one turn now: look at candidates, decide, and act where the deck is on."""
    with opened(server) as decks:
        if isinstance(decks, Here) and not queue:
            found = decks.turn(deck, limit)
        else:
            found = decks.ask("run", deck, limit=limit)
            if follow and isinstance(decks, There):
                found = _followed(decks, deck, found, quiet or json)
    if json:
        emit(found)
    elif found["state"] == "queued":
        write(f"{found['run']} is queued")
    else:
        write(showing.turn(found))
        write("\n".join(showing.error(found["error"]))) if found["error"] else None


def turns(
    deck: Deck, limit: Limit = 20, after: After = None, server: At = None, json: Json = False
) -> None:
    """List a deck's turns in the background, the newest first."""
    with opened(server) as decks:
        found = decks.ask("turns", deck, limit=min(limit, 200), after=after)
    listed(found, showing.turns(found["items"]), json)


def log(
    deck: Deck,
    kind: Annotated[
        str, typer.Option("--kind", metavar="WORD", help="switch, turn, error, head or policy.")
    ] = "",
    limit: Limit = 20,
    server: At = None,
    json: Json = False,
) -> None:
    """Show what happened to a deck, the newest first: switches, turns, errors, heads, policies."""
    with opened(server) as decks:
        found = decks.ask("log", deck, kind=kind, limit=min(limit, 200))
    listed(found, showing.events(found["items"]), json)


def confirm(
    deck: Deck,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take it back; decks of that source go off.")
    ] = False,
    yes: Yes = False,
    server: At = None,
    json: Json = False,
) -> None:
    """Read the terms of a deck's source, and confirm them for your account."""
    with opened(server) as decks:
        if withdraw:
            _said(decks.ask("withdraw", deck), json)
            return
        found = decks.ask("show", deck)
        if found["terms"]:
            tell(found["terms"] + (f"\n{found['terms_url']}" if found["terms_url"] else ""))
            sure("Do you want to use it all the same?", yes)
        _said(decks.ask("confirm", deck), json)


def credential(
    deck: Deck,
    secret: Annotated[str, typer.Argument(metavar="SECRET", help="Which one, such as `token`.")],
    forget: Annotated[bool, typer.Option("--forget", help="Forget it.")] = False,
    server: At = None,
    json: Json = False,
) -> None:
    """Store a secret of a deck's source, encrypted; it is read from standard input."""
    with opened(server) as decks:
        if forget:
            _said(decks.ask("forget-credential", deck, secret=secret), json)
        else:
            _said(decks.ask("credential", deck, secret=secret, value=_read(secret)), json)


# -- inside ---------------------------------------------------------------------------------


def _switched(mode: str, deck: str, why: str, server: str | None, json: bool) -> None:
    with opened(server) as decks:
        found = decks.ask(mode, deck, why=why)
    emit(found) if json else write(f"{found['name']} is {found['mode']}")


def _followed(decks: There, deck: str, found: dict[str, Any], quiet: bool) -> dict[str, Any]:
    try:
        decks.server.watch(found["run"], quiet=quiet)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Nobody watches the turn {found['run']} any more.",
            expected="to be watched until its end",
            do="It goes on; switch the deck off to end it.",
        ) from None
    items = decks.ask("turns", deck, limit=20)["items"]
    return next((one for one in items if one["run"] == found["run"]), found)


def _said(found: dict[str, Any], json: bool) -> None:
    emit(found) if json else write(showing.deck(found))


def listed(found: dict[str, Any], text: str, json: bool) -> None:
    """Show a list, and how to go on."""
    if json:
        emit(found)
        return
    write(text)
    if found["next"]:
        tell(f"more: --after {found['next']}")


def _options(decks: Decks, source: str, pairs: list[str]) -> dict[str, Any]:
    """Options by name, each of the kind that the source declares. Raises `InputError`."""
    kinds = {
        each["name"]: each["kind"]
        for one in decks.ask("sources")["items"]
        if one["name"] == source
        for each in one["options"]
    }
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(
                f"The option is {pair!r}.", expected="KEY=VALUE", do="Write an = between the two."
            )
        found[name.strip()] = decks.option(kinds.get(name.strip(), "text"), text)
    return found


def text_in(file: Path | None) -> str | None:
    """The policy in a file; None: none is named. Raises `InputError`."""
    from tellapart.cli.remote import text_of

    return None if file is None else text_of(file)


def _read(secret: str) -> str:
    """One line of standard input: an argument would stand in the list of processes."""
    if sys.stdin.isatty():
        return str(typer.prompt(secret, hide_input=True, err=True))
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise InputError(
            f"Standard input holds no {secret}.",
            expected=f"the {secret} on the first line",
            do="Give it: printf '%s\\n' \"$TOKEN\" | tellapart deck credential …",
        )
    return value


def sure(question: str, yes: bool) -> None:
    """Ask before something grave; raises where nobody says yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"{question} Nobody can be asked.",
            expected="a person at the terminal, or --yes",
            do="Add --yes where that is meant.",
        )
    if not typer.confirm(question, err=True):
        raise Interrupted("Nothing was done.", expected="yes", do="Run it again to go on.")
