"""Verbs on recipe files: schema, check, show, convert."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tellapart.cli.console import emit, plain, table, write
from tellapart.cli.options import Json
from tellapart.cli.progress import duration
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart import Recipe
    from tellapart.cli.planned import Planned

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A recipe, YAML or JSON, or a spec of the older program."),
]


def schema() -> None:
    """Print the JSON Schema of a recipe: every key, its meaning and its limits."""
    from tellapart.recipe import schema as recipe_schema

    write(jsonlib.dumps(recipe_schema(), indent=2))


def check(file: File, json: Json = False) -> None:
    """Check a recipe and print what would run, with the reason for each value.

    Of a network also the table of its layers, its size and how long an epoch may take.
    """
    from tellapart.cli.planned import plan
    from tellapart.recipe import canonical, resolve

    asked = _read(file)
    recipe, reasons = resolve(asked)
    values = canonical(recipe)
    if recipe.data is not None:
        values["data"] = str(recipe.data)
    planned = plan(recipe) if recipe.model_kind == "network" else None
    if json:
        shape: dict[str, Any] = {"recipe": values, "reasons": reasons, "notes": list(recipe.notes)}
        emit(shape if planned is None else {**shape, **planned.to_dict()})
        return
    if planned is not None:
        write(_network_text(planned, recipe))
    rows = [(path, _short(_at(values, path)), f"# {why}") for path, why in reasons.items()]
    write(table(rows))


def show(
    file: File,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="OUT.svg", help="Where to draw the network."),
    ] = None,
    json: Json = False,
) -> None:
    """Show the network of a recipe: its layers as a table, and drawn with --svg."""
    from tellapart.cli.planned import network_of
    from tellapart.report import network as drawn

    recipe = _read(file)
    network = network_of(recipe)
    if network is None:
        raise InputError(
            f"The recipe {str(file)!r} has no layers to show.",
            expected="a recipe that trains a network, and data whose shape is known",
            do="Write its `layers`; `tellapart recipe check` says what would run.",
        )
    if svg is not None:
        _write_file(svg, drawn.svg(network))
    if json:
        emit({"network": network.to_dict(), "svg": None if svg is None else str(svg)})
        return
    write(drawn.table(network))
    if svg is not None:
        write(f"drawing: {svg}")


def convert(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="NEW.yaml|NEW.json",
            help="Where to write it; default: YAML to standard output.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a recipe, or a spec of the older program, in this program's own spelling."""
    from tellapart.cli.spelling import as_json, as_yaml, prove
    from tellapart.recipe import asked
    from tellapart.recipe.quickml import convert as spell

    recipe = _read(file)
    values = spell(asked(recipe))
    if out is not None and out.suffix.lower() not in {".yaml", ".yml", ".json"}:
        raise InputError(
            f"--out is {str(out)!r}.",
            expected="a name that ends in .yaml, .yml or .json",
            do="Choose the form by the ending.",
        )
    form = "json" if out is not None and out.suffix.lower() == ".json" else "yaml"
    text = as_json(values) if form == "json" else as_yaml(values)
    prove(text, form, recipe)
    if out is not None:
        _write_file(out, text)
    if json:
        emit({"recipe": values, "out": None if out is None else str(out)})
    elif out is None:
        write(text.rstrip("\n"))
    else:
        write(f"written: {out}\n" + "\n".join(f"note: {note}" for note in recipe.notes))


def _read(file: Path) -> Recipe:
    from tellapart import registry
    from tellapart.recipe import read

    return read(file, sources=registry.names("source"))


def _network_text(planned: Planned, recipe: Recipe) -> str:
    from tellapart.report import network as drawn

    lines = []
    if planned.network is None:
        lines.append("network: its shapes are known once the data are read")
    else:
        lines.append(drawn.table(planned.network))
    if planned.epoch_seconds is not None:
        lines.append(
            f"an epoch: about {duration(planned.epoch_seconds)} here "
            f"({planned.samples:,} samples; an estimate)"
        )
    notes = [*recipe.notes, *(planned.network.notes if planned.network is not None else ())]
    lines += [f"note: {plain(note)}" for note in notes]
    return "\n".join([*lines, ""])


def _write_file(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.",
            expected="a file in a folder that is there and can be written to",
            do="Choose another path.",
        ) from None


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = list(value)
    text = jsonlib.dumps(value, ensure_ascii=False)
    return text if len(text) <= 48 else f"{text[:47]}…"
