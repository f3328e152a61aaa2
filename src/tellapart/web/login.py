from __future__ import annotations

from tellapart.web.visit import House


def register(house: House) -> None:
    """Make the pages of this module."""
