"""The server's programming interface: `/api/v1`, and what pages share with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tellapart.runtime.entrance import Access, Desks


def build(desks: Desks, access: Access) -> FastAPI:
    """The application: REST, and the middleware (who, Host, Origin, rate, headers) of all pages.

    Pages mounted on it find `request.state.visitor` (`tellapart.runtime.entrance.Visitor`).
    """
    from tellapart.rest.app import build as make

    return make(desks, access)
