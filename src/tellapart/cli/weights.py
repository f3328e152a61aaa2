"""`weights list` and `weights get`: the pretrained networks at hand, and how to get others."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli.console import emit, table, tell, write
from tellapart.cli.options import Json
from tellapart.errors import TellapartError

if TYPE_CHECKING:
    from tellapart.learn.weights import Weights

#: Beside the license of a model of ages and sexes.
_ASK = (
    "Ask also what it learned from: the known models of ages and sexes learned from sets of "
    "pictures that were gathered for research only (docs/people.md)."
)
_MORE = "Any network of timm: `tellapart weights get NAME` (from {hub})."


def list_(
    json: Json = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure the pictures/s of those not yet measured here."),
    ] = False,
) -> None:
    """List the pretrained networks at hand. Never uses the network."""
    from tellapart.learn import weights

    settings = tellapart.Settings.from_env()
    rows = []
    for each in weights.available(settings):
        try:
            rows.append(_row(each, settings, measure=measure))
        except TellapartError as error:  # one that cannot be made hides no other
            tell(f"{each.name}: {error.what}")
            rows.append(_row(each, settings, measure=False))
    if json:
        emit({"weights": rows})
        return
    write(
        table(
            [
                (
                    row["name"],
                    row["license"],
                    _millions(row["parameters"]),
                    row["size"] or "-",
                    "-" if row["pictures_per_second"] is None else row["pictures_per_second"],
                    row["source"],
                )
                for row in rows
            ],
            ("name", "license", "parameters", "size", "pictures/s here", "from"),
        )
    )
    tell(_MORE.format(hub=settings.hub_url))


def get(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="timm's name of the network; or yunet, or age_sex."),
    ],
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Its weights, safetensors or torch's own."),
    ] = None,
    license: Annotated[
        Path | None,
        typer.Option("--license", metavar="FILE", help="The license's text, for age_sex."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="You have read the license of age_sex and agree to it.")
    ] = False,
    json: Json = False,
) -> None:
    """Get a pretrained network, make it ready to use and measure it here.

    From FILE; else from the folder TELLAPART_WEIGHTS, the cache or the model hub. `yunet` finds
    faces; `age_sex` is the model that TELLAPART_AGE_SEX names, whose license is shown first.
    """
    from tellapart.learn import weights

    settings = tellapart.Settings.from_env()
    if name in ("yunet", "age_sex"):
        _get_faces(name, settings, file, license, yes=yes, json=json)
        return
    watch = _Bytes(name)
    try:
        found = weights.find(name, settings, file, watch)
    finally:
        watch.close()
    if found.note:
        tell(f"{found.name}: {found.note}")
    row = _row(found, settings, measure=True)
    if json:
        emit(row)
        return
    write(
        f"{row['name']}: {_millions(row['parameters'])} parameters, license {row['license']}, "
        f"{row['size']} × {row['size']} pixels, {row['pictures_per_second']} pictures/s here"
    )


def _get_faces(
    name: str,
    settings: tellapart.Settings,
    file: Path | None,
    license: Path | None,
    *,
    yes: bool,
    json: bool,
) -> None:
    """The models of faces, which are no networks of timm's."""
    from tellapart.learn.faces import models

    def accept(text: str) -> bool:
        tell(text.strip() + "\n")
        tell(_ASK)
        if yes:
            return True
        if not sys.stdin.isatty():
            tell("Nobody can be asked here: read it, then run the same command with --yes.")
            return False
        return typer.confirm("Do you agree to it?", err=True)

    if name == models.YUNET:
        found, under = models.get_detector(settings, file), models.DETECTOR_LICENSE
    else:
        if file is not None:
            settings = replace(settings, age_sex=str(file.absolute()))
        found, under = models.get_age_sex(settings, accept, license), "its own, shown above"
    row = {"name": name, "license": under, "path": str(found.path), "sha256": found.sha256}
    if json:
        emit(row)
    else:
        write(f"{name}: {found.path}, license {under}, SHA-256 {found.sha256}")


class _Bytes:
    """How much of a file is here, on one line of a terminal."""

    def __init__(self, name: str) -> None:
        self._name, self._shown = name, False

    def __call__(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._shown = True
            sys.stderr.write(f"\r{self._name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB")
            sys.stderr.flush()

    def close(self) -> None:
        if self._shown:
            sys.stderr.write("\n")


def _row(found: Weights, settings: tellapart.Settings, *, measure: bool) -> dict[str, Any]:
    """What is known of a file of weights; its speed measured where that is asked for."""
    from tellapart.learn import weights

    speed, size, license_ = None, found.size, found.license
    net = weights.of(found, None, settings) if measure else weights.ready(found, settings)
    if net is not None:
        size = net.size
        license_ = net.license
        speed = (weights.speed if measure else weights.known_speed)(net, settings)
    return {
        "name": found.name,
        "model": found.model,
        "license": license_,
        "parameters": found.parameters,
        "size": size,
        "pictures_per_second": speed,
        "source": found.source,
        "path": str(found.path),
        "sha256": found.sha256,
        "note": found.note,
    }


def _millions(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f} M"
