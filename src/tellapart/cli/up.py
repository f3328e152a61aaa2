"""The verb that runs the app: pages, REST and workers in one command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tellapart.cli.console import tell, write
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.cli.hosting import House


def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0: any free one.")] = 8080,
    workers: Annotated[
        int,
        typer.Option(help="Processes that walk runs; 0: none here (`tellapart worker` elsewhere)."),
    ] = 1,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="A proxy with TLS stands before it: believe its X-Forwarded-For and -Proto, and "
            "ask everybody to log in.",
        ),
    ] = False,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="What workers get at the end.")
    ] = 20.0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser when it is ready.")
    ] = False,
) -> None:
    """Run the app: type the classes, watch, look through the pictures, try the model.

    Pages, REST (/api/v1) and workers in one command; runs are kept in the database and go on
    after any end. On this machine alone it needs no log-in. For others, put a proxy with TLS
    before it (--behind-proxy): accounts are needed then, and the first start prints the link to
    make the administrator's. SIGTERM and Ctrl-C stop it; what was cut off goes on at the next
    start.
    """
    from tellapart.cli import hosting as hosted
    from tellapart.serving.listening import Listening
    from tellapart.serving.options import Options
    from tellapart.settings import Settings

    _check(port, workers, drain)
    settings = Settings.from_env()
    url_given = bool(os.environ.get("TELLAPART_URL", "").strip())
    hosting = hosted.Hosting(host, port, behind_proxy, workers, drain)
    hosting.check(settings, url_given=url_given)
    listening = Listening(Options(bundles=(), host=host, port=port, socket=None))
    try:
        bound = int(listening.sockets[0].getsockname()[1])
        here = hosted.shown("127.0.0.1" if host in ("", "0.0.0.0", "::") else host, bound)  # noqa: S104
        settings = hosted.addressed(settings, here, url_given=url_given)

        def ready(house: House) -> None:
            url = settings.public_url if behind_proxy else here
            write(f"tellapart is up: {url}")
            if behind_proxy:
                tell(f"It listens on {here}; the proxy leads there.")
            if house.first_admin:
                tell(f"Nobody has an account yet. Make the administrator's: {house.first_admin}")
            tell("Ctrl-C stops it; runs go on at the next start.")
            if not no_browser and not behind_proxy:
                _open(here)

        code = hosted.serve(settings, hosting, listening.sockets, ready, tell)
    finally:
        listening.close()
    if code:
        raise typer.Exit(code)


def _check(port: int, workers: int, drain: float) -> None:
    for what, value, good, expected in (
        ("--port", port, 0 <= port <= 65535, "a number from 0 to 65535"),
        ("--workers", workers, 0 <= workers <= 256, "a number from 0 to 256"),
        ("--drain", drain, 0 <= drain <= 3600, "seconds from 0 to 3600"),
    ):
        if not good:
            raise InputError(
                f"{what} is {value:g}.", expected=expected, do="See `tellapart up --help`."
            )


def _open(url: str) -> None:
    """Show the page where there is somebody to see it; a browser that fails ends nothing."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen and sys.stdout.isatty():
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
