"""What `python NAME.zip` does: predict and verify with numpy, Pillow and onnxruntime alone."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart import telemetry
from tellapart.errors import InputError, MissingExtraError, TellapartError

if TYPE_CHECKING:
    from tellapart.bundle.predictor import Bundle, Picture


def main(bundle: Path, arguments: Sequence[str] | None = None) -> int:
    """Run one command on the bundle at `bundle`; return the exit code."""
    telemetry.off()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a letter shows a `?`; it never ends a command.
            stream.reconfigure(errors="replace")
    asked = _parser(bundle).parse_args(arguments)
    try:
        code: int = asked.run(bundle, asked)
    except TellapartError as error:
        _complain(error)
        return error.exit_code
    except ImportError as error:
        missing = MissingExtraError(
            f"The module {error.name!r} is not installed.",
            expected="numpy, Pillow and onnxruntime",
            do="Run `pip install numpy pillow onnxruntime`.",
        )
        _complain(missing)
        return missing.exit_code
    except KeyboardInterrupt:
        return 130
    return code


def _parser(bundle: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python {bundle.name}", description="A classifier that runs by itself."
    )
    commands = parser.add_subparsers(required=True, metavar="predict|verify")
    predict = commands.add_parser("predict", help="say what is on pictures, or of rows")
    predict.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="a picture, or a CSV file where the bundle is for tables; -: the input",
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="the answers to rows as CSV")
    predict.add_argument("--why", metavar="OUT.png", help="draw what spoke for the first one")
    predict.set_defaults(run=_predict)
    verify = commands.add_parser("verify", help="prove that the bundle is whole and right")
    verify.add_argument("--json", action="store_true", help="the report as one JSON object")
    verify.set_defaults(run=_verify)
    return parser


def _predict(path: Path, asked: argparse.Namespace) -> int:
    from tellapart.bundle.predictor import Bundle

    bundle = Bundle.load(path)
    if bundle.columns is not None and asked.why is None:
        return max(_predict_rows(bundle, name, asked) for name in asked.inputs)
    if asked.csv:
        raise InputError(
            f"--csv was given, but the bundle {bundle.name!r} answers pictures.",
            expected="--csv with a bundle for tables alone",
            do="Leave it out, or take --json.",
        )
    piped = sys.stdin.buffer.read() if "-" in asked.inputs else b""
    pictures: list[Picture] = [piped if name == "-" else name for name in asked.inputs]
    if asked.why:
        _why(bundle, pictures[0], Path(asked.why))
    worst = 0
    for name, found in zip(asked.inputs, bundle.stream(pictures), strict=True):
        if asked.json:
            _say(json.dumps({"picture": name, **found.to_dict()}, ensure_ascii=False))
        elif found.error is None:
            best = f"{found.best} {found.probabilities[found.best or '']:.3f}"
            _say(f"{name}: " + (f"none of these (nearest: {best})" if found.abstained else best))
        if found.error is not None:
            _complain(found.error)
            worst = found.error.exit_code
    return worst


def _predict_rows(bundle: Bundle, name: str, asked: argparse.Namespace) -> int:
    from tellapart.bundle import answering
    from tellapart.bundle.row_files import open_rows

    source = sys.stdin.buffer if name == "-" else Path(name)
    form: answering.Form = "json" if asked.json else "csv" if asked.csv else "table"
    with open_rows(source, bundle.row_reader) as rows:
        tally = answering.answer(bundle, rows, form, _say, _complain)
        said = answering.notes(rows, tally)
    if asked.json:
        _say(json.dumps({"name": bundle.name, "version": bundle.version, **tally.to_dict()}))
    elif asked.csv:
        said.append(tally.sentence())
    else:
        _say(tally.sentence())
    for line in said:
        sys.stderr.write(line + "\n")
    return 0 if tally.error is None else tally.error.exit_code


def _why(bundle: Bundle, picture: Picture, out: Path) -> None:
    found, image = bundle.why(picture)
    if found.map_kind == "occlusion":
        sys.stderr.write("The model gives no map: the picture was covered bit by bit.\n")
    try:
        image.save(out)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The picture {str(out)!r} cannot be written: {error}.",
            expected="the name of a .png or .jpg file in a folder that can be written to",
            do="Choose another name for --why.",
        ) from None


def _verify(path: Path, asked: argparse.Namespace) -> int:
    from tellapart.bundle.verify import verify

    report = verify(path)
    if asked.json:
        _say(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        _say(
            f"{report.name} {report.version} is whole: {report.files:,} files; "
            f"{report.golden} golden {report.kind}s within {report.max_difference:.1g}."
        )
        if not report.finished:
            _say("Its training was stopped before its end.")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _complain(error: TellapartError) -> None:
    sys.stderr.write(f"{error}\n")
