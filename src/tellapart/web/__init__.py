"""The pages: start, watch a run, look through pictures, try the model, the account.

`mount` puts them on REST's application. All of a page's data goes through a `Desk`; what a page
loads besides (thumbnails, files) are REST's addresses, asked by the browser with its session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tellapart.runtime.entrance import Access, Desks


def mount(app: FastAPI, desks: Desks, access: Access) -> None:
    """Add all pages, their files and their socket to `app` (made by `rest.build`).

    Once a process: the page library keeps one application of its own.
    """
    from tellapart.web.app import mount as put

    put(app, desks, access)
