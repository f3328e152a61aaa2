"""The FastAPI application, put together."""

from __future__ import annotations

from fastapi import FastAPI

from tellapart.runtime.entrance import Access, Desks


def build(desks: Desks, access: Access) -> FastAPI:
    """See `tellapart.rest.build`."""
    raise NotImplementedError
