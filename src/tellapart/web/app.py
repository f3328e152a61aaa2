"""The pages on the server's application."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from nicegui import Client, context, run, ui
from nicegui import app as pages
from starlette.responses import Response

from tellapart.errors import NotFoundError, TellapartError
from tellapart.runtime.entrance import Access, Desks
from tellapart.web import texts, theme
from tellapart.web.shell import failure_page
from tellapart.web.visit import House

log = logging.getLogger(__name__)

#: Seconds that a page waits for the browser that asked for it; each one that waits costs time.
_UNSEEN = 30.0
#: Each has `register(house)`, which makes its pages.
MODULES = (
    "start",
    "start_pictures",
    "projects",
    "run_page",
    "login",
    "account",
    "pictures",
    "curation",
    "model",
    "network",
    "decks",
    "deck_new",
    "deck",
    "deck_review",
    "deck_results",
    "deck_policy",
    "deck_taste",
)


def mount(app: FastAPI, desks: Desks, access: Access) -> None:
    """See `tellapart.web.mount`."""
    run.process_pool_start_method = "spawn"
    house = House(desks, access)
    pages.add_static_files(theme.ROUTE, theme.ASSETS, max_cache_age=31_536_000)
    for name in MODULES:
        importlib.import_module(f"tellapart.web.{name}").register(house)
    pages.on_page_exception(_broken(house))
    pages.timer(5.0, functools.partial(Client.prune_instances, client_age_threshold=_UNSEEN))
    pages.exception_handler(404)(_nothing(house))
    ui.run_with(
        app,
        title=texts.APP,
        favicon=theme.FAVICON,
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=20.0,
        show_welcome_message=False,
    )


def _broken(house: House) -> Callable[[Exception], None]:
    """What is shown where making a page fails in a way that nobody foresaw."""

    def show(error: Exception) -> None:
        log.error("a page could not be made", exc_info=error)
        failure = TellapartError(texts.BROKEN, expected=texts.BROKEN_EXPECTED, do=texts.BROKEN_DO)
        failure_page(house.visit(context.client.request), failure)

    return show


def _nothing(house: House) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What is shown at addresses that are no page's."""

    async def show(request: Request, error: Exception) -> Response:
        with Client(ui.page(""), request=request) as client:
            failure = NotFoundError(
                texts.NO_PAGE.format(path=request.url.path[:200]),
                expected=texts.NO_PAGE_EXPECTED,
                do=texts.NO_PAGE_DO,
            )
            failure_page(house.visit(request), failure)
        return client.build_response(request, 404)

    return show
