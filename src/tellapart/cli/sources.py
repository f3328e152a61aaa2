"""`sources list` and `sources check`: where pictures come from, and how each of them is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli.console import emit, program, table, tell, write
from tellapart.cli.options import Json
from tellapart.errors import FetchError

#: Queries listed, noisiest first.
_QUERIES = 10

if TYPE_CHECKING:
    from tellapart.steps.collect.checking import Checked


def list_(json: Json = False) -> None:
    """List the sources and how each of them was when last asked. Never uses the network."""
    from tellapart.steps.collect.checking import known

    at = datetime.now(UTC)
    rows = known(tellapart.Settings.from_env(), at)
    if json:
        emit({"sources": rows})
        return
    write(
        table(
            [(row["name"], row["says"], _ago(row["found_at"], at), row["terms"]) for row in rows],
            ("name", "state", "last found pictures", "terms"),
        )
    )
    tell(f"`{program()} sources check` asks each of them now.")


def check(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RECIPE]", help="Check the sources of this recipe, with its options."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ask each source for one page of a word it must know, and say what came of it.

    Ends with exit code 5 where one of them fails. Sources that need options are checked with a
    RECIPE that gives them.
    """
    from tellapart.steps.collect.checking import ask_all

    found = ask_all(tellapart.Settings.from_env(), recipe)
    if json:
        emit({"sources": [one.to_dict() for one in found]})
    else:
        write(table([_row(one) for one in found], ("name", "state", "hits", "seconds", "says")))
    bad = [one for one in found if not one.fine]
    if bad and json:
        raise typer.Exit(FetchError.exit_code)  # the last line is what was found
    if bad:
        raise FetchError(
            f"{len(bad)} of {len(found)} sources fail: {', '.join(one.name for one in bad)}.",
            expected="an answer with pictures from each",
            do=bad[0].do or "Try again later; the others are used meanwhile.",
            reason=bad[0].reason or "failed",
        )


def noise(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A project that has searched.")],
    json: Json = False,
) -> None:
    """Say how many of a project's pictures do not show their class, by source, query and rank.

    Estimated from what its last curation measured; nothing is asked of any source.
    """
    with tellapart.Project.open(name) as project:
        found = project.source_quality()
    if json:
        emit(found)
        return
    rows = [(one["source"], "all", "all", *_share(one)) for one in found["sources"]]
    rows += [
        (one["source"], "all", f"from {one['from']}", *_share(one))
        for one in found["ranks"]
        if one["from"]
    ]
    rows += [
        (one["source"], f"{one['query']} ({one['class']})", "all", *_share(one))
        for one in found["queries"][:_QUERIES]
    ]
    write(table(rows, ("source", "query", "ranks", "noise", "90 % interval", "pictures")))


def _share(one: dict[str, Any]) -> tuple[Any, ...]:
    interval = f"{100 * one['low']:.0f} to {100 * one['high']:.0f} %"
    return (f"{100 * one['share']:.0f} %", interval, one["n"])


def _row(one: Checked) -> tuple[Any, ...]:
    seconds = "-" if one.seconds is None else f"{one.seconds:.1f}"
    return (one.name, one.word, one.hits, seconds, one.what or "-")


def _ago(stamp: str, at: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if not stamp:
        return "never"
    seconds = max(0.0, (at - datetime.fromisoformat(stamp)).total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"
