"""`deck …`: what a person looks at, says and decides by, and what was learned of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tellapart.cli import deck_showing as showing
from tellapart.cli.console import emit, tell, write
from tellapart.cli.deck_client import opened
from tellapart.cli.decks import (
    After,
    At,
    Deck,
    Limit,
    PolicyFile,
    listed,
    sure,
    text_in,
)
from tellapart.cli.options import Json, Yes
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.cli.deck_client import Decks

Candidate = Annotated[
    str, typer.Argument(metavar="CANDIDATE", help="A candidate's id, such as c_0k3q….")
]
LabelWord = Annotated[str, typer.Argument(metavar="LABEL", help="like or pass.")]
_KEYS = "a like, x pass, Enter skip, b undo, q quit"


def review(
    deck: Deck,
    limit: Limit = 3,
    server: At = None,
    json: Json = False,
) -> None:
    """Look at candidates one by one, those that help most first, and say like or pass.

    Not at a terminal, or with --json: list the next ones; `label` says a word on one of them.
    """
    with opened(server) as decks:
        if json or not sys.stdin.isatty():
            found = decks.ask("review", deck, limit=min(limit, 20))
            if json:
                emit(found)
            else:
                write(showing.candidates(found["items"]))
                write(showing.progress(found["progress"]))
            return
        _one_by_one(decks, deck)


def label(
    deck: Deck,
    candidate: Candidate,
    word: Annotated[str, typer.Argument(metavar="LABEL", help="like, pass, or none.")],
    server: At = None,
    json: Json = False,
) -> None:
    """Say like or pass of a candidate; `none` takes your word back."""
    with opened(server) as decks:
        said = None if word == "none" else word
        found = decks.ask("label", deck, candidate=candidate, label=said)
    emit(found) if json else write(showing.progress(found))


def undo(deck: Deck, server: At = None, json: Json = False) -> None:
    """Take your last word back."""
    with opened(server) as decks:
        found = decks.ask("undo", deck)
    emit(found) if json else write(showing.candidate(found["items"][0]))


def correct(
    deck: Deck, candidate: Candidate, word: LabelWord, server: At = None, json: Json = False
) -> None:
    """Correct a verdict: it is learned at once, and look-alikes are scored anew."""
    with opened(server) as decks:
        found = decks.ask("correct", deck, candidate=candidate, label=word)
    emit(found) if json else write(showing.corrected(found))


def results(
    deck: Deck,
    action: Annotated[
        str | None, typer.Option("--action", metavar="WORD", help="like, pass, super_like, leave …")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="WORD", help="The rule that decided.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="WORD", help="done, refused, unknown …")
    ] = None,
    stands: Annotated[
        str | None, typer.Option("--label", metavar="WORD", help="corrected, confirmed or none.")
    ] = None,
    match: Annotated[
        bool | None, typer.Option("--match/--no-match", help="Whether the other side likes back.")
    ] = None,
    q: Annotated[
        str | None, typer.Option("--find", metavar="TEXT", help="A part of the name or text.")
    ] = None,
    limit: Limit = 50,
    after: After = None,
    server: At = None,
    json: Json = False,
) -> None:
    """Show everything decided and done, and why, the newest first."""
    with opened(server) as decks:
        found = decks.ask(
            "results",
            deck,
            action=action,
            rule=rule,
            outcome=outcome,
            label=stands,
            match=match,
            q=q,
            limit=min(limit, 200),
            after=after,
        )
    listed(found, showing.candidates(found["items"]), json)


def candidate(
    deck: Deck,
    candidate: Candidate,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Write its pictures there."),
    ] = None,
    heat: Annotated[
        bool, typer.Option("--heat", help="With --out: show what spoke for a like, too.")
    ] = False,
    server: At = None,
    json: Json = False,
) -> None:
    """Show one candidate: its pictures' scores, the verdict and the reason."""
    files = []
    with opened(server) as decks:
        found = decks.ask("candidate", deck, candidate=candidate)
        if out is not None:
            files = _written(decks, deck, found, out, heat)
    if json:
        emit({**found, **({"files": files} if files else {})})
        return
    write(showing.candidate(found))
    for file in files:
        write(file)


def forget(
    deck: Deck, candidate: Candidate, yes: Yes = False, server: At = None, json: Json = False
) -> None:
    """Remove a candidate with all that came of it; print the certificate."""
    sure(f"Forget {candidate} and everything that came of it?", yes)
    with opened(server) as decks:
        found = decks.ask("forget", deck, candidate=candidate)
    emit(found) if json else write(showing.certificate(found["certificate"]))


def policy(
    deck: Deck,
    file: PolicyFile = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what it does, in sentences.")
    ] = False,
    server: At = None,
    json: Json = False,
) -> None:
    """Print a deck's policy as YAML; with --file replace it (`replay` shows what would change)."""
    with opened(server) as decks:
        text = text_in(file)
        if text is None:
            found = decks.ask("policy", deck)
        else:
            found = decks.ask("set-policy", deck, policy=text)
    if json:
        emit(found)
    elif explain or text is not None:
        write("\n".join([*found["says"], "", "Whatever it says:", *found["always"]]))
    else:
        write(found["text"].rstrip())


def replay(
    deck: Deck, file: PolicyFile = None, limit: Limit = 50, server: At = None, json: Json = False
) -> None:
    """Show what a policy (none: the deck's own) would have made of the stream; nothing is sent."""
    with opened(server) as decks:
        found = decks.ask("replay", deck, policy=text_in(file), limit=min(limit, 5000))
    emit(found) if json else write(showing.replay(found))


def heads(deck: Deck, server: At = None, json: Json = False) -> None:
    """List what was learned: which is live, and why the others are not."""
    with opened(server) as decks:
        found = decks.ask("heads", deck)
    if json:
        emit(found)
    else:
        write("\n".join(showing.head(one) for one in found["items"]) or "nothing learned yet")


def retrain(deck: Deck, server: At = None, json: Json = False) -> None:
    """Learn from all labels now; live only if it is not worse and proves better."""
    with opened(server) as decks:
        found = decks.ask("retrain", deck)
    emit(found) if json else write(showing.head(found))


def rollback(deck: Deck, server: At = None, json: Json = False) -> None:
    """Put what was live before back."""
    with opened(server) as decks:
        found = decks.ask("rollback", deck)
    emit(found) if json else write(showing.head(found))


def _one_by_one(decks: Decks, deck: str) -> None:
    skipped: list[str] = []
    while True:
        found = decks.ask("review", deck, limit=1, skip=skipped[-200:])
        if not found["items"]:
            write(showing.progress(found["progress"]))
            write("nothing is left to look at" if not skipped else "the others were skipped")
            return
        one = found["items"][0]
        write(showing.candidate(one))
        word = str(typer.prompt(_KEYS, default="", show_default=False, err=True)).strip().lower()
        if word in ("a", "x"):
            said = "like" if word == "a" else "pass"
            answer = decks.ask("label", deck, candidate=one["id"], label=said)
            tell(showing.progress(answer))
        elif word == "b":
            _undone(decks, deck)
        elif word == "q":
            write(showing.progress(found["progress"]))
            return
        elif not word:
            skipped.append(one["id"])
        else:
            tell(_KEYS)


def _undone(decks: Decks, deck: str) -> None:
    try:
        decks.ask("undo", deck)
    except InputError as error:
        tell(error.what)


def _written(decks: Decks, deck: str, found: dict[str, Any], out: Path, heat: bool) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for picture in found["pictures"]:
        if not picture["kept"]:
            continue
        for kind in ("original", "heat") if heat else ("original",):
            data, suffix = decks.picture(deck, found["id"], picture["position"], kind)
            file = out / f"{found['id']}-{picture['position']}{'-heat' * (kind == 'heat')}{suffix}"
            file.write_bytes(data)
            files.append(str(file))
    return files
