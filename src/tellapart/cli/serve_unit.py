"""The unit of a `tellapart serve`: its command, and what it sees, writes and may use."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import typer

import tellapart
from tellapart.cli.units import unusable
from tellapart.serving.options import Options
from tellapart.serving.unit import Scope, Unit

_SIZE = re.compile(r"[1-9][0-9]{0,14}[KMGT]?")
#: MB that a server may need: its front with what waits, each worker with a large picture; at least.
_FRONT, _WORKER, _LEAST = 512, 256, 2048
#: Options of `serve` that name files, which a service would look for from the root folder.
_PATHS = ("--socket", "--tokens-file")


class Limits(NamedTuple):
    """What the service may use, and whose rights it has."""

    #: Empty: as much as its workers may need.
    memory: str = ""
    #: None: all cores of this machine.
    cpus: float | None = None
    #: Empty: nobody in particular.
    run_as: str = ""

    def check(self, scope: Scope) -> None:
        """Raises `InputError` for what cannot be."""
        if self.run_as and scope == "user":
            raise unusable("--run-as was given for a service of yours.", "--system with --run-as")
        if self.memory and not _SIZE.fullmatch(self.memory):
            raise unusable(f"--memory is {self.memory!r}.", "bytes, or a number with K, M, G or T")
        if self.cpus is not None and not 0.01 <= self.cpus <= 4096:
            raise unusable(f"--cpus is {self.cpus:g}.", "a number of cores from 0.01 up")


def serve_unit(
    bundles: Sequence[str], options: Sequence[str], scope: Scope, name: str, limits: Limits
) -> Unit:
    """The unit that serves `bundles` (paths or projects' names) with `options` of `serve`.

    Raises `InputError` for an option or a limit that cannot be, and what `serve` would raise for
    the bundles.
    """
    limits.check(scope)
    asked = check_options("serve", options, ["bundle.zip"])
    knobs = {field.name for field in fields(Options)} - {"bundles", "port", "socket", "tokens"}
    Options(**{name: value for name, value in asked.items() if name in knobs and value is not None})
    shares = _shares(asked, limits.cpus)
    options = [*map(_absolute, options), *(f"{name}={shares[name]}" for name in shares)]
    cores = float(os.cpu_count() or 1) if limits.cpus is None else limits.cpus
    workers = asked["workers"] or shares.get("--workers") or math.ceil(cores)
    paths = [_bundle(text) for text in bundles]
    return Unit(
        name=name,
        scope=scope,
        description=f"Tellapart serving {', '.join(map(_title, paths))}",
        command=_command(paths, options, scope, name),
        reads=(*map(_folder, paths), *program_folders()),
        writes=() if scope == "system" else (_cache(),),
        environment=environment(scope, name),
        memory=limits.memory or _memory(workers),
        cpus=cores,
        devices=given(options).get("--device") == "cuda",
        stop_seconds=_stop_seconds(options),
        namespaces=scope == "system" or has_namespaces(),
        run_as=limits.run_as,
    )


def given(options: Sequence[str]) -> dict[str, str]:
    """Options of `serve` and their values."""
    return {name: value for name, _, value in (text.partition("=") for text in options)}


def _absolute(option: str) -> str:
    name, equals, value = option.partition("=")
    return f"{name}={Path(value).absolute()}" if equals and name in _PATHS else option


def _shares(asked: Mapping[str, Any], cpus: float | None) -> dict[str, int]:
    """Workers and threads for a share of the cores: `serve` would count all of the machine's."""
    if cpus is None:
        return {}
    workers = asked["workers"] or math.ceil(cpus / (asked["threads"] or 1))
    found = {"workers": workers, "threads": max(1, math.floor(cpus / workers))}
    return {f"--{name}": number for name, number in found.items() if not asked[name]}


def _memory(workers: int) -> str:
    most = max(_LEAST, _FRONT + _WORKER * workers)
    return f"{most}M" if most % 1024 else f"{most // 1024}G"


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


def program_folders() -> list[Path]:
    """Where the program and its libraries lie: what a service must see."""
    import tellapart.cli

    package = Path(tellapart.cli.__file__ or "").resolve().parents[2]
    return [Path(sys.prefix), Path(sys.base_prefix), package]


def _command(paths: list[Path], options: Sequence[str], scope: Scope, name: str) -> tuple[str, ...]:
    words = [sys.executable, "-P", "-m", "tellapart", "serve", *map(str, paths)]
    # A service of the user's finds the place where `compute` looks by itself.
    if scope == "system" and not {"--socket", "--no-socket"} & set(given(options)):
        words += ["--socket", f"/run/{name}/tellapart.sock"]
    return (*words, *options)


def _stop_seconds(options: Sequence[str]) -> int:
    """What systemd waits for: as long as the server lets requests finish, and some more."""
    with contextlib.suppress(ValueError, OverflowError):
        return 20 + math.ceil(float(given(options).get("--drain", 10)))
    return 30


def _title(path: Path) -> str:
    """A bundle's name for people; of a project's `versions` the project's."""
    return path.parent.name if path.name == "versions" else path.name


def check_options(name: str, options: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
    """As the verb reads them, so that a typo does not become a service that cannot start.

    `words`: what the verb takes besides. Raises `InputError`.
    """
    from tellapart.cli.app import build

    app: Any = build()
    verbs: Any = app if hasattr(app, "commands") else typer.main.get_command(app)
    verb = verbs.commands[name]
    known = {opt for each in verb.params for opt in each.opts if opt.startswith("-")}
    for text in options:
        given_name = text.partition("=")[0]
        if given_name not in known:
            raise unusable(f"--option is {given_name!r}.", f"an option of `tellapart {name}`")
        _parsed(verb, [*words, text], text)  # alone: none may take the next one for its value
    return _parsed(verb, [*words, *options], " ".join(options))


def _parsed(verb: Any, arguments: Sequence[str], said: str) -> dict[str, Any]:
    """What the verb would get. Raises `InputError`."""
    try:
        with verb.make_context(verb.name, list(arguments)) as context:
            return dict(context.params)
    except Exception as error:
        speak = getattr(error, "format_message", None)  # Typer's own, or Click's of the same name
        if speak is None:
            raise
        what = f"--option is {said!r}: {speak()}"
        raise unusable(what, f"options as `tellapart {verb.name}` takes them") from error


def _cache() -> Path:
    return tellapart.Settings.from_env().cache_dir


def environment(scope: Scope, name: str) -> tuple[tuple[str, str], ...]:
    """Where a service keeps its things."""
    if scope == "system":
        return (("TELLAPART_HOME", f"/var/lib/{name}"),)
    home = os.environ.get("TELLAPART_HOME")
    return (("TELLAPART_HOME", str(Path(home).absolute())),) if home else ()


def has_namespaces() -> bool:
    """Whether a user's processes may have namespaces here; some systems forbid them."""
    tool = shutil.which("unshare")
    if tool is None:
        return False
    done = subprocess.run(  # noqa: S603 - no word of it comes from outside
        [tool, "--user", "--mount", "--map-root-user", "true"], capture_output=True, timeout=10
    )
    return done.returncode == 0
