"""Who somebody is, what they may use up, and what lets them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from tellapart.errors import InputError, RequestError

Role = Literal["admin", "user"]
ROLES: tuple[Role, ...] = ("admin", "user")

Scope = Literal["read", "write", "predict", "admin"]
#: What a token may be for. Each stands for itself: `write` does not include `read`.
SCOPES: tuple[Scope, ...] = ("read", "write", "predict", "admin")

#: A quota's key → what it counts, in words.
_COUNTED = {
    "pictures": "pictures",
    "runs_at_once": "runs at once",
    "runs_a_day": "runs within a day",
    "disk_mb": "MB on the disk",
}


@dataclass(frozen=True)
class Quota:
    """How much one account may use. None: as much as there is."""

    #: Pictures in all projects together.
    pictures: int | None = 20_000
    #: Runs that work at the same time; further ones wait.
    runs_at_once: int | None = 1
    #: Runs begun within 24 hours.
    runs_a_day: int | None = 20
    #: Files of all projects together.
    disk_mb: int | None = 5_000

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and (type(value) is not int or value < 0):
                raise InputError(
                    f"The quota {item.name} is {value!r}.",
                    expected="a whole number from 0 up, or none for no limit",
                    do="Give such a number.",
                )

    def allows(self, what: str, used: float, more: float = 1) -> bool:
        """Whether `more` of `what` (a field's name) fit beside what is `used` already."""
        limit = getattr(self, what)
        return limit is None or used + more <= limit

    def check(self, what: str, used: float, more: float = 1) -> None:
        """Raise `RequestError` (429) where `more` of `what` do not fit; see `allows`."""
        if self.allows(what, used, more):
            return
        limit, words = getattr(self, what), _COUNTED[what]
        raise RequestError(
            f"This account has {used:,.0f} {words}; {more:,.0f} more would pass its limit.",
            expected=f"at most {limit:,} {words}",
            do="Wait for runs to end, or try again tomorrow."
            if what.startswith("runs")
            else "Delete a project that is no longer needed, or ask the server's keeper for more.",
            status=429,
        )

    def replaced(self, changes: Mapping[str, Any]) -> Quota:
        """This quota with some limits changed. Raises `InputError` for an unknown name."""
        known = asdict(self)
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise InputError(
                f"There is no quota {unknown[0]!r}.",
                expected=f"one of {', '.join(known)}",
                do="Use one of these names.",
            )
        return Quota(**{**known, **changes})

    def to_dict(self) -> dict[str, int | None]:
        """JSON-able."""
        return asdict(self)


#: Of the single user on their own machine.
UNLIMITED = Quota(None, None, None, None)


@dataclass(frozen=True)
class Account:
    """Somebody who uses a server. `id` is the `Settings.owner` of their projects."""

    #: `u_` and 20 letters and digits; empty for the single user of a machine.
    id: str
    name: str
    email: str
    #: Whether somebody followed a link that was mailed there.
    confirmed: bool
    role: Role
    quota: Quota
    #: UTC, such as `2026-01-31T09:30:00Z`.
    created: str
    #: An account that is closed lets nobody in and keeps its data.
    closed: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "quota": self.quota.to_dict()}


#: The single user of a machine: no log-in, every right, owner of the projects without an owner.
LOCAL = Account("", "you", "", True, "admin", UNLIMITED, "")


@dataclass(frozen=True)
class Session:
    """A log-in that just succeeded. The cookie is told here and nowhere else, ever again."""

    account: Account
    cookie: str = field(repr=False)
    #: Sent back in `X-CSRF-Token` (or a form's field) with whatever changes something.
    csrf: str = field(repr=False)
    #: Seconds after which it ends for good.
    max_age: int


@dataclass(frozen=True)
class Token:
    """What is known of a token afterwards: not the token."""

    id: str
    name: str
    #: Its last letters, to tell tokens apart.
    hint: str
    scopes: tuple[Scope, ...]
    created: str
    #: Empty: it does not expire.
    expires: str
    #: When it last let somebody in, to the hour; empty: never.
    used: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "scopes": list(self.scopes)}
