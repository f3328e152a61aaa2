"""Mail and webhooks: what they say (`compose`), and the outbox that sends each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.mail.facts import Failure, Link, Success, Verdict

if TYPE_CHECKING:
    from tellapart.mail.outbox import Health, Outbox, Posted

__all__ = ["Failure", "Health", "Link", "Outbox", "Posted", "Success", "Verdict"]


def __getattr__(name: str) -> Any:
    if name in ("Health", "Outbox", "Posted"):
        from tellapart.mail import outbox

        return getattr(outbox, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
