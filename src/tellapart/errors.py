"""One error tree. Every error says what happened, what was expected and what to do next.

A family has one exit code (the command line) and one HTTP status (the server); all share
one JSON shape, `TellapartError.to_dict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class TellapartError(Exception):
    """Base of all errors raised on purpose.

    `what` happened (quoting the offending value), what was `expected`, what to `do` next.
    """

    code = "error"
    exit_code = 1
    http_status = 500

    def __init__(self, what: str, *, expected: str, do: str) -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.do = do

    def __str__(self) -> str:
        return f"{self.what}\n  expected: {self.expected}\n  do next:  {self.do}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the trip from the spawned worker: pickle by parts, not by message."""
        return _rebuild, (type(self), self._parts())

    def _parts(self) -> dict[str, Any]:
        return {"what": self.what, "expected": self.expected, "do": self.do}

    def to_dict(self) -> dict[str, Any]:
        """The one JSON shape of an error."""
        return {
            "error": {
                "code": self.code,
                "what": self.what,
                "expected": self.expected,
                "do": self.do,
            }
        }


def _rebuild(kind: type[TellapartError], parts: dict[str, Any]) -> TellapartError:
    what = parts.pop("what")
    return kind(what, **parts)


class InputError(TellapartError):
    """What the user gave cannot be used: a word, a path, an option, a value."""

    code, exit_code, http_status = "input", 2, 422


class RequestError(InputError):
    """The server does not take a request: malformed, too large, too often, without its token."""

    code = "request"

    def __init__(
        self,
        what: str,
        *,
        expected: str,
        do: str,
        status: int = 400,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, expected=expected, do=do)
        #: The HTTP status that says why: 400, 401, 403, 405, 408, 413, 415, 429 or 431.
        self.http_status = status
        #: Seconds after which to ask again; None where that would not help.
        self.retry_after = retry_after

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "status": self.http_status, "retry_after": self.retry_after}


class RecipeError(InputError):
    """A recipe file has problems; all of them are listed at once."""

    code = "recipe"

    def __init__(
        self, what: str, *, expected: str, do: str, problems: Sequence[dict[str, str]] = ()
    ) -> None:
        super().__init__(what, expected=expected, do=do)
        #: One dict a problem: `path` (such as `split.test`), `what`, `expected`, `do`, and
        #: `line` where the recipe was read from a file.
        self.problems = list(problems)

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "problems": self.problems}

    def __str__(self) -> str:
        lines = [
            f"  - {'line ' + p['line'] + ', ' if 'line' in p else ''}{p['path']}: {p['what']}\n"
            f"    expected: {p['expected']}\n    do next:  {p['do']}"
            for p in self.problems
        ]
        return "\n".join([self.what, *lines]) if lines else super().__str__()

    def to_dict(self) -> dict[str, Any]:
        shape = super().to_dict()
        shape["error"]["problems"] = self.problems
        return shape


class PolicyError(RecipeError):
    """A deck's policy has problems; all of them are listed at once, as a recipe's are."""

    code = "policy"


class NotFoundError(TellapartError):
    """A named thing (project, version, picture, plug-in, file) does not exist."""

    code, exit_code, http_status = "not_found", 3, 404


class DataError(TellapartError):
    """The pictures at hand do not allow the step: too few, one class only, all set aside."""

    code, exit_code, http_status = "data", 4, 409


class PictureError(DataError):
    """One file is not a usable picture. `reason` is one short machine-readable word."""

    code, http_status = "picture", 422

    def __init__(self, what: str, *, expected: str, do: str, reason: str = "unreadable") -> None:
        super().__init__(what, expected=expected, do=do)
        #: One of `unreadable`, `truncated`, `too_large`, `not_a_picture`, `empty`; a server also
        #: says `poison` of a picture that ended two of its workers.
        self.reason = reason

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "reason": self.reason}


class FetchError(TellapartError):
    """The network or a remote service failed. `reason` is one short machine-readable word."""

    code, exit_code, http_status = "fetch", 5, 502

    def __init__(self, what: str, *, expected: str, do: str, reason: str = "failed") -> None:
        super().__init__(what, expected=expected, do=do)
        self.reason = reason

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "reason": self.reason}


class RefusedError(FetchError):
    """The guard refused an address, robots.txt or an opt-out header said no."""

    code, exit_code, http_status = "refused", 6, 403


class ServiceError(FetchError):
    """A deck's service did not do what it was asked, and surely nothing was done.

    This class itself: no answer, a 500, or an answer that is not JSON. The next turn may fare
    better. `reason` is one short word, `retry_after` seconds to leave the service alone.
    """

    code = "service"
    #: True: the deck is switched off until a person has acted.
    switch_off: ClassVar[bool] = False

    def __init__(
        self,
        what: str,
        *,
        expected: str,
        do: str,
        reason: str = "failed",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, expected=expected, do=do, reason=reason)
        self.retry_after = retry_after

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "retry_after": self.retry_after}


class CredentialError(ServiceError):
    """A deck's credential is missing, malformed, or the service refuses it (401)."""

    code, switch_off = "credential", True


class RateLimitedError(ServiceError):
    """A deck's service says to slow down or to stay away (403, 429)."""

    code, switch_off = "rate_limited", True


class ExhaustedError(ServiceError):
    """The account may do no more of these acts for now, such as likes; others may go on."""

    code = "exhausted"


class SchemaChangedError(ServiceError):
    """A deck's service answers in a shape that is not known: it may have changed."""

    code, switch_off = "schema_changed", True


class StorageError(TellapartError):
    """The disk is full, a file cannot be written, a database is newer than the program."""

    code, exit_code, http_status = "storage", 7, 507


class VerificationError(TellapartError):
    """A model or a bundle does not answer as it must; nothing wrong was left behind."""

    code, exit_code, http_status = "verification", 8, 500


class MissingExtraError(TellapartError):
    """An optional part is not installed; `do` names the line that installs it."""

    code, exit_code, http_status = "missing_extra", 9, 501


class BusyError(TellapartError):
    """Another process is working on this project."""

    code, exit_code, http_status = "busy", 10, 409


class WorkerError(TellapartError):
    """The worker process ended without an answer, or a step failed in an unforeseen way."""

    code, exit_code, http_status = "worker", 11, 500


class OverloadedError(TellapartError):
    """The server has as much work as it can take; `retry_after` is when to ask again (seconds)."""

    code, exit_code, http_status = "overloaded", 12, 503

    def __init__(self, what: str, *, expected: str, do: str, retry_after: float = 1.0) -> None:
        super().__init__(what, expected=expected, do=do)
        self.retry_after = retry_after

    def _parts(self) -> dict[str, Any]:
        return {**super()._parts(), "retry_after": self.retry_after}


class DeadlineError(TellapartError):
    """The answer did not come within the time that it was worth waiting for."""

    code, exit_code, http_status = "deadline", 13, 504


class Interrupted(TellapartError):  # noqa: N818 - the field's word for Ctrl-C, not a fault
    """The user stopped the work; what is done is kept and the same command goes on."""

    code, exit_code, http_status = "interrupted", 130, 499
