"""The verb that writes data sets of one's own as other programs read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli.console import emit, write
from tellapart.cli.options import Json, Quiet


def convert(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="A labelled folder, list, zip or tar, of any format in docs."
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="autotrain|fiftyone|labelstudio|roboflow|webdataset",
            help="What to write.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="Where to; default: here, by its name."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write a labelled data set of yours as another program reads it. Nothing is changed in it."""
    from tellapart.steps import converting

    path = data.expanduser().absolute()
    target = out or Path(f"{path.stem if path.is_file() else path.name}-{format}")
    done = converting.convert(path, format, target)
    if json:
        shape = {"path": str(done.path), "format": format, "classes": dict(done.classes)}
        emit({**shape, "left_out": dict(done.left_out)})
        return
    if quiet:
        write(str(done.path))
        return
    pictures = sum(done.classes.values())
    write(f"{format}: {done.path} ({pictures:,} pictures of {len(done.classes):,} classes)")
    if done.left_out:
        words = ", ".join(f"{word} {count:,}" for word, count in done.left_out.items())
        write(f"left out: {words}")
