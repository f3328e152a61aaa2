"""Verbs on a finished bundle: predict, verify, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import tellapart
from tellapart.cli.console import emit, table, tell, write
from tellapart.cli.options import BundlePath, Json, Quiet
from tellapart.cli.rows import predict_rows
from tellapart.cli.why import explained
from tellapart.errors import InputError, NotFoundError, TellapartError

if TYPE_CHECKING:
    from tellapart import Bundle, Prediction

_TOGETHER = 64
_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ppm"}
)


def predict(
    bundle: BundlePath,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE…|ROWS.csv",
            help="Pictures: files, folders, http(s) addresses. For a table's model: CSV files. "
            "- is standard input.",
        ),
    ],
    why: Annotated[
        Path | None,
        typer.Option(
            "--why", metavar="OUT.png", help="Write the picture with what speaks for its class lit."
        ),
    ] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="The answers to rows as CSV: label and probabilities.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what is on pictures, or that it is none of the classes; or answer the rows of a table.

    With --why and a project's name, the training pictures nearest to it that speak for and
    against the answer are listed too, each with what the probability would be without it.

    A picture or row that cannot be used is named on standard error; the others are answered all
    the same, and the exit code is that of the first such one. Rows are matched by the names in
    the file's first line, or else by place; where the file has the right answers too, the
    accuracy is said. With --json, rows are answered one object a line.
    """
    model = tellapart.Bundle.load(bundle_path(bundle))
    if model.columns is not None and why is None:
        predict_rows(model, inputs, csv, json)
        return
    if csv:
        raise InputError(
            f"--csv was given, but {model.name!r} answers pictures.",
            expected="--csv with a model for tables alone",
            do="Leave it out, or take --json.",
        )
    if why is not None:
        _explain(model, None if Path(bundle).exists() else bundle, inputs, why, json)
        return
    rows: list[dict[str, Any]] = []
    failed: TellapartError | None = None
    names = list(_expanded(inputs))
    for name, found in _predictions(model, names):
        rows.append({"picture": name, **found.to_dict()})
        if found.error is not None:
            failed = failed or found.error
            if len(names) == 1:
                raise found.error
            tell(f"error: {name}: {found.error}")
        elif not json:
            write(_sentence(model, name, found))
    if json:
        emit({"name": model.name, "version": model.version, "predictions": rows})
    if failed is not None:
        raise typer.Exit(failed.exit_code)


def verify(bundle: BundlePath, quiet: Quiet = False, json: Json = False) -> None:
    """Prove that a bundle is whole and answers as it did when it was made."""
    report = tellapart.verify(bundle_path(bundle))
    if json:
        emit(report.to_dict())
    elif not quiet:
        write(
            f"{report.name}, version {report.version}: whole and true\n"
            f"{report.files} files match their sums; {report.golden} golden {report.kind}s are "
            f"answered within {report.max_difference:.1g} ({report.engine})"
            + ("" if report.finished else "\nIts training was stopped before its end.")
        )


def export(
    bundle: BundlePath,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="What to write: onnx, coreml, model-repository; its pictures as dataset, "
            "autotrain, fiftyone, labelstudio, roboflow, webdataset.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="Where to; default: here, by its name."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write one format out of a bundle: its model, its data set, Core ML, or for other servers."""
    from tellapart import registry

    exporter = registry.load("exporter", format)()
    model = tellapart.Bundle.load(bundle_path(bundle))
    suffix = ".onnx" if format == "onnx" else f"-{format}"
    target = out or Path(f"{model.name}-{model.version}{suffix}")
    written = exporter.export(model, target)
    if json:
        shape = {"name": model.name, "version": model.version, "format": format}
        emit({**shape, "path": str(written)})
    else:
        write(str(written) if quiet else f"{format}: {written}")


def bundle_path(text: str) -> Path:
    """The bundle at this path, or the latest of the project of this name."""
    from tellapart.recipe import guess, is_name

    path = Path(text)
    if path.exists():
        return path
    names = tellapart.Project.names()
    if is_name(text) and text in names:
        return tellapart.Project.open(text).bundle_path
    near = guess(text, names)
    raise NotFoundError(
        f"There is no bundle {text!r}, and no project of that name.",
        expected="the path of a bundle's zip or folder, or a project's name",
        do=f"Did you mean the project {near!r}?" if near else "`tellapart list` shows projects.",
    )


def _expanded(pictures: Sequence[str]) -> Iterator[str]:
    for text in pictures:
        folder = Path(text)
        if text == "-" or _is_address(text) or not folder.is_dir():
            yield text
            continue
        inside = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        if not inside:
            raise InputError(
                f"The folder {text!r} holds no pictures.",
                expected="files such as .jpg or .png in it",
                do="Give another folder, or the files themselves.",
            )
        yield from map(str, inside)


def _predictions(model: Bundle, names: Sequence[str]) -> Iterator[tuple[str, Prediction]]:
    """Each picture with its answer, in order; memory stays bounded."""
    for start in range(0, len(names), _TOGETHER):
        part = names[start : start + _TOGETHER]
        inputs = [_input(name) for name in part]
        usable = [item for item in inputs if not isinstance(item, TellapartError)]
        answers = iter(model.predict(usable))
        for name, item in zip(part, inputs, strict=True):
            if isinstance(item, TellapartError):
                yield name, tellapart.Prediction(None, {}, False, 0.0, None, item)
            else:
                yield name, next(answers)


def _input(name: str) -> Path | bytes | TellapartError:
    try:
        return _read(name)
    except TellapartError as error:
        return error


def _read(name: str) -> Path | bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    if _is_address(name):
        from tellapart.fetch import fetch_one

        return fetch_one(name, tellapart.Settings.from_env()).data
    return Path(name)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://", "data:"))


def _sentence(model: Bundle, name: str, found: Prediction) -> str:
    odds = table(
        (f"  {label}", f"{100 * share:.1f} %")
        for label, share in sorted(found.probabilities.items(), key=lambda item: -item[1])[:5]
    )
    if found.label is not None:
        head = f"{name}: {found.label}"
    else:
        head = f"{name}: none of these (nearest: {found.best})"
    least = model.manifest["thresholds"]["familiarity"]
    rule = "" if least is None else f" (below {least:.2f}: none of these)"
    if found.familiarity is None:
        return f"{head}\n{odds}"
    return f"{head}\n{odds}\n  familiarity {found.familiarity:.2f}{rule}"


def _explain(
    model: Bundle, project: str | None, pictures: Sequence[str], out: Path, as_json: bool
) -> None:
    if len(pictures) != 1 or Path(pictures[0]).is_dir():
        raise InputError(
            f"--why was given with {len(pictures)} pictures or a folder.",
            expected="one picture, whose map is written",
            do="Give the pictures one at a time.",
        )
    found, lines, more = explained(model, project, _read(pictures[0]), out)
    if as_json:
        rows = [{"picture": pictures[0], **found.to_dict(), **more}]
        emit({"name": model.name, "version": model.version, "predictions": rows})
    else:
        write("\n".join([_sentence(model, pictures[0], found), *lines]))
