"""What the mails say: HTML and plain text of the same.

Subjects are fixed words: no class, no project, no name ever stands in a header. In the bodies
such words are escaped and stripped of control characters. A mail to an address that nobody has
confirmed holds no word that its requester chose: a form that mails a stranger's words to any
address is a gift to spammers.
"""

from __future__ import annotations

import re
import unicodedata
from email.message import EmailMessage
from functools import cache
from typing import TYPE_CHECKING, Any

from tellapart.mail.facts import Failure, Success

if TYPE_CHECKING:
    from jinja2 import Environment

#: Characters of one word from outside.
_LONGEST = 120
#: White space that is no space within a line: line ends, also those of Unicode.
_BREAK = re.compile(r"[^\S \u00a0]+")


def success(made: Success) -> EmailMessage:
    """A run ended with a model: figures, the test picture's verdict, links."""
    return _message("success", "Your model is ready", made=made)


def failure(failed: Failure) -> EmailMessage:
    """A run ended without a model: what happened, and what to do."""
    return _message("failure", "Your run ended without a model", failed=failed)


def confirm(link: str, hours: int) -> EmailMessage:
    """Ask whether this address is theirs, after a sign-up or a change of address."""
    return _message("confirm", "Please confirm your address", link=link, hours=hours)


def taken(link: str) -> EmailMessage:
    """Somebody signed up with the address of an account that is there already."""
    return _message("taken", "You have an account already", link=link)


def reset(link: str, minutes: int) -> EmailMessage:
    """A link for a new password."""
    return _message("reset", "A new password for your account", link=link, minutes=minutes)


def changed(what: str, link: str) -> EmailMessage:
    """Password or address was changed; `what` is a fixed word of ours, never the user's."""
    return _message("changed", "Your account was changed", what=what, link=link)


def test(url: str) -> EmailMessage:
    """Proof that mail goes out."""
    return _message("test", "Mail works", url=url)


def _message(name: str, subject: str, **values: Any) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"{subject} · Tellapart"
    environment = _environment()
    values["subject"] = subject
    text = environment.get_template(f"{name}.txt.j2").render(values)
    html = environment.get_template(f"{name}.html.j2").render(values)
    # Quoted-printable: readable, and no server on the way needs to know of eight bits.
    message.set_content(text.strip() + "\n", cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def plain(word: object) -> str:
    """One line without control characters, also those that turn the direction of writing."""
    text = " ".join(_line(str(word)).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _line(value: Any) -> Any:
    """What every expression of a template goes through, so that none can be forgotten."""
    if type(value) is not str:
        return value
    return "".join(
        c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"} else "\ufffd"
        for c in _BREAK.sub(" ", value)
    )


def percent(share: float) -> str:
    """`.9312` as `93.1 %`, which no line end parts."""
    return f"{100 * share:.1f}\u00a0%"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}\u00a0MB"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("tellapart.mail"),
        autoescape=select_autoescape(("html.j2",), disabled_extensions=("txt.j2",), default=True),
        finalize=_line,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(plain=plain, percent=percent, megabytes=megabytes)
    return environment
