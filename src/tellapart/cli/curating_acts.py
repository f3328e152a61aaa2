"""`tellapart curate …`: verbs that do something, each an act that can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli.console import emit, program, table, write
from tellapart.cli.options import Json, Project, recipe_keys
from tellapart.cli.stepping import picture_id

if TYPE_CHECKING:
    from tellapart.learn.workbench.shapes import Act, Outcome

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Pictures, as `show` lists them.")
]
Part = Annotated[
    str,
    typer.Option("--cluster", metavar="KEY", help="A cluster, as `curate clusters` lists it."),
]
Group = Annotated[
    str,
    typer.Option("--copies", metavar="KEY", help="A group, as `curate copies` lists it."),
]
Number = Annotated[
    int | None, typer.Argument(metavar="[N]", help="The act's number, as `curate acts` lists it.")
]


def keep(
    name: Project, ids: Ids = None, cluster: Part = "", copies: Group = "", json: Json = False
) -> None:
    """Keep pictures whatever the rules say; of a group of copies the best one alone."""
    _do("keep", name, ids, cluster, copies, as_json=json)


def drop(
    name: Project, ids: Ids = None, cluster: Part = "", copies: Group = "", json: Json = False
) -> None:
    """Set pictures aside whatever the rules say; nothing is deleted."""
    _do("drop", name, ids, cluster, copies, as_json=json)


def back(
    name: Project, ids: Ids = None, cluster: Part = "", copies: Group = "", json: Json = False
) -> None:
    """Give pictures back to the rules."""
    _do("give_back", name, ids, cluster, copies, as_json=json)


def relabel(
    name: Project,
    label: Annotated[str, typer.Argument(metavar="CLASS", help="The class they belong to.")],
    ids: Ids = None,
    cluster: Part = "",
    copies: Group = "",
    json: Json = False,
) -> None:
    """Move pictures to another class."""
    _do("relabel", name, ids, cluster, copies, label=label, as_json=json)


def set_(
    name: Project,
    thresholds: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="Thresholds, such as off_topic=0.7.")
    ],
    json: Json = False,
) -> None:
    """Write thresholds into the project's recipe; `curate diff` shows before what they change."""
    project = tellapart.Project.open(name)
    _told(name, project.workbench.act("settings", settings=recipe_keys(thresholds)), as_json=json)


def acts(
    name: Project,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=5000, help="At most so many.")
    ] = 20,
    json: Json = False,
) -> None:
    """What was done by hand, the newest first."""
    found = tellapart.Project.open(name).workbench.acts(limit)
    if json:
        emit({"name": name, "acts": [one.to_dict() for one in found]})
    elif found:
        rows = [
            (one.number, one.at, _what(one), one.pictures or "", "undone" if one.undone_at else "")
            for one in found
        ]
        write(table(rows, header=("act", "when", "what", "pictures", "")))
        last = next((one for one in found if not one.undone_at), None)
        if last is not None:
            write(f"next: {program()} curate undo {name} {last.number}")
    else:
        write("nothing was done by hand")


def undo(name: Project, number: Number = None, json: Json = False) -> None:
    """Undo an act (the newest), whatever was done since; later acts keep what they decided."""
    _told(name, tellapart.Project.open(name).workbench.undo(number), as_json=json, how="undone")


def redo(name: Project, number: Number = None, json: Json = False) -> None:
    """Do an act that was undone again (the one undone last)."""
    _told(name, tellapart.Project.open(name).workbench.redo(number), as_json=json, how="done again")


def _do(
    verb: Any,
    name: str,
    ids: Sequence[str] | None,
    cluster: str,
    copies: str,
    *,
    label: str = "",
    as_json: bool,
) -> None:
    project = tellapart.Project.open(name)
    found = [picture_id(project, text) for text in ids or ()]
    outcome = project.workbench.act(verb, found, cluster=cluster, copies=copies, label=label)
    _told(name, outcome, as_json=as_json)


def _told(name: str, outcome: Outcome, *, as_json: bool, how: str = "") -> None:
    if as_json:
        emit({"name": name, **outcome.to_dict()})
        return
    act = outcome.act
    if not act.number:
        write("nothing changed: it was so already")
        return
    write(f"act {act.number}: {_what(act)}{f', {how}' if how else ''}")
    if act.verb != "settings":
        write(f"changed: {outcome.changed:,}")
    if outcome.left:
        write(f"left as they are, for later acts decided on them: {outcome.left:,}")
    if outcome.better is not None and outcome.better.exclude:
        write(
            f"so that they do not come again, search for {outcome.better.query!r} without "
            f"{', '.join(outcome.better.exclude)}"
        )
    write(f"next: {program()} curate {name}")


def _what(act: Act) -> str:
    if act.verb == "settings":
        said = (f"{key} {_value(a)} → {_value(b)}" for key, (a, b) in act.settings.items())
        return f"set {', '.join(said)}"
    verb = {"give_back": "back to the rules", "relabel": f"now {act.label}"}.get(act.verb, act.verb)
    return f"{verb}: {act.note}"


def _value(value: Any) -> str:
    return "null" if value is None else str(value).lower()


#: The verbs that act, in the order of the help.
ACTING: Sequence[Any] = (keep, drop, back, relabel, set_, acts, undo, redo)
