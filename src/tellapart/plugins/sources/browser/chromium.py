"""A headless Chromium that cannot reach any network by itself.

Two walls, each enough alone: a network namespace with nothing in it (Linux, where the kernel lets
us make one); and a proxy that nobody answers at, for every address, this machine's too, with a
resolver that knows no name. What its pages ask for is answered by us, over its control pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tellapart.errors import FetchError, MissingExtraError
from tellapart.settings import Settings

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import BrowserContext, Playwright
    from playwright.async_api._context_manager import PlaywrightContextManager

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
#: Seconds for its start, and for its end.
_START, _END = 60.0, 15.0
#: What the browser gets to know of our environment: no secret of ours is among it.
_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE")
_ARGUMENTS = (
    # No name resolves, and what needs none meets the dead proxy.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--dns-prefetch-disable",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-notifications",
    "--disable-speech-api",
    "--disable-3d-apis",
    "--deny-permission-prompts",
    "--block-new-web-contents",
    "--mute-audio",
    "--disable-dev-shm-usage",
    "--renderer-process-limit=3",
    "--js-flags=--max-old-space-size=512",
)
#: Ways around a proxy that a page's script could try are taken from it at once; where it finds
#: them again, in a worker say, the walls stand.
_WITHOUT = """for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "WebTransport",
"WebSocketStream", "SharedWorker"]) { try { delete window[name]; } catch {} }"""
_WRAPPER = """#!/bin/sh
if [ "$1" = --probe ]; then set -- true; else set -- "{program}" "$@"; fi
exec "{unshare}" --user --map-current-user --net -- "$@"
"""


class Chromium:
    """One browser process, started on first use; every context of it is new and kept nowhere."""

    def __init__(self, settings: Settings, user_agent: str, *, namespace: bool = True) -> None:
        self._settings = settings
        self._agent = user_agent
        #: False: do without a network namespace, as other systems do.
        self._namespace = namespace
        self._lock = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._browser: PlaywrightBrowser | None = None

    async def context(self) -> BrowserContext:
        """A new context: no cookie, no cache, no download, no service worker.

        Raises `FetchError` (`no_browser`) where Chromium is missing or does not start.
        """
        async with self._lock:
            if self._browser is None or not self._browser.is_connected():
                await self._stop()
                self._browser = await self._start()
        context = await self._browser.new_context(
            accept_downloads=False,
            service_workers="block",
            user_agent=self._agent,
            viewport={"width": 1280, "height": 2400},
            reduced_motion="reduce",
            permissions=[],
        )
        await context.add_init_script(_WITHOUT)
        return context

    async def aclose(self) -> None:
        """End the browser; nothing of it stays on disk."""
        async with self._lock:
            await self._stop()

    async def _stop(self) -> None:
        self._browser, opened, self._open = None, self._open, contextlib.AsyncExitStack()
        with contextlib.suppress(Exception):
            await opened.aclose()

    async def _start(self) -> PlaywrightBrowser:
        program = find(self._settings)
        start = _playwright()
        try:
            async with contextlib.AsyncExitStack() as stack:
                folder = Path(
                    stack.enter_context(
                        tempfile.TemporaryDirectory(
                            # Short: the path of a socket in it must not be long.
                            prefix="tellapart-",
                            ignore_cleanup_errors=True,
                        )
                    )
                )
                # Bound, and never listened at: whoever connects is refused, and nobody else can
                # take the port while we hold it.
                dead = stack.enter_context(socket.socket())
                dead.bind(("127.0.0.1", 0))
                if self._namespace:
                    program = await _alone(program, folder) or program
                playwright: Playwright = await start().start()
                stack.push_async_callback(_bounded, playwright.stop)
                browser = await playwright.chromium.launch(
                    executable_path=program,
                    args=list(_ARGUMENTS),
                    env=_environment(folder),
                    chromium_sandbox=self._settings.chromium_sandbox and os.geteuid() != 0,
                    proxy={"server": f"http://127.0.0.1:{dead.getsockname()[1]}"},
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    timeout=_START * 1000,
                )
                stack.push_async_callback(_bounded, browser.close)
                self._open = stack.pop_all()
                return browser
        except Exception as error:
            words = str(error).strip().splitlines()
            raise FetchError(
                f"The browser {str(program)!r} does not start: {words[0] if words else error!r}",
                expected="a Chromium or Chrome that runs headless",
                do="Try it by hand; in a container that forbids its sandbox set "
                "TELLAPART_CHROMIUM_SANDBOX=0; or leave `browser` out of the sources.",
                reason="no_browser",
            ) from error


def find(settings: Settings) -> Path:
    """The browser's program. Raises `FetchError` (`no_browser`) where there is none."""
    wanted = settings.chromium
    found = [wanted] if wanted else [Path(p) for p in map(shutil.which, _PROGRAMS) if p] + [_MAC]
    for path in found:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise FetchError(
        f"There is no browser at {str(wanted)!r}." if wanted else "There is no Chromium on PATH.",
        expected=f"one of {', '.join(_PROGRAMS)}, or a path in TELLAPART_CHROMIUM",
        do="Install Chromium (apt install chromium), or leave `browser` out of the sources.",
        reason="no_browser",
    )


def _playwright() -> Callable[[], PlaywrightContextManager]:
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise MissingExtraError(
            "The source 'browser' is not installed.",
            expected="the extra `browser`",
            do="Install it: pip install 'tellapart[browser]'.",
        ) from None
    return async_playwright


async def _alone(program: Path, folder: Path) -> Path | None:
    """A script that starts `program` in a network namespace of its own; None where none can be
    made here."""
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    if unshare is None or any('"' in str(path) or "$" in str(path) for path in (program, folder)):
        return None
    script = folder / "alone"
    script.write_text(_WRAPPER.format(unshare=unshare, program=program), encoding="utf-8")
    script.chmod(0o700)
    try:
        probe = await asyncio.create_subprocess_exec(
            script,
            "--probe",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    return script if await probe.wait() == 0 else None


def _environment(folder: Path) -> dict[str, str | float | bool]:
    """Few of our variables, and folders that end with it."""
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    own = {name: str(folder) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR")}
    own |= {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
    return {**kept, **own}


async def _bounded(close: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_END):
            await close()
