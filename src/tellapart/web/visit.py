"""One look at one page: who looks, at whose desk, and whether that still holds."""

from __future__ import annotations

import asyncio
import inspect
import time
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import Client, context, ui

from tellapart.errors import RequestError, TellapartError
from tellapart.runtime.desk import Desk
from tellapart.runtime.entrance import Access, Desks, Visitor
from tellapart.web import live, texts

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds for which a page that stays open trusts that its session is still good.
_TRUST = 15.0


@dataclass(frozen=True)
class House:
    """What all pages are made with."""

    desks: Desks
    access: Access

    def visit(self, request: Request) -> Visit:
        """A visit by whoever REST's gate found to be asking."""
        return Visit(self, request, getattr(request.state, "visitor", None) or Visitor())

    def page(self, path: str, *, open_to_all: bool = False, title: str = "") -> Callable[..., Any]:
        """Make a function a page: `async def build(visit: Visit, name: str)` at `/…/{name}`.

        Who has no session is led to the log-in, unless the page is `open_to_all` (then
        `visit.desk` must not be used). What the function raises becomes a page of three parts; it
        may give a response instead of drawing, such as a redirect.
        """

        def register(build: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
            hints = typing.get_type_hints(build)
            asked = list(inspect.signature(build).parameters.values())[1:]

            async def show(request: Request, **given: Any) -> Response | None:
                visit = self.visit(request)
                if visit.visitor.account is None and not open_to_all:
                    return RedirectResponse(_login(request), status_code=303)
                try:
                    visit.warnings = await live.health(visit)
                    answer: Response | None = await build(visit, **given)
                    return answer
                except TellapartError as error:
                    show_failure(visit, error)
                return None

            show.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
                [
                    inspect.Parameter(
                        "request", inspect.Parameter.KEYWORD_ONLY, annotation=Request
                    ),
                    *(
                        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
                        for one in asked
                    ),
                ]
            )
            ui.page(path, title=title or texts.APP, response_timeout=20.0)(show)
            return build

        return register


@dataclass
class Visit:
    """One page in one browser window."""

    house: House
    request: Request = field(repr=False)
    visitor: Visitor = field(repr=False)
    #: What the banner says.
    warnings: list[str] = field(default_factory=list)
    _checked: float = field(default_factory=time.monotonic)

    @property
    def client(self) -> Client:
        return context.client

    @property
    def desk(self) -> Desk:
        """The desk of whoever looks. Call its methods by `ask`, for they block."""
        if self.visitor.account is None:
            raise RequestError(
                texts.NO_SESSION,
                expected=texts.NO_SESSION_EXPECTED,
                do=texts.NO_SESSION_DO,
                status=401,
            )
        return self.house.desks.of(self.visitor.account)

    @property
    def single_user(self) -> bool:
        return self.visitor.via == "single"

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A blocking call in a thread, after a look whether the session still holds.

        Raises what the call raises; leads to the log-in where the session has ended.
        """
        await self.still()
        return await asyncio.to_thread(call, *args, **kwargs)

    async def still(self) -> None:
        """Look now and then whether the session still holds, for pages that only listen."""
        if time.monotonic() - self._checked > _TRUST:
            await self._check()

    async def _check(self) -> None:
        cookie = self.request.cookies.get(self.house.access.cookie, "")
        address = self.request.client.host if self.request.client else ""
        now = await asyncio.to_thread(self.house.desks.visitor, cookie=cookie, address=address)
        known = self.visitor.account
        if known is not None and (now.account is None or now.account.id != known.id):
            self.visitor = Visitor()
            ui.navigate.to(_login(self.request))
            raise RequestError(
                texts.NO_SESSION,
                expected=texts.NO_SESSION_EXPECTED,
                do=texts.NO_SESSION_DO,
                status=401,
            )
        self.visitor, self._checked = now, time.monotonic()


def _login(request: Request) -> str:
    path, query = request.url.path, request.url.query
    here = f"{path}?{query}" if query else path
    return "/login" if here == "/" else f"/login?next={quote(here)}"


def show_failure(visit: Visit, error: TellapartError) -> None:
    """Replace the page by what went wrong, with the error's HTTP status."""
    from tellapart.web import shell

    visit.client.content.clear()
    visit.client.status_code = error.http_status
    shell.failure_page(visit, error)
