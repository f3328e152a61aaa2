"""The resident server from outside: its client `compute`, and its service under systemd."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import tellapart
from tellapart.cli import compute as asking
from tellapart.cli.console import emit, tell, write
from tellapart.cli.options import Json
from tellapart.cli.units import (
    own_text,
    place_of,
    remarks,
    remove_unit,
    scope_of,
    state_of,
    systemctl,
    unusable,
    write_unit,
)
from tellapart.errors import TellapartError
from tellapart.serving.unit import Scope, Unit

Name = Annotated[
    str, typer.Option("--name", "-n", metavar="NAME", help="What the service is called.")
]
User = Annotated[
    bool | None,
    typer.Option(
        "--user/--system",
        help="A service of yours, or of the machine. Default: of yours, for root the machine's.",
    ),
]
_SIZE = re.compile(r"[1-9][0-9]{0,14}[KMGT]?")


def compute(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Pictures; `-` reads standard input.")
    ],
    socket: Annotated[
        str | None,
        typer.Option(
            "--socket", metavar="PATH", help="The server's socket; default: where `serve` has it."
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="Ask over TCP: the server's host.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="Ask over TCP: its port (8080).")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="Give up on a picture after this (10)."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Which model; default: the server's.")
    ] = "",
    digits: Annotated[
        int | None, typer.Option("--digits", metavar="N", help="Digits after the point (2).")
    ] = None,
) -> None:
    """Ask the resident server: one line `P(first),P(second),…` a picture, in label order.

    Instead of probabilities: -2 no such file, -3 not a picture that can be analyzed, -4 no
    server, -1 anything else; a message on standard error then, and exit status 1.
    """
    # Reached where Typer is called directly: `entry` answers before it is imported.
    try:
        asked = asking.asked_for(
            paths,
            socket=socket,
            host=host,
            port=port,
            timeout=timeout,
            model=model,
            digits=digits,
        )
    except TellapartError as error:
        raise typer.Exit(asking.failed(error)) from None
    raise typer.Exit(asking.compute(asked))


def install(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE…", help="What `serve` takes: zips, unpacked folders, projects' names."
        ),
    ],
    user: User = None,
    name: Name = "tellapart",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="TEXT", help="An option of `serve`, as --option=--port=9000."
        ),
    ] = None,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="The most memory it gets, such as 2G.")
    ] = "2G",
    cpus: Annotated[
        float | None, typer.Option("--cpus", metavar="N", help="The most cores it gets; all.")
    ] = None,
    run_as: Annotated[
        str, typer.Option("--run-as", metavar="USER", help="With --system: whose rights it has.")
    ] = "",
    now: Annotated[
        bool, typer.Option("--now", help="Start it too, and at every boot or log-in.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the unit; write and start nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Write a hardened systemd unit that keeps `tellapart serve` running; start nothing."""
    scope = scope_of(user)
    if run_as and scope == "user":
        raise unusable("--run-as was given for a service of yours.", "--system with --run-as")
    if not _SIZE.fullmatch(memory):
        raise unusable(f"--memory is {memory!r}.", "bytes, or a number with K, M, G or T")
    if cpus is not None and not 0.01 <= cpus <= 4096:
        raise unusable(f"--cpus is {cpus:g}.", "a number of cores from 0.01 up")
    paths = [_bundle(text) for text in bundles]
    options = list(option or ())
    _check_options(options)
    unit = Unit(
        name=name,
        scope=scope,
        description=f"Tellapart serving {', '.join(path.name for path in paths)}",
        command=_command(paths, options, scope, name),
        reads=(*map(_folder, paths), *_program_folders()),
        writes=() if scope == "system" else (_cache(),),
        environment=_environment(scope, name),
        memory=memory,
        cpus=cpus or float(os.cpu_count() or 1),
        devices=_given(options).get("--device") == "cuda",
        stop_seconds=_stop_seconds(options),
        namespaces=scope == "system" or _has_namespaces(),
        run_as=run_as,
    )
    place = place_of(scope, name)
    if dry_run:
        if json:
            emit({"unit": str(place), "text": unit.text()})
        else:
            write(unit.text().rstrip())
        return
    write_unit(place, unit.text(), unit.writes)
    said = remarks(place, scope)
    told = _next(unit, _given(options))
    if now:
        systemctl(scope, "daemon-reload")
        systemctl(scope, "enable", "--now", place.name)
        told = told[2:]
    if json:
        emit({"unit": str(place), "started": now, "remarks": said, "next": told})
        return
    write(f"{'started' if now else 'written'}: {place}")
    tell("\n".join([*_facts(unit), *(f"systemd-analyze: {line}" for line in said)]))
    tell("\n".join(["next:", *(f"  {line}" for line in told)]))


def show(user: User = None, name: Name = "tellapart", json: Json = False) -> None:
    """Print the installed unit, and whether it runs."""
    scope = scope_of(user)
    place = place_of(scope, name)
    text = own_text(place)
    state = state_of(scope, place.name)
    if json:
        emit({"unit": str(place), "state": state, "text": text})
        return
    write(text.rstrip())
    tell(f"{place}: {state}")


def uninstall(user: User = None, name: Name = "tellapart", json: Json = False) -> None:
    """Stop the service and remove its unit. Bundles and their data stay."""
    scope = scope_of(user)
    place = place_of(scope, name)
    own_text(place)
    state = state_of(scope, place.name)
    if state != "unknown":
        systemctl(scope, "disable", "--now", place.name)
    remove_unit(place)
    if state != "unknown":
        systemctl(scope, "daemon-reload")
    stopped = state not in ("inactive", "unknown")
    if json:
        emit({"unit": str(place), "stopped": stopped})
    else:
        write(f"removed: {place}" + (" (it was running)" if stopped else ""))


def _bundle(text: str) -> Path:
    """What the unit names: a path, or a project's folder of versions, so that the newest runs.

    Raises what `serve` would: a unit for a bundle that cannot be loaded helps nobody.
    """
    from tellapart.bundle.archive import open_archive
    from tellapart.bundle.predictor import read_model
    from tellapart.cli.bundles import bundle_path
    from tellapart.serving.watching import bundles

    path = Path(text)
    path = (path if path.exists() else bundle_path(text).parent).absolute()
    for found in bundles([path]):
        with open_archive(found) as archive:
            read_model(archive)
    return path


def _folder(path: Path) -> Path:
    """What a service must see for a bundle to be replaced under it: a file by another one."""
    return path if path.is_dir() else path.parent


def _program_folders() -> list[Path]:
    import tellapart.cli

    package = Path(tellapart.cli.__file__ or "").resolve().parents[2]
    return [Path(sys.prefix), Path(sys.base_prefix), package]


def _command(paths: list[Path], options: list[str], scope: Scope, name: str) -> tuple[str, ...]:
    words = [sys.executable, "-P", "-m", "tellapart", "serve", *map(str, paths)]
    # A service of the user's finds the place where `compute` looks by itself.
    if scope == "system" and not {"--socket", "--no-socket"} & set(_given(options)):
        words += ["--socket", f"/run/{name}/tellapart.sock"]
    return (*words, *options)


def _given(options: list[str]) -> dict[str, str]:
    """Options of `serve` and their values."""
    return {name: value for name, _, value in (text.partition("=") for text in options)}


def _stop_seconds(options: list[str]) -> int:
    """What systemd waits for: as long as the server lets requests finish, and some more."""
    with contextlib.suppress(ValueError, OverflowError):
        return 20 + math.ceil(float(_given(options).get("--drain", 10)))
    return 30


def _check_options(options: list[str]) -> None:
    """Against what `serve` takes, so that a typo does not become a service that cannot start."""
    from tellapart.cli.app import build

    app: Any = build()
    verbs: Any = app if hasattr(app, "commands") else typer.main.get_command(app)
    known = {name for each in verbs.commands["serve"].params for name in each.opts}
    for name in _given(options):
        if name not in known:
            raise unusable(f"--option is {name!r}.", "an option of `tellapart serve`")


def _cache() -> Path:
    return tellapart.Settings.from_env().cache_dir


def _environment(scope: Scope, name: str) -> tuple[tuple[str, str], ...]:
    if scope == "system":
        return (("TELLAPART_HOME", f"/var/lib/{name}"),)
    home = os.environ.get("TELLAPART_HOME")
    return (("TELLAPART_HOME", str(Path(home).absolute())),) if home else ()


def _has_namespaces() -> bool:
    """Whether a user's processes may have namespaces here; some systems forbid them."""
    tool = shutil.which("unshare")
    if tool is None:
        return False
    done = subprocess.run(  # noqa: S603 - no word of it comes from outside
        [tool, "--user", "--mount", "--map-root-user", "true"], capture_output=True, timeout=10
    )
    return done.returncode == 0


def _facts(unit: Unit) -> list[str]:
    cores = f"{unit.cpus:g} core{'s' * (unit.cpus != 1)}"
    facts = [f"at most {unit.memory} of memory and {cores}; restarted whenever it ends or hangs"]
    if not unit.namespaces:
        facts.append(
            "This machine gives services of users no namespaces of their own: the unit has no "
            "walls around the file system. --system has them."
        )
    return facts


def _next(unit: Unit, options: dict[str, str]) -> list[str]:
    scope = f"--{unit.scope} " if unit.scope == "user" else ""
    lines = [
        f"systemctl {scope}daemon-reload",
        f"systemctl {scope}enable --now {unit.name}",
        f"journalctl {scope}-u {unit.name} -f",
        f"systemctl {scope}reload {unit.name}    after a bundle was replaced",
    ]
    port = options.get("--port", "8080")
    if unit.scope == "user":
        lines.append("loginctl enable-linger    to keep it running while you are logged out")
        there = options.get("--socket")
        lines.append(f"tellapart compute PICTURE{f' --socket {there}' if there else ''}")
    else:
        lines.append(f"tellapart compute PICTURE --port {port}")
    return lines
