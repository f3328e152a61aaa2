"""Accounts: users, sessions, tokens, quotas, encrypted credentials.

The rows are light; `Accounts` and `Signer` are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.accounts.rows import (
    LOCAL,
    ROLES,
    SCOPES,
    UNLIMITED,
    Account,
    Quota,
    Role,
    Scope,
    Session,
    Token,
)

if TYPE_CHECKING:
    from tellapart.accounts.accounts import Accounts, is_single_user
    from tellapart.accounts.signing import Signer

__all__ = [
    "LOCAL",
    "ROLES",
    "SCOPES",
    "UNLIMITED",
    "Account",
    "Accounts",
    "Quota",
    "Role",
    "Scope",
    "Session",
    "Signer",
    "Token",
    "is_single_user",
]


def __getattr__(name: str) -> Any:
    if name in ("Accounts", "is_single_user"):
        from tellapart.accounts import accounts

        return getattr(accounts, name)
    if name == "Signer":
        from tellapart.accounts.signing import Signer

        return Signer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
