"""`predict` with a model for tables: whole CSV files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tellapart.cli.console import complain, emit, tell, write
from tellapart.errors import InputError, TellapartError

if TYPE_CHECKING:
    from tellapart import Bundle
    from tellapart.bundle import answering


def predict_rows(model: Bundle, names: Sequence[str], as_csv: bool, as_json: bool) -> None:
    """Answer files of rows, each in full before the next."""
    from tellapart.bundle import answering
    from tellapart.bundle.row_files import open_rows

    if as_csv and (as_json or len(names) > 1):
        raise InputError(
            f"--csv was given with {'--json' if as_json else f'{len(names)} files'}.",
            expected="one form of output, and one file for --csv",
            do="Give one of --csv and --json, or the files one at a time.",
        )
    form: answering.Form = "json" if as_json else "csv" if as_csv else "table"
    failed: TellapartError | None = None
    for name in names:
        source = sys.stdin.buffer if name == "-" else Path(name)
        with open_rows(source, model.row_reader) as rows:
            tally = answering.answer(model, rows, form, write, complain)
            said = answering.notes(rows, tally)
        failed = failed or tally.error
        if as_json:
            shape = {"name": model.name, "version": model.version, "file": name}
            emit({**shape, **tally.to_dict()})
        elif as_csv:
            said.append(tally.sentence())
        else:
            write(tally.sentence())
        for line in said:
            tell(line)
    if failed is not None:
        raise typer.Exit(failed.exit_code)
