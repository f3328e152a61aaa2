"""Tell systemd how the service stands: ready, stopping, alive.

The protocol is one datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)), so that no
library is needed. Outside of systemd nothing is sent.
"""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send `state`, such as `READY=1` or `STOPPING=1\\nSTATUS=…`; whether it was sent.

    A notification that cannot be sent never ends a service: False is all that comes of it.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):  # unset, or of a family that systemd names otherwise
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(1.0)  # the event loop calls this: a full queue must not hold it
            channel.connect(address)
            return channel.send(state.encode()) > 0
    except OSError:
        return False


def watchdog_interval() -> float | None:
    """Seconds after which systemd takes this process for hung; None where it does not watch.

    Send `WATCHDOG=1` at half of it (sd_watchdog_enabled(3)).
    """
    try:
        microseconds = int(os.environ.get("WATCHDOG_USEC", ""))
        watched = int(os.environ.get("WATCHDOG_PID", "") or os.getpid())
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and watched == os.getpid() else None
