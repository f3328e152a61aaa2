"""The resident server from outside: its client `compute`, and its service under systemd."""

from __future__ import annotations

from typing import Annotated

import typer

from tellapart.cli import compute as asking
from tellapart.cli.console import emit, tell, write
from tellapart.cli.options import Json
from tellapart.cli.serve_unit import Limits, given, serve_unit
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
from tellapart.cli.up_unit import up_unit
from tellapart.errors import TellapartError
from tellapart.serving.unit import Unit

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
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE…]",
            help="What `serve` takes: zips, unpacked folders, projects' names.",
        ),
    ] = None,
    up: Annotated[
        bool, typer.Option("--up", help="Keep `tellapart up` running instead, the whole app.")
    ] = False,
    user: User = None,
    name: Name = "tellapart",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="TEXT",
            help="An option of `serve` (or `up`), as --option=--port=9000.",
        ),
    ] = None,
    memory: Annotated[
        str,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="The most memory it gets, such as 4G; 512M and 256M a worker, at least 2G; 6G "
            "with --up.",
        ),
    ] = "",
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
    """Write a hardened systemd unit that keeps `tellapart serve` running; start nothing.

    With --up it keeps the whole app running. Settings such as TELLAPART_URL or passwords go into
    the file that it names, which only its owner may read.
    """
    if up == bool(bundles):
        raise unusable(
            "Both --up and bundles were given." if up else "Neither --up nor a bundle was given.",
            "`service install BUNDLE…`, or `service install --up`",
        )
    scope = scope_of(user)
    limits = Limits(memory, cpus, run_as)
    if up:
        unit = up_unit(option or (), scope, name, limits)
    else:
        unit = serve_unit(bundles or (), option or (), scope, name, limits)
    place = place_of(scope, name)
    if dry_run:
        if json:
            emit({"unit": str(place), "text": unit.text()})
        else:
            write(unit.text().rstrip())
        return
    write_unit(place, unit.text(), unit.writes)
    said = remarks(place, scope)
    told = _next_up(unit) if up else _next(unit, given(option or ()))
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


def _facts(unit: Unit) -> list[str]:
    cores = f"{unit.cpus:g} core{'s' * (unit.cpus != 1)}"
    facts = [f"at most {unit.memory} of memory and {cores}; restarted whenever it ends or hangs"]
    if not unit.namespaces:
        facts.append(
            "This machine gives services of users no namespaces of their own: the unit has no "
            "walls around the file system. --system has them."
        )
    return facts


def _next_up(unit: Unit) -> list[str]:
    scope = f"--{unit.scope} " if unit.scope == "user" else ""
    lines = [
        f"systemctl {scope}daemon-reload",
        f"systemctl {scope}enable --now {unit.name}",
        f"journalctl {scope}-u {unit.name} -f    where the administrator's link stands",
        f"TELLAPART_URL, TELLAPART_MAIL … go into {unit.settings_file} (chmod 600)",
    ]
    if unit.scope == "user":
        lines.append("loginctl enable-linger    to keep it running while you are logged out")
    return lines


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
