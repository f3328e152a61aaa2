"""What a run is to whoever looks at it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled"]
#: Nothing more will happen to a run in one of these states, unless it is retried.
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
#: What is walked: `make` a recipe, `retrain` a project; one `turn` of a deck; `deeper`: a recipe
#: made of a deck's labels.
RunKind = Literal["make", "retrain", "turn", "deeper"]
#: What people ask for and find in their lists of runs; a deck tells of its turns itself.
CHAIN: tuple[RunKind, ...] = ("make", "retrain", "deeper")
TURN: tuple[RunKind, ...] = ("turn",)
Kind = Literal["progress", "signal", "epoch", "log", "state", "error"]

#: In the order of ASCII, so that ids sort by time.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True)
class Request:
    """What is asked for: one pass through the chain, and who is told."""

    #: `make`: a recipe as asked; `retrain`: changes to the recipe of `project`, often none.
    recipe: Mapping[str, Any] = field(default_factory=dict)
    #: An account's id; empty for the single user.
    owner: str = ""
    kind: RunKind = "make"
    #: The project to retrain; for `make` the recipe's name counts. Of a turn: `deck:` and the
    #: deck's id; its recipe is `{"deck": name, "limit": number or None}`.
    project: str = ""
    #: The last step.
    upto: str = "package"
    #: Whoever asks twice under one key gets the same run.
    key: str = ""
    #: `email` and `webhook`, each optional.
    notify: Mapping[str, str] = field(default_factory=dict)
    #: A picture that the new model is to judge: its bytes, or a URL (`data:` too).
    test_picture: bytes | str | None = None
    #: How many of the owner's runs may be walked at once (a quota); 0: no limit.
    at_once: int = 0


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    done: int = 0
    #: None where it is not known.
    total: int | None = None
    note: str = ""
    seconds: float | None = None
    started: str = ""


@dataclass(frozen=True)
class Run:
    """A run as it stands. Times are ISO 8601 in UTC, empty where not reached."""

    id: str
    owner: str
    project: str
    kind: str
    upto: str
    state: State
    #: How many queued runs come before it; 0 also where it is not queued.
    ahead: int
    steps: tuple[Step, ...]
    created: str
    started: str
    ended: str
    #: Seconds until its end, as far as can be told; None where it cannot.
    left_s: float | None
    #: `{"code", "what", "expected", "do"}` of a failed run.
    error: dict[str, Any] | None
    #: `version`, `bundle` (file name), `data_kind`, `pictures`, `metrics`, `seconds`, `notes` of a
    #: finished run.
    result: dict[str, Any] | None
    #: What the model says of the test picture: `label`, `probability`, `probabilities`,
    #: `refused`; or `error`.
    verdict: dict[str, Any] | None
    #: Of the mail: empty (none asked for, or not due yet), queued, sending, sent or failed.
    mail: str
    #: Who is told: `email`, `webhook`.
    notify: dict[str, str]
    recipe: dict[str, Any]
    #: `file`, a URL, or empty.
    test_picture: str
    #: How often it was begun or gone on with.
    attempt: int
    #: How often somebody asked for it again.
    retries: int
    worker: str
    #: What somebody asked of it that has not happened yet: empty, `cancel` or `stop`.
    asked: str

    @property
    def ended_state(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    @property
    def step(self) -> str:
        """The name of the step it is at; empty where none is under way."""
        return next((step.name for step in self.steps if step.state == "running"), "")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps]}


@dataclass(frozen=True)
class Event:
    """Something that happened to a run; `seq` counts from 1 without gaps."""

    seq: int
    time: str
    kind: Kind
    step: str
    data: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def now() -> str:
    """The time in UTC to the millisecond, such as `2026-01-31T09:30:00.123Z`."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """A moment in UTC as `2026-01-31T09:30:00.123Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def moment(text: str) -> datetime:
    """The moment that `iso` wrote."""
    return datetime.fromisoformat(text)


class _Ids:
    """Ids of 20 base-32 digits: 50 bits of milliseconds, then 50 of chance; ever greater ones."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        value = (time.time_ns() // 1_000_000 << 50) | secrets.randbits(50)
        with self._lock:
            # Of two within a millisecond the later one is the greater one too.
            if value >> 50 <= self._last >> 50:
                value = self._last + 1
            self._last = value
        return "r_" + "".join(_DIGITS[value >> 5 * place & 31] for place in range(19, -1, -1))


new_id = _Ids().next
