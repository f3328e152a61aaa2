"""`tellapart curate …`: look at the pictures from several sides; `curating_acts` does something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

import tellapart
from tellapart.cli.console import emit, program, table, tell, write
from tellapart.cli.options import Json, Project, recipe_keys

if TYPE_CHECKING:
    from tellapart.learn.workbench.shapes import Cluster, Move

Class = Annotated[
    str | None, typer.Option("--class", "-c", metavar="CLASS", help="Of this class alone.")
]


class Curating(TyperGroup):
    """`curate NAME` runs the step; `curate VERB NAME` looks or acts.

    A project that is called as a verb: `curate run NAME`.
    """

    default: ClassVar[str] = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ("--help", "-h"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def clusters(name: Project, label: Class = None, json: Json = False) -> None:
    """What each class consists of: parts that stand apart, named by words they came with."""
    found = tellapart.Project.open(name).workbench.clusters(label)
    if json:
        emit({"name": name, "classes": [one.to_dict() for one in found]})
        return
    whole = [one for one in found if len(one.clusters) == 1]
    for one in found:
        if len(one.clusters) > 1:
            write("\n".join([one.label, *(_part(part) for part in one.clusters)]))
    if whole:
        names = ", ".join(f"{one.label} ({one.size:,})" for one in whole)
        write(f"all of a kind: {names}")
    suspect = next((part for one in found for part in one.clusters if part.suspect), None)
    if suspect is not None:
        write(f"next: {program()} curate drop {name} --cluster {suspect.key}")


def copies(name: Project, json: Json = False) -> None:
    """Near duplicates in groups, with the best picture of each and why it is that."""
    found = tellapart.Project.open(name).workbench.copies()
    if json:
        emit({"name": name, "groups": [one.to_dict() for one in found]})
        return
    rows = [
        (
            group.key if place == 0 else "",
            one.id,
            one.label,
            f"{one.width} × {one.height}",
            one.license or "?",
            "kept" if one.kept else one.verdict or "?",
            f"best: {group.why}" if place == 0 else "",
        )
        for group in found
        for place, one in enumerate(group.pictures)
    ]
    if not rows:
        write("no near duplicates")
        return
    write(table(rows, header=("group", "id", "class", "size", "license", "verdict", "")))
    other = next((group for group in found if not group.settled), None)
    if other is not None:
        write(f"next: {program()} curate keep {name} --copies {other.key}")


def doubtful(
    name: Project,
    label: Class = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=5000, help="At most so many.")
    ] = 20,
    json: Json = False,
) -> None:
    """Pictures whose label is doubtful, the most doubtful first."""
    found = tellapart.Project.open(name).workbench.doubtful(label, limit)
    if json:
        emit({"name": name, **found.to_dict()})
        return
    rows = [
        (
            one.id,
            one.label,
            _percent(one.quality),
            one.suggested,
            _percent(one.chance),
            one.kind.replace("_", " "),
            "kept" if one.kept else one.verdict,
        )
        for one in found.items
    ]
    if rows:
        write(table(rows, header=("id", "class", "sure", "looks like", "sure", "kind", "verdict")))
    write(f"{found.doubtful:,} of {found.asked:,} are doubtful")
    if rows:
        first = found.items[0]
        if first.suggested:
            verb = f"relabel {name} {first.suggested!r}"
            write(f"next: {program()} curate {verb} {first.id}")


def slices(
    name: Project,
    test: Annotated[
        bool,
        typer.Option("--test", help="The trained model on its test pictures, and no others."),
    ] = False,
    json: Json = False,
) -> None:
    """Accuracy on dark, blurred, small, … pictures and by source, with 95 % intervals.

    Each picture is told by a head that has not seen it. A slice's classes are compared with
    themselves outside of it.
    """
    found = tellapart.Project.open(name).workbench.slices("test" if test else "held_out")
    if json:
        emit({"name": name, **found.to_dict()})
        return
    rows = [
        (
            one.name,
            one.n,
            _percent(one.accuracy),
            f"{_percent(one.low)} to {_percent(one.high)}",
            _percent(one.expected),
            "weak" if one.weak else "",
            one.rule,
        )
        for one in found.slices
    ]
    head = ("slice", "pictures", "accuracy", "95 % interval", "elsewhere", "", "which")
    if rows:
        write(table(rows, header=head))
    if found.n:
        span = f"{_percent(found.low)} to {_percent(found.high)}"
        write(f"all: {_percent(found.accuracy)} of {found.n:,} ({span})")
    for note in found.notes:
        tell(note)


def shortcuts(name: Project, json: Json = False) -> None:
    """Classes that file size, shape, border, background or source alone give away."""
    found = tellapart.Project.open(name).workbench.shortcuts()
    if json:
        emit({"name": name, **found.to_dict()})
        return
    for one in found.shortcuts:
        write(one.sentence)
        span = f"{_percent(one.low)} to {_percent(one.high)}"
        write(f"  told from the others by that alone: {_percent(one.accuracy)} ({span}; 50 % is")
        write(f"  chance). {one.do}")
        if one.contradicting is not None and one.agreeing is not None:
            write(
                f"  The pictures themselves are told rightly in {_percent(one.agreeing)} where it "
                f"agrees, in {_percent(one.contradicting)} where it does not."
            )
    if not found.shortcuts and found.tried:
        write(f"none of {found.tried} pairs of class and cue stood out")
    for note in found.notes:
        tell(note)


def diff(
    name: Project,
    thresholds: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="Thresholds, such as off_topic=0.7.")
    ],
    json: Json = False,
) -> None:
    """What other thresholds would change, before they are set: nothing is stored."""
    found = tellapart.Project.open(name).workbench.diff(recipe_keys(thresholds))
    if json:
        emit({"name": name, **found.to_dict()})
        return
    for key, (before, after) in found.settings.items():
        write(f"{key}: {_value(before)} → {_value(after)}")
    write(
        f"kept: {found.kept_before:,} → {found.kept_after:,} "
        f"({found.gained:,} more, {found.lost:,} fewer, {found.renamed:,} for another reason)"
    )
    if found.moves:
        rows = [(one.n, one.label, _way(one), " ".join(one.ids[:3])) for one in found.moves]
        write(table(rows, header=("pictures", "class", "change", "such as")))
        pairs = " ".join(f"{key}={_value(value[1])}" for key, value in found.settings.items())
        write(f"next: {program()} curate set {name} {pairs}")
    for note in found.notes:
        tell(f"note: {note}")


def _part(one: Cluster) -> str:
    mark = " ! " if one.suspect else "   "
    notes = [f"kept {one.kept:,}"]
    if one.looks_like:
        notes.append(f"looks like {one.looks_like}")
    if one.suspect and one.better.exclude:
        notes.append(f"search for {one.better.query!r} without {', '.join(one.better.exclude)}")
    lines = [f"{mark}{one.key}  {one.sentence}", f"      {'; '.join(notes)}"]
    lines.append(f"      such as {' '.join(one.typical[:3])}")
    return "\n".join(lines)


def _way(one: Move) -> str:
    return f"{one.before or 'kept'} → {one.after or 'kept'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _value(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


#: The verbs that look, in the order of the help.
LOOKING: Sequence[Any] = (clusters, copies, doubtful, slices, shortcuts, diff)
