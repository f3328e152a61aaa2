"""Who asks, and whether they may: dependencies of the routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from tellapart.errors import RequestError
from tellapart.runtime.desk import Desk
from tellapart.runtime.entrance import Access, Desks, Visitor

#: For the document only: the gate has looked already.
_TOKEN = HTTPBearer(
    auto_error=False, scheme_name="token", description="An API token, `ta_…`, with its scopes."
)
_SESSION = APIKeyCookie(
    name="tellapart_session",
    auto_error=False,
    scheme_name="session",
    description="The cookie of a log-in; what changes something also sends `X-CSRF-Token`.",
)


def desks_of(request: Request) -> Desks:
    """What makes desks."""
    desks: Desks = request.app.state.desks
    return desks


def access_of(request: Request) -> Access:
    """How the server is reached."""
    access: Access = request.app.state.access
    return access


def visitor_of(request: Request) -> Visitor:
    """Who asks; `account` None: nobody known."""
    visitor: Visitor = getattr(request.state, "visitor", None) or Visitor()
    return visitor


def needs(scope: str) -> Callable[..., Awaitable[Desk]]:
    """A dependency: the desk of whoever asks, if they may `read`, `write`, `predict` or `admin`.

    Raises `RequestError`: 401 for nobody known, 403 for a token without that scope.
    """

    async def desk(
        request: Request,
        _token: Annotated[object, Security(_TOKEN)] = None,
        _session: Annotated[object, Security(_SESSION)] = None,
    ) -> Desk:
        visitor = visitor_of(request)
        if visitor.account is None:
            raise nobody()
        if scope not in visitor.scopes:
            raise _not_for(scope, visitor)
        return desks_of(request).of(visitor.account)

    return desk


def nobody() -> RequestError:
    """The error of a request by nobody known."""
    return RequestError(
        "The request comes without a session or token that is good.",
        expected="`Authorization: Bearer ta_…`, or the cookie of a log-in",
        do="Log in (POST /api/v1/sessions), or make a token on the account's page.",
        status=401,
    )


def _not_for(scope: str, visitor: Visitor) -> RequestError:
    return RequestError(
        f"This needs the scope {scope!r}.",
        expected=f"a token that has it; this one has {', '.join(sorted(visitor.scopes)) or 'none'}"
        if visitor.via == "token"
        else "an account that has that right",
        do="Make a token with that scope, or ask the server's keeper.",
        status=403,
    )


Reading = Annotated[Desk, Depends(needs("read"))]
Writing = Annotated[Desk, Depends(needs("write"))]
Predicting = Annotated[Desk, Depends(needs("predict"))]
Keeping = Annotated[Desk, Depends(needs("admin"))]
