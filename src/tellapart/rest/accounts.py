"""Log-in and accounts: mine, and for the server's keeper everybody's."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import StringConstraints
from starlette.responses import StreamingResponse

from tellapart.accounts import Session
from tellapart.accounts.entry import cookie_name, cookie_options
from tellapart.errors import RequestError
from tellapart.rest.auth import Keeping, Reading, Writing, access_of, desks_of, visitor_of
from tellapart.rest.gate import cookie_of
from tellapart.rest.shapes import Taken

router = APIRouter(tags=["accounts"])
Text = Annotated[str, StringConstraints(min_length=1, max_length=320)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Link = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Id = Annotated[str, Path(pattern=r"^u_[0-9a-z]{1,40}$", description="An account's id.")]


class LogIn(Taken):
    """Who and with what; `name` may be the e-mail address."""

    name: Text
    password: Password


class SignUp(Taken):
    name: Text
    email: Text
    password: Password


class FirstAdmin(SignUp):
    #: Of the link on the terminal.
    token: Link


class Confirm(Taken):
    #: Of the link in the mail.
    token: Link
    password: Password


class Forgotten(Taken):
    name: Text


class Reset(Taken):
    token: Link
    password: Password


class NewPassword(Taken):
    password: Password
    new: Password


class NewEmail(Taken):
    email: Text
    password: Password


class Again(Taken):
    """The password once more, before something grave."""

    password: Password


class Changes(Taken):
    """What an admin changes of an account; what is left out stays."""

    role: Annotated[str, StringConstraints(pattern="^(admin|user)$")] | None = None
    closed: bool | None = None
    confirmed: bool | None = None
    #: Limits by name; null in one: none; an empty object: the server's own again.
    quota: dict[str, int | None] | None = None


class ServerChanges(Taken):
    """What an admin changes of the server."""

    sign_up_open: bool | None = None
    quota: dict[str, int | None] | None = None


# -- sessions -----------------------------------------------------------------------------------


@router.get("/session")
def show_session(request: Request) -> dict[str, Any]:
    """Who asks, and what their pages send back as `X-CSRF-Token`. For everybody."""
    visitor, desks = visitor_of(request), desks_of(request)
    return {
        "account": visitor.account.to_dict() if visitor.account else None,
        "via": visitor.via,
        "scopes": sorted(visitor.scopes),
        "csrf": visitor.csrf,
        "single_user": desks.accounts.single_user,
        "sign_up_open": not desks.accounts.single_user and desks.accounts.sign_up_open,
    }


@router.post("/sessions", status_code=201)
def log_in(given: LogIn, request: Request, response: Response) -> dict[str, Any]:
    """Log in: sets the session's cookie. An unknown name and a wrong password answer the same."""
    _with_accounts(request)
    accounts = desks_of(request).accounts
    return _begun(
        accounts.log_in(given.name, given.password, address=_address(request), old=_old(request)),
        request,
        response,
    )


@router.delete("/sessions/current", status_code=204)
def log_out(request: Request, response: Response) -> None:
    """Log out: this session ends."""
    _with_accounts(request)
    if cookie := _old(request):
        desks_of(request).accounts.log_out(cookie)
    _ended(request, response)


@router.delete("/sessions", status_code=204)
def log_out_everywhere(desk: Writing, request: Request, response: Response) -> None:
    """End all sessions of the account, this one too."""
    in_person(request)
    desks_of(request).accounts.log_out_everywhere(desk.account)
    _ended(request, response)


# -- becoming somebody --------------------------------------------------------------------------


@router.post("/accounts", status_code=202)
def sign_up(given: SignUp, request: Request) -> dict[str, str]:
    """Ask for an account; a mail says how it goes on. 403 where sign-up is closed."""
    _with_accounts(request)
    desks_of(request).accounts.sign_up(
        given.name, given.email, given.password, address=_address(request)
    )
    return {"next": "Follow the link in the mail that was sent to the address."}


@router.post("/accounts/first", status_code=201)
def first_admin(given: FirstAdmin, request: Request, response: Response) -> dict[str, Any]:
    """Make the first admin, with the one-time link from the terminal."""
    _with_accounts(request)
    accounts = desks_of(request).accounts
    session = accounts.make_first_admin(given.token, given.name, given.email, given.password)
    return _begun(session, request, response)


@router.post("/accounts/confirm", status_code=201)
def confirm(given: Confirm, request: Request, response: Response) -> dict[str, Any]:
    """Confirm an address by the link that was mailed there, and log in."""
    _with_accounts(request)
    accounts = desks_of(request).accounts
    session = accounts.confirm(
        given.token, given.password, address=_address(request), old=_old(request)
    )
    return _begun(session, request, response)


@router.post("/accounts/forgot", status_code=202)
def forgotten(given: Forgotten, request: Request) -> dict[str, str]:
    """Have a link for a new password mailed. The same answer whether there is such an account."""
    _with_accounts(request)
    desks_of(request).accounts.forgot(given.name, address=_address(request))
    return {"next": "If there is such an account, a mail with a link was sent to its address."}


@router.post("/accounts/reset", status_code=201)
def reset(given: Reset, request: Request, response: Response) -> dict[str, Any]:
    """Set a new password by that link, and log in; all other sessions end."""
    _with_accounts(request)
    accounts = desks_of(request).accounts
    session = accounts.reset_password(given.token, given.password, old=_old(request))
    return _begun(session, request, response)


# -- mine ---------------------------------------------------------------------------------------


@router.get("/me")
def show_me(desk: Reading) -> dict[str, Any]:
    """The account, and what it uses of its quota."""
    return {"account": desk.account.to_dict(), "usage": desk.usage().to_dict()}


@router.put("/me/password")
def change_password(
    desk: Writing, given: NewPassword, request: Request, response: Response
) -> dict[str, Any]:
    """Set a new password; all sessions end but this one, which goes on under a new cookie."""
    in_person(request)
    accounts = desks_of(request).accounts
    session = accounts.change_password(
        desk.account, given.password, given.new, address=_address(request), old=_old(request)
    )
    return _begun(session, request, response)


@router.put("/me/email", status_code=202)
def change_email(desk: Writing, given: NewEmail, request: Request) -> dict[str, str]:
    """Have a link mailed to a new address; it counts once that is followed."""
    in_person(request)
    desks_of(request).accounts.change_email(
        desk.account, given.email, given.password, address=_address(request)
    )
    return {"next": "Follow the link in the mail that was sent to the new address."}


_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


@router.get("/me/export", response_class=Response, responses=_ZIP)
def export(desk: Reading) -> StreamingResponse:
    """Everything held about the account, as a zip."""
    more = {"Content-Disposition": 'attachment; filename="tellapart-my-data.zip"'}
    return StreamingResponse(desk.export(), media_type="application/zip", headers=more)


@router.delete("/me", status_code=204)
def delete_me(desk: Writing, given: Again, request: Request, response: Response) -> None:
    """Delete the account with all its projects, runs and files."""
    in_person(request)
    desk.delete_me(given.password, address=_address(request))
    _ended(request, response)


# -- everybody's, for admins --------------------------------------------------------------------


@router.get("/accounts")
def list_accounts(desk: Keeping, request: Request) -> dict[str, Any]:
    """All accounts. For admins."""
    return {"items": [account.to_dict() for account in desks_of(request).accounts.all()]}


@router.patch("/accounts/{id}")
def change_account(desk: Keeping, id: Id, given: Changes, request: Request) -> dict[str, Any]:
    """Close, open, confirm an account, change its role or quota. For admins."""
    accounts = desks_of(request).accounts
    account = accounts.get(id)
    if given.quota is not None:
        account.quota.replaced(given.quota)  # raises for what is no quota
        accounts.set_quota(account, **given.quota)
    if given.confirmed:
        accounts.confirm_by_hand(account)
    if given.role is not None:
        accounts.set_role(account, given.role)  # type: ignore[arg-type]
    if given.closed is not None:
        accounts.set_closed(account, given.closed)
    return accounts.get(id).to_dict()


@router.get("/server")
def show_server(desk: Keeping, request: Request) -> dict[str, Any]:
    """Whether strangers may sign up, the quota of accounts without their own, and health."""
    accounts = desks_of(request).accounts
    return {
        "sign_up_open": accounts.sign_up_open,
        "quota": accounts.default_quota.to_dict(),
        "health": desk.health().to_dict(),
    }


@router.patch("/server")
def change_server(desk: Keeping, given: ServerChanges, request: Request) -> dict[str, Any]:
    """Open or close sign-up; change the quota of accounts without their own. For admins."""
    accounts = desks_of(request).accounts
    if given.sign_up_open is not None:
        accounts.open_sign_up(given.sign_up_open)
    if given.quota is not None:
        accounts.set_default_quota(accounts.default_quota.replaced(given.quota))
    return show_server(desk, request)


# -- inside -------------------------------------------------------------------------------------


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _old(request: Request) -> str:
    return cookie_of(request.headers, access_of(request).cookie)


def _begun(session: Session, request: Request, response: Response) -> dict[str, Any]:
    response.set_cookie(**cookie_options(session, access_of(request).secure))
    return {"account": session.account.to_dict(), "csrf": session.csrf}


def _ended(request: Request, response: Response) -> None:
    secure = access_of(request).secure
    response.delete_cookie(cookie_name(secure), path="/", httponly=True, secure=secure)


def _with_accounts(request: Request) -> None:
    if desks_of(request).accounts.single_user:
        raise RequestError(
            "This server has no accounts: it is one person's own.",
            expected="a server with accounts",
            do="Just use it; or start it with --host, and make accounts.",
            status=409,
        )


def in_person(request: Request) -> None:
    """Passwords, tokens and the account's end are for a person who has logged in."""
    _with_accounts(request)
    if visitor_of(request).via == "token":
        raise RequestError(
            "An API token cannot do this.",
            expected="the session of a log-in",
            do="Log in on the account's page.",
            status=403,
        )
