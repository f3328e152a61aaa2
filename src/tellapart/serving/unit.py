"""A systemd unit for a server: what runs, what it may use, and what it must not touch.

The settings are those of systemd.exec(5) and systemd.resource-control(5). `MemoryDenyWriteExecute`
is not among them: engines write machine code for the processor that they find.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tellapart.errors import InputError

Scope = Literal["user", "system"]

#: The first line of every unit that we write; no other file is ever replaced or removed.
MARK = "# Written by `tellapart service install`."

#: What a process in its own namespace of mounts and users is kept from, in both scopes.
_SANDBOX = """\
ProtectSystem=strict
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
"""
#: What needs no namespace.
_FILTERS = """\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077
"""
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - named, not used


@dataclass(frozen=True)
class Unit:
    """One service. `text` is the unit's file."""

    name: str
    scope: Scope
    description: str
    #: The program's absolute path and its arguments.
    command: tuple[str, ...]
    #: Folders that the program must see, wherever they are.
    reads: tuple[Path, ...] = ()
    #: Folders that it writes to; one that is missing is passed over.
    writes: tuple[Path, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    #: A file of further settings, such as passwords, that a unit's own file must not show; None:
    #: there is none. It may be missing.
    settings_file: Path | None = None
    #: Whether SIGHUP means "load anew" to the program.
    reloads: bool = True
    #: Bytes, or a number with K, M, G or T.
    memory: str = "2G"
    cpus: float = 1.0
    #: What it gets to finish what is begun.
    stop_seconds: int = 30
    #: Whether it may open devices such as a GPU.
    devices: bool = False
    #: Whether the machine lets a user's services have namespaces of their own.
    namespaces: bool = True
    #: Who runs it; empty: a user that systemd makes up (system), or whoever installs it (user).
    run_as: str = ""

    def text(self) -> str:
        """The unit's file. Raises `InputError` for a path that a unit cannot hold."""
        return "\n".join(
            [
                MARK,
                "[Unit]",
                f"Description={_specified(self.description)}",
                "Documentation=https://github.com/tellapart/tellapart",
                "After=network.target",
                # A bundle that comes back is served again, however long it was away.
                "StartLimitIntervalSec=0",
                "",
                "[Service]",
                *self._running(),
                "",
                "# Limits",
                f"MemoryMax={self.memory}",
                f"CPUQuota={self.cpus * 100:g}%",
                "TasksMax=512",
                "LimitNOFILE=65536",
                # A worker that ran out of memory is replaced; the service goes on.
                "OOMPolicy=continue",
                "",
                "# What it must not touch",
                *self._walls(),
                "",
                "[Install]",
                f"WantedBy={'default' if self.scope == 'user' else 'multi-user'}.target",
                "",
            ]
        )

    def _running(self) -> list[str]:
        lines = [
            "Type=notify",
            "NotifyAccess=main",
            "ExecStart=" + " ".join(quoted(word, command=True) for word in self.command),
            *(["ExecReload=/bin/kill -HUP $MAINPID"] if self.reloads else []),
            "Restart=always",
            "RestartSec=2",
            "WatchdogSec=30",
            "TimeoutStartSec=120",
            f"TimeoutStopSec={self.stop_seconds}",
            # The front drains; it ends the workers itself.
            "KillMode=mixed",
        ]
        lines += [f"Environment={quoted(f'{k}={v}')}" for k, v in self.environment]
        if self.settings_file is not None:
            # Its first letter lets the file be missing; systemd reads it before it gives up rights.
            lines += [f"EnvironmentFile=-{_specified(str(self.settings_file))}"]
        if self.scope == "system":
            lines += [f"User={_specified(self.run_as)}"] if self.run_as else ["DynamicUser=yes"]
            lines += [f"StateDirectory={self.name}", f"RuntimeDirectory={self.name}"]
            lines += ["RuntimeDirectoryMode=0755"]
        return lines

    def _walls(self) -> list[str]:
        lines = _FILTERS.splitlines()
        if self.scope == "system":
            lines += ["CapabilityBoundingSet=", "AmbientCapabilities=", "RemoveIPC=yes"]
            lines += ["ProtectProc=invisible"]
        elif not self.namespaces:
            return lines
        else:
            lines += ["PrivateUsers=yes"]  # what lets a user's service have the rest
        lines += [] if self.devices else ["PrivateDevices=yes"]
        lines += _SANDBOX.splitlines()
        if self.scope == "user":
            hidden = [path for path in self.reads if _below(path, _HIDDEN[3:])]
            # Bound over themselves: `ReadWritePaths` is lost below a home that is read-only.
            lines += ["ProtectHome=read-only", "BindPaths=%t"]
        else:
            hidden = [path for path in self.reads if _below(path, _HIDDEN)]
            lines += ["ProtectHome=tmpfs" if hidden else "ProtectHome=yes"]
        lines += [f"BindReadOnlyPaths={quoted(str(path))}" for path in _roots(hidden)]
        return lines + [f"BindPaths={quoted(f'-{path}')}" for path in self.writes]


def quoted(word: str, *, command: bool = False) -> str:
    """One word as a unit's file writes it; `command`: where `$` too has a meaning.

    Raises `InputError` for a line break or another control character.
    """
    if not word.isprintable():
        raise InputError(
            f"The path or value {word!r} holds a character that a unit's file cannot.",
            expected="printable characters",
            do="Rename it.",
        )
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + (word.replace("$", "$$") if command else word) + '"'


def _specified(text: str) -> str:
    return quoted(text)[1:-1]


def _below(path: Path, folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _roots(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that lie in another of them."""
    found = sorted(set(paths))
    return [p for p in found if not any(p != o and p.is_relative_to(o) for o in found)]
