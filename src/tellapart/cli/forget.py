"""The verb that forgets."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tellapart
from tellapart.cli.console import emit, tell, write
from tellapart.cli.options import Json, Yes
from tellapart.cli.upkeep import ask
from tellapart.errors import InputError, StorageError

if TYPE_CHECKING:
    from tellapart.forgetting import Asked


def forget(
    picture: Annotated[
        str | None,
        typer.Argument(
            metavar="[PICTURE]", help="A picture: its id, SHA-256, address or file; or c_… ."
        ),
    ] = None,
    creator: Annotated[
        str | None, typer.Option("--creator", metavar="NAME", help="All pictures of a creator.")
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", metavar="ID", help="A deck's candidate, by id (c_…)."),
    ] = None,
    deck: Annotated[
        str | None,
        typer.Option(
            "--deck", metavar="NAME", help="With --candidate: named as this deck's service does."
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="An account with everything that is its own."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="All that was forgotten before and has come back in a backup."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Also write the certificate there."),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove a picture, a creator, a candidate or a user from everywhere, for good.

    Bundles that had it are removed and listed; what comes again is refused, known by a keyed digest
    alone. At the end everything is searched for it, and a certificate says what was removed.
    """
    from tellapart.forgetting import Asked
    from tellapart.forgetting import forget as forgetting
    from tellapart.store.database import open_database

    wanted = _asked(picture, creator, candidate, user, again)
    if deck is not None and wanted.kind != "candidate":
        raise InputError(
            "--deck was given without a candidate.",
            expected="--candidate with the name that the deck's service gives it",
            do="Add --candidate, or leave --deck out.",
        )
    settings = tellapart.Settings.from_env()
    if out is not None and out.absolute().is_relative_to(settings.home.absolute()):
        raise InputError(
            f"{str(out)!r} lies in the home itself.",
            expected="a place outside of it",
            do="Choose another folder.",
        )
    what = "all of it again" if again else f"this {wanted.kind} everywhere"
    ask(f"Forget {what}? It cannot be brought back.", yes)
    engine = open_database(settings)
    try:
        found = forgetting(
            settings,
            engine,
            Asked(wanted.kind, wanted.value, deck or ""),
            owner=settings.owner or None,
            watch=(lambda place: None) if json else (lambda place: tell(f"  {place}")),
        )
    finally:
        engine.dispose()
    certificate = found.to_dict()
    if out is not None:
        out.write_text(jsonlib.dumps(certificate, indent=1) + "\n", encoding="utf-8")
    if json:
        emit(certificate)
    else:
        lines = [
            f"{place}: " + ", ".join(f"{number} {what}" for what, number in done.items())
            for place, done in found.removed.items()
        ]
        lines += [
            f"withdrawn: version {one.version} of {one.project} (SHA-256 {one.sha256})"
            for one in found.withdrawn
        ]
        lines += [f"begins anew: {name}" for name in found.begin_anew]
        lines += [f"note: {note}" for note in found.notes]
        lines.append(f"searched {found.searched['files']} files: {_verdict(found.remains)}")
        write("\n".join(lines))
    if found.remains:
        raise StorageError(
            f"Something of it is left in {', '.join(found.remains[:5])}.",
            expected="nothing, anywhere in the home",
            do="Run the same command again when the app is idle, or remove these yourself.",
        )


def _asked(
    picture: str | None,
    creator: str | None,
    candidate: str | None,
    user: str | None,
    again: bool,
) -> Asked:
    from tellapart.forgetting import Asked

    given = [one for one in (picture, creator, candidate, user) if one is not None]
    if again and not given:
        return Asked("again", "")
    if again or len(given) != 1:
        raise InputError(
            f"forget was given {len(given) + again} things.",
            expected="one: a picture, --creator, --candidate, --user or --again",
            do="Run it once for each.",
        )
    if creator is not None:
        return Asked("creator", creator)
    if user is not None:
        return Asked("user", user)
    if candidate is not None:
        return Asked("candidate", candidate)
    named = str(picture)
    if named.startswith("c_") and not Path(named).exists():
        return Asked("candidate", named)
    is_file = Path(named).expanduser().is_file()
    return Asked("picture", str(Path(named).expanduser().absolute()) if is_file else named)


def _verdict(remains: tuple[str, ...]) -> str:
    return f"found in {len(remains)}" if remains else "it is nowhere any more"
