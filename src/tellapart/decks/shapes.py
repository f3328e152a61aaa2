"""What decks, candidates, verdicts, labels and heads are to whoever looks at them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Mode = Literal["off", "dry", "on"]
MODES: tuple[Mode, ...] = ("off", "dry", "on")
Action = Literal["like", "pass", "super_like", "stop", "leave"]
#: Of what was to be sent. `none`: nothing was (dry runs, `leave`); `held`: the deck was switched
#: off, or a limit reached, before; `intended`: under way; `missed`: the service never got it;
#: `unknown`: nobody can tell, and it is never sent again.
State = Literal["none", "held", "intended", "done", "refused", "missed", "unknown"]
Label = Literal["like", "pass"]
LABELS: tuple[Label, ...] = ("like", "pass")
HeadState = Literal["champion", "challenger", "shadow", "refused", "retired"]
#: In which part a candidate's label counts; dealt by chance, once, whatever people say later.
Part = Literal["train", "held", "test"]

#: In the order of ASCII, so that ids sort by time.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True)
class DeckRow:
    """One deck as it stands."""

    id: str
    owner: str
    name: str
    title: str
    #: A project of the same owner, whose live version may be the base; empty: none.
    project: str
    source: str
    options: dict[str, Any]
    people: bool
    policy: dict[str, Any]
    mode: Mode
    #: Why it is in this mode, and since when.
    why: str
    switched_at: str
    created_at: str
    #: Seconds between the turns that the autopilot begins.
    every_s: int
    #: When the next one is due; empty: none is.
    next_turn: str
    #: The last turn's `TurnReport`.
    last_turn: dict[str, Any] | None
    #: `code`, `what`, `expected`, `do`, and `at`; None since a turn went well.
    error: dict[str, Any] | None
    likes_left: int | None
    super_likes_left: int | None
    #: Until then the service has no likes left; empty: not known to be out.
    out_until: str
    #: Days between two deeper trainings; 0: none.
    deeper_days: int
    deeper_at: str
    deeper_run: str
    #: A bundle of the owner's, `PROJECT/VERSION`, that the next fit begins from; empty: that of
    #: the project, or the embedded backbone.
    base: str
    #: How often labels have changed.
    corrected: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class PictureRow:
    """One picture of a candidate, by its position from 0."""

    position: int
    url: str
    sha256: str
    width: int | None
    height: int | None
    #: P(like) by the head that judged last; None: not looked at.
    score: float | None
    problem: str


@dataclass(frozen=True)
class ActionRow:
    """One verdict, whether it was sent, and what came of it."""

    id: str
    turn: str
    at: str
    mode: Mode
    action: Action
    rule: str
    reason: str
    #: Position of the picture that decided.
    picture: int | None
    score: float | None
    #: A person is to decide.
    person: bool
    explored: bool
    head: str
    state: State
    intent_at: str
    outcome_at: str
    #: What the service said: `detail` and more.
    answer: dict[str, Any] | None
    match: bool | None


@dataclass(frozen=True)
class CandidateRow:
    """One candidate with its pictures, its last verdict and what people said."""

    id: str
    deck: str
    ref: str
    name: str
    bio: str
    age: int | None
    distance_km: float | None
    fields: dict[str, Any]
    url: str
    seen_at: str
    #: `new`, `judged` or `emptied`.
    state: str
    novelty: float | None
    new_looking: bool
    part: Part
    pictures: tuple[PictureRow, ...]
    #: The last verdict; None: not judged yet.
    action: ActionRow | None
    label: Label | None
    labelled_by: str
    labelled_at: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class HeadRow:
    """One head without its weights."""

    id: str
    state: HeadState
    base: str
    created_at: str
    #: How many candidates' labels it has learned from.
    labels: int
    #: What the gate measured: `test`, `level`, `p`, `n`, …; empty: not gated.
    evaluation: dict[str, Any]
    why: str
    before: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class LogRow:
    """Something that happened to a deck."""

    id: int
    at: str
    kind: str
    text: str
    data: dict[str, Any]


@dataclass
class TurnReport:
    """What one turn did."""

    turn: str
    mode: Mode
    started: str
    ended: str = ""
    #: Candidates that the source gave, and those judged.
    seen: int = 0
    judged: int = 0
    #: People who are not declared to be adults: not judged, nothing kept.
    not_adult: int = 0
    #: By action, of what was decided; by state, of what was sent.
    actions: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    #: Unknown outcomes of before that the service could tell.
    reconciled: int = 0
    likes_left: int | None = None
    #: Why it ended: `limit`, `exhausted`, `stop`, `switched off`, `error`, `time`, `cancelled`.
    end: str = ""
    #: The sentence of a policy that stopped it.
    why: str = ""
    error: dict[str, Any] | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class Filters:
    """Which candidates a list shows; None and empty: all of them."""

    action: str | None = None
    state: str | None = None
    rule: str | None = None
    match: bool | None = None
    #: `corrected` (the label contradicts the verdict), `confirmed` or `none`.
    label: str | None = None
    #: `review` (waits for a person), `new` (new-looking), `labelled`, `judged`.
    waiting: str | None = None
    #: Part of the name, the text or the service's own name.
    words: str | None = None
    limit: int = 50
    #: The id after which the page begins; newest first.
    after: str = ""


@dataclass(frozen=True)
class Page:
    """Part of a list."""

    items: tuple[CandidateRow, ...]
    total: int
    #: What `after` of the next page is; empty: this is the last.
    next: str


@dataclass(frozen=True)
class Counts:
    """How many there are of what."""

    candidates: int
    judged: int
    #: By action of the last verdict, and by state of what was sent.
    actions: Mapping[str, int]
    states: Mapping[str, int]
    labelled: int
    #: Of candidates with a verdict of a dry run, those that a person has labelled.
    reviewed_dry: int
    to_review: int
    new_looking: int
    matches: int
    not_adult: int


def now() -> str:
    """The time in UTC to the millisecond, such as `2026-01-31T09:30:00.123Z`."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """A moment in UTC as `2026-01-31T09:30:00.123Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


class _Ids:
    """Ids of 20 base-32 digits: 50 bits of milliseconds, then 50 of chance; ever greater ones."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self, letter: str) -> str:
        value = (time.time_ns() // 1_000_000 << 50) | secrets.randbits(50)
        with self._lock:
            if value >> 50 <= self._last >> 50:
                value = self._last + 1
            self._last = value
        digits = (_DIGITS[value >> 5 * place & 31] for place in range(19, -1, -1))
        return f"{letter}_{''.join(digits)}"


#: A new id, such as `d_…`; of two made by one process the later is the greater.
new_id = _Ids()
