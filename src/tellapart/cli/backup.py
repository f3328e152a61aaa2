"""Verbs that copy everything away and put it back: backup, restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tellapart.cli.console import emit, tell, write
from tellapart.cli.options import Json, Quiet, Yes


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip to write; a new file.")],
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write everything to one file: database, pictures, projects, accounts. The app may run on.

    Folders given as data stay where they are and are not in it, nor is what can be made again.
    The file holds the accounts and the key of stored credentials: keep it as you keep those.
    """
    from tellapart.settings import Settings
    from tellapart.store.backup import back_up

    written = back_up(Settings.from_env(), file, _watch("written", quiet))
    if json:
        emit(written.to_dict())
    else:
        write(str(written.file))
        tell(f"{written.entries} files, {written.bytes / 1e6:,.1f} MB, each with its checksum")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only compare the file with its checksums.")
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Put a backup back into TELLAPART_HOME and its database; stop the app first.

    The file is checked whole before anything is replaced. What the home held is moved into
    `before-restore-TIME` in it; a PostgreSQL database's tables are replaced.
    """
    from tellapart.cli.upkeep import ask
    from tellapart.settings import Settings
    from tellapart.store import restore as restoring

    settings = Settings.from_env()
    watch = _watch("checked", quiet)
    if check:
        manifest = restoring.unpack(file, None, watch)
        count = len(manifest["entries"])
        if json:
            emit({"file": str(file), "created": manifest["created"], "entries": count})
        else:
            write(f"{file}: whole, of {manifest['created']}, {count} files")
        return
    if restoring.is_used(settings):
        ask(f"Replace what is in {str(settings.home)!r} by the backup?", yes)
    done = restoring.restore(settings, file, watch)
    if json:
        emit(done.to_dict())
        return
    write(f"restored: {done.home}, as it was at {done.created}")
    if done.refused:
        tell(
            f"{done.refused} contents, addresses or people were forgotten since that backup was "
            "written: run `tellapart forget --again` to forget them in it too"
        )
    if done.before is not None:
        tell(f"what was there lies in {done.before}; remove it when all is well")


def _watch(verb: str, quiet: bool) -> Callable[[int, int], None] | None:
    """Tell every tenth of the way, where there are more than 200 MB of it."""
    if quiet:
        return None
    told = 0

    def watch(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // max(total, 1)
        if total > 200e6 and tenth > told:
            told = tenth
            tell(f"{verb}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    return watch
