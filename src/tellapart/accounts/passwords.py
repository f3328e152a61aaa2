"""Passwords: which are taken, and how they are kept (argon2id)."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from tellapart.errors import InputError, OverloadedError

if TYPE_CHECKING:
    from pwdlib import PasswordHash

SHORTEST, LONGEST = 10, 256
#: One hash takes 64 MiB and about 0.1 s on purpose: a flood of log-ins must not take all memory.
AT_ONCE = 2
_PATIENCE = 10.0
_slots = threading.BoundedSemaphore(AT_ONCE)

#: The first ones that are tried everywhere, of ten letters and more.
_COMMON = frozenset(
    """
    1234567890 12345678910 123456789a 0123456789 0987654321 1q2w3e4r5t 1qaz2wsx3edc qwertyuiop
    qwerty1234 qwerty12345 qwerty123456 password12 password123 password1234 passwordpassword
    iloveyou123 iloveyou12 abcdefghij abc1234567 administrator administrator1 letmein123
    welcome123 welcome1234 changeme123 changeme1234 q1w2e3r4t5 q1w2e3r4t5y6 asdfghjkl123
    zaq12wsxcde3 superman123 princess123 football123 baseball123 michael123 1234512345
    123123123123 121212121212 987654321a a123456789 tellapart1 tellapart123
    """.split()  # noqa: SIM905
)


def check(password: str, *, name: str = "", email: str = "") -> None:
    """Raise `InputError` for a password that is too short, too long or among the first guesses.

    No rules on kinds of letters: they make passwords worse (NIST SP 800-63B, section 3.1.1.2).
    """
    plain = _plain(password)
    low = plain.casefold()
    own = {word.casefold() for word in (name, email, email.partition("@")[0]) if len(word) > 3}
    if not SHORTEST <= len(plain) <= LONGEST:
        what = f"The password has {len(plain)} characters."
    elif low in _COMMON or len(set(low)) < 4:
        what = "The password is one of the first that are guessed."
    elif any(low.replace(word, "").strip("0123456789!.-_ ") == "" for word in own):
        what = "The password is hardly more than the name or the address."
    else:
        return
    raise InputError(
        what,
        expected=f"{SHORTEST} to {LONGEST} characters that nobody guesses, such as four words",
        do="Choose another password.",
    )


def hashed(password: str) -> str:
    """The password's argon2id hash, with its salt and parameters."""
    with _slot():
        return _hasher().hash(_bytes(password))


def verified(password: str, stored: str) -> tuple[bool, str]:
    """Whether the password is the stored one, and a new hash where parameters have changed.

    Takes as long where nothing is stored (an unknown name, an account without a password): how
    long an answer takes tells nobody which names exist.
    """
    plain = _bytes(password[: LONGEST + 1])
    with _slot():
        nobody = _nobody()  # made by the first log-in, whichever name it gives
        right, renewed = _hasher().verify_and_update(plain, stored or nobody)
    return right and bool(stored), renewed or ""


class _slot:  # noqa: N801 - a context manager
    def __enter__(self) -> None:
        if not _slots.acquire(timeout=_PATIENCE):
            raise OverloadedError(
                "Too many people are logging in at this moment.",
                expected="a log-in that can be looked at within some seconds",
                do="Try again in a moment.",
                retry_after=_PATIENCE,
            )

    def __exit__(self, *exc: object) -> None:
        _slots.release()


def _plain(password: str) -> str:
    """One spelling, whichever keyboard it was typed on."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    # Half a surrogate pair is no text; as a password it is wrong, not an error.
    return _plain(password).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHash:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    # RFC 9106, section 4, second recommended option: 64 MiB, 3 passes, 4 lanes.
    return PasswordHash((Argon2Hasher(time_cost=3, memory_cost=65_536, parallelism=4),))


@cache
def _nobody() -> str:
    """A hash that no password has been asked for; made by the present parameters."""
    import secrets

    return _hasher().hash(secrets.token_urlsafe(32))
