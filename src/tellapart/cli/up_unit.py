"""The unit of a `tellapart up`: its command, and what it sees, writes and may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import tellapart
from tellapart.cli.hosting import is_own
from tellapart.cli.serve_unit import (
    Limits,
    check_options,
    environment,
    given,
    has_namespaces,
    program_folders,
)
from tellapart.cli.units import unusable
from tellapart.serving.unit import Scope, Unit

#: Pages, a worker and a network in training; a run that needs more fails alone.
_MEMORY = "6G"


def up_unit(options: Sequence[str], scope: Scope, name: str, limits: Limits) -> Unit:
    """The unit that keeps the app running, with `options` of `up`.

    Raises `InputError` for an option or a limit that cannot be.
    """
    limits.check(scope)
    asked = check_options("up", options, [])
    if not is_own(str(asked["host"])) and not asked["behind_proxy"]:
        raise unusable("--option=--host was given without a proxy.", "--option=--behind-proxy too")
    options = [option for option in options if option != "--no-browser"]
    return Unit(
        name=name,
        scope=scope,
        description="Tellapart: pages, REST and workers",
        command=(sys.executable, "-P", "-m", "tellapart", "up", "--no-browser", *options),
        reads=tuple(program_folders()),
        writes=() if scope == "system" else (tellapart.Settings.from_env().home.absolute(),),
        environment=environment(scope, name),
        settings_file=_settings_file(scope, name),
        reloads=False,
        memory=limits.memory or _MEMORY,
        cpus=float(os.cpu_count() or 1) if limits.cpus is None else limits.cpus,
        stop_seconds=20 + int(float(given(options).get("--drain", 20))),
        namespaces=scope == "system" or has_namespaces(),
        run_as=limits.run_as,
    )


def _settings_file(scope: Scope, name: str) -> Path:
    """Where passwords and addresses go: a file that its owner alone may read."""
    if scope == "system":
        return Path("/etc") / f"{name}.env"
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder else Path.home() / ".config") / "tellapart" / f"{name}.env"
