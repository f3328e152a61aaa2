"""The pages on the server's application."""

from __future__ import annotations

import importlib

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import run, ui

from tellapart.runtime.entrance import Access, Desks
from tellapart.web import texts, theme
from tellapart.web.visit import House

#: Each has `register(house)`, which makes its pages.
MODULES = ("start", "start_pictures", "projects", "run_page", "login", "account")


def mount(app: FastAPI, desks: Desks, access: Access) -> None:
    """See `tellapart.web.mount`."""
    run.process_pool_start_method = "spawn"
    house = House(desks, access)
    pages.add_static_files(theme.ROUTE, theme.ASSETS, max_cache_age=31_536_000)
    for name in MODULES:
        importlib.import_module(f"tellapart.web.{name}").register(house)
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
