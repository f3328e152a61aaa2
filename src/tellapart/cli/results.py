"""Results for people and for programs: the same figures, said in both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tellapart.cli.console import emit, program, tell, write
from tellapart.cli.progress import duration

if TYPE_CHECKING:
    from tellapart import Project, Result


def show(result: Result, *, quiet: bool, as_json: bool) -> None:
    """The outcome of a run through the whole chain."""
    if as_json:
        emit(result.to_dict())
    elif quiet:
        write(str(result.bundle))
    else:
        kind = data_kind(result.name)
        lines = [
            f"{result.name}, version {result.version}",
            pictures(result.pictures, kind),
            accuracy(result.metrics, kind),
            *(f"note: {note}" for note in result.notes),
            f"time: {duration(result.seconds.get('total', 0.0))}",
            f"report: {report(result.name)}",
            f"bundle: {result.bundle}",
            f"next: {program()} predict {result.name} {_GIVEN[kind]}",
        ]
        write("\n".join(line for line in lines if line))


def show_step(step: str, project: Project, result: Result, *, quiet: bool, as_json: bool) -> None:
    """The outcome of one step by its own verb."""
    if as_json:
        shape = result.to_dict()
        if step != "package":
            shape.update(version=None, bundle=None)
        emit({"step": step, **shape})
    elif step == "package":
        show(result, quiet=quiet, as_json=False)
    elif not quiet:
        kind = project.recipe.data_kind
        lines = [pictures(result.pictures, kind)]
        if step == "evaluate":
            lines.append(accuracy(result.metrics, kind))
            lines.append(f"report: {report(project.name)}")
        lines += [f"note: {note}" for note in result.notes]
        lines.append(f"next: {_next(step, again=bool(project.versions()))} {project.name}")
        write("\n".join(line for line in lines if line))


def _next(step: str, *, again: bool) -> str:
    """What leads on from a step; where a bundle is there already, the way to the next one."""
    from tellapart import ORDER

    return f"{program()} {ORDER[-1] if again else ORDER[ORDER.index(step) + 1]}"


def report(name: str) -> str:
    """Where the report of the latest run lies, with the pictures in it."""
    import tellapart

    folder = tellapart.Settings.from_env().projects_dir / name
    return str(folder / "work" / "report.html")


def data_kind(name: str) -> str:
    """Of the project's data: `pictures`, `arrays` or `table`."""
    import tellapart

    with tellapart.Project.open(name) as project:
        return project.recipe.data_kind


def pictures(counts: Mapping[str, Any], kind: str = "pictures") -> str:
    """`pictures: 210 found, 180 kept, 30 set aside (near_duplicate 20, …)`; or `rows: …`."""
    text = (
        f"{'rows' if kind == 'table' else 'pictures'}: {counts.get('found', 0)} found, "
        f"{counts.get('kept', 0)} kept, {counts.get('set_aside', 0)} set aside"
    )
    reasons = counts.get("reasons") or {}
    return text + (f" ({_numbers(reasons)})" if reasons else "")


def accuracy(metrics: Mapping[str, Any], kind: str = "pictures") -> str:
    """The figure with its interval and what always guessing the commonest class would give."""
    if "accuracy" not in metrics:
        return ""
    share = {key: f"{100 * float(metrics[key]):.1f} %" for key in _SHARES if key in metrics}
    text = f"accuracy: {share['accuracy']}"
    if "low" in share and "high" in share:
        text += f" (95 % interval {share['low']} to {share['high']}"
        word = "rows" if kind == "table" else "pictures"
        text += f", {metrics['n']} test {word})" if "n" in metrics else ")"
    if "baseline" in share:
        text += f"; always the commonest class: {share['baseline']}"
    return text


#: What a bundle made of this kind of data is asked about.
_GIVEN = {"pictures": "PICTURE", "arrays": "PICTURE", "table": "ROWS.csv"}
_SHARES = ("accuracy", "low", "high", "baseline")


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{word} {number}" for word, number in counts.items())


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Say what a change of thresholds did, on standard error."""
    was, now = before.get("kept", 0), after.get("kept", 0)
    if was != now:
        tell(f"kept: {was} before, {now} now")


def failures(counts: Mapping[str, Any]) -> list[str]:
    """What could not be had, by status and reason; nothing where nothing failed."""
    found = counts.get("failures") or {}
    return [f"not had: {_numbers(found)}"] if found else []
