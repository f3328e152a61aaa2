"""What a desk hands out of decks: plain frozen values, JSON-able by `to_dict`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: What may be done with a candidate; `leave`: not judged, or a person decides.
Action = Literal["like", "pass", "super_like", "stop", "leave"]
#: What a person says of a candidate.
Label = Literal["like", "pass"]
Mode = Literal["off", "dry", "on"]
#: Of an act. `none`: nothing is sent (dry, or left to a person); `held`: switched off, or a limit
#: reached, before it was sent; `intended`: under way; `done` and `refused`: as the service said;
#: `missed`: it never arrived; `unknown`: nobody can tell, and it is not sent again.
Outcome = Literal["none", "held", "intended", "done", "refused", "missed", "unknown"]
HeadState = Literal["champion", "challenger", "shadow", "refused", "retired"]

ACTIONS: tuple[Action, ...] = ("like", "pass", "super_like", "stop", "leave")
OUTCOMES: tuple[Outcome, ...] = (
    "none",
    "held",
    "intended",
    "done",
    "refused",
    "missed",
    "unknown",
)
LABELS: tuple[Label, ...] = ("like", "pass")


class Shape:
    """A value that becomes JSON."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class SourceView(Shape):
    """A kind of stream that decks can be made of."""

    name: str
    title: str = ""
    #: One sentence.
    description: str = ""
    #: Always of people (True), never asked (False), or the person says so (None).
    people: bool | None = None
    #: Whether acts are sent; False: they are recorded only.
    acts: bool = False
    #: What using it means, to be read and confirmed; empty: nothing to confirm.
    terms: str = ""
    #: The service's own page on its terms.
    terms_url: str = ""
    #: Secrets it needs: `{"name", "title", "description", "required"}`.
    needs: list[dict[str, Any]] = field(default_factory=list)
    #: Verdicts of dry turns that a person must have looked at before it may act.
    least_dry: int = 0
    #: `{"name", "title", "description", "kind", "required", "default"}`; kinds are `text`,
    #: `number`, `bool`, `path` (a folder or file, off a single user's machine an upload), `url`.
    options: list[dict[str, Any]] = field(default_factory=list)
    #: Reads files: off a single user's machine those of an upload only.
    local: bool = False
    #: What to install before it can be used, such as `pip install 'tellapart[tinder]'`; empty:
    #: it is here.
    install: str = ""


@dataclass(frozen=True)
class DeckRow(Shape):
    """One deck in a list."""

    id: str
    name: str
    #: As people see it.
    title: str
    #: The project it belongs to.
    project: str
    source: str
    #: Whether its candidates are people: once true it stays true.
    people: bool
    mode: Mode
    #: Why it is in that mode, in words (empty: nothing is to be said), and since when.
    why: str
    switched: str
    #: Minutes between turns; None: only when asked.
    every: float | None
    #: None: none was made yet.
    last_turn: TurnRow | None
    #: UTC, ISO 8601; empty: none is due.
    next_turn: str
    #: A turn is being made or waits.
    busy: bool
    #: As the service said last; None: not known, or no limit.
    likes_left: int | None
    super_likes_left: int | None
    #: `{"code", "what", "expected", "do", "at"}` of the last turn that failed; None: all is well.
    error: dict[str, Any] | None
    #: `candidates`, `judged`, `like`, `pass`, `super_like`, `leave`, `sent_done`, `sent_refused`,
    #: `unknown` (acts whose outcome is not known), `labels`, `to_review` (left to a person),
    #: `dry_reviewed`, `new_looking`, `not_adult` (not judged, nothing kept).
    counts: dict[str, int]
    created: str


@dataclass(frozen=True)
class DeckView(DeckRow):
    """One deck with all its settings."""

    options: dict[str, Any] = field(default_factory=dict)
    #: Terms of its source (empty: nothing to confirm), where they stand, and when this account
    #: confirmed them (empty: not yet).
    terms: str = ""
    terms_url: str = ""
    confirmed: str = ""
    #: Secrets it needs: `{"name", "title", "have"}`.
    needs: list[dict[str, Any]] = field(default_factory=list)
    #: Whether acts are sent; False: they are recorded only.
    acts: bool = True
    #: Verdicts of dry turns that `on` asks to be looked at first.
    least_dry: int = 0
    #: Days between two deeper trainings on its labels; 0: none.
    deeper: int = 0
    #: What stands between it and `on`, in words; empty: it may be switched on.
    may_on: list[str] = field(default_factory=list)
    #: The taste that is live; None: none yet.
    head: HeadRow | None = None


@dataclass(frozen=True)
class TurnRow(Shape):
    """One turn: asked for, under way or made."""

    #: The run's id, `r_…`: watched and cancelled as every run.
    run: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    mode: str
    began: str
    ended: str
    #: `seen`, `judged`, `not_adult`, by action, and `sent_done`, `sent_unknown`, … by outcome.
    counts: dict[str, int] = field(default_factory=dict)
    #: Why it ended: `limit`, `exhausted`, `stop`, `switched off`, `error`, `time`, `cancelled`.
    why: str = ""
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class DeckEvent(Shape):
    """Something that happened to a deck."""

    at: str
    #: `switch`, `turn`, `error`, `head` or `policy`.
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DeckOriginal:
    """A candidate's picture as it came."""

    data: bytes
    media_type: str
    sha256: str
    #: A name to save it under.
    name: str


@dataclass(frozen=True)
class CandidatePicture(Shape):
    """One picture of a candidate."""

    position: int
    #: P(like), None: never asked for, or not judged.
    score: float | None
    #: Why it could not be looked at; empty: it could.
    problem: str
    sha256: str
    width: int | None = None
    height: int | None = None
    #: Whether this is the one that decided.
    decided: bool = False
    #: Whether its bytes are still kept.
    kept: bool = True


@dataclass(frozen=True)
class DeckVerdict(Shape):
    """What the policy decided of a candidate, why, and what came of it."""

    id: str
    action: Action
    #: The rule that decided, one word, and the sentence for people.
    rule: str
    reason: str
    #: The picture that decided; None: a rule did.
    picture: int | None
    score: float | None
    #: Whether a person is to decide.
    person: bool
    explored: bool
    mode: Mode
    #: The head that scored; empty: none did.
    head: str
    at: str
    outcome: Outcome
    #: What the service answered.
    answer: dict[str, Any] = field(default_factory=dict)
    match: bool | None = None
    outcome_at: str = ""


@dataclass(frozen=True)
class CandidateView(Shape):
    """One candidate with everything known of it."""

    id: str
    ref: str
    name: str
    bio: str
    age: int | None
    distance_km: float | None
    url: str
    fields: dict[str, Any]
    pictures: list[CandidatePicture]
    #: The best of its pictures' scores, by the head that looked last; None: none looked.
    score: float | None
    #: The last verdict; None: not judged yet.
    verdict: DeckVerdict | None
    #: A person's word; None: none yet.
    label: Label | None
    labelled_at: str
    seen: str
    #: Whether it looks unlike what the head was trained on.
    new_looking: bool = False
    #: Why it is shown for review: `person` (left to a person), `dry` (a verdict to look at),
    #: `learn` (its label helps most), `new` (it looks new); empty elsewhere.
    because: str = ""


@dataclass(frozen=True)
class ProgressView(Shape):
    """How far labelling has come."""

    labels: int
    likes: int
    passes: int
    #: Estimated accuracy with its 90 % interval; None: too few labels to say.
    accuracy: float | None
    low: float | None
    high: float | None
    #: Labels that the same accuracy would have taken in random order, less those given.
    saved: int | None
    #: Whether more labels would hardly help, and why, in words.
    stop: bool
    why: str
    #: Labels held back from training, for the champion's gate.
    held_back: int
    #: Candidates that can be labelled and are not.
    to_review: int
    #: Verdicts of dry turns looked at, and how many `on` asks for.
    dry_reviewed: int
    least_dry: int


@dataclass(frozen=True)
class ReviewView(Shape):
    """What is to be looked at next, and how far it is."""

    #: The next one first; empty: nothing is left.
    items: list[CandidateView]
    progress: ProgressView
    #: Whether there is a label that `undo` takes back.
    can_undo: bool = False


@dataclass(frozen=True)
class Corrected(Shape):
    """What a person's word did."""

    candidate: CandidateView
    #: Candidates whose score moved, with score before and after, at most 50.
    moved: list[dict[str, Any]]
    #: The head that learned it, and what it is: on a deck that is on never the champion before
    #: its gate.
    head: str
    state: str
    #: What was done and not done, in words.
    said: str


@dataclass(frozen=True)
class ReplayRow(Shape):
    """One candidate decided anew."""

    candidate: str
    name: str
    before: dict[str, Any]
    #: `action`, `rule`, `reason`, `picture`, `score` of each; None: cannot be said.
    after: dict[str, Any] | None
    #: Why it cannot be said; empty: it can.
    problem: str = ""


@dataclass(frozen=True)
class ReplayView(Shape):
    """What a policy would have made of the stream so far."""

    candidates: int
    same: int
    changed: int
    #: Those for which a score was never asked for and the pictures are gone.
    unsaid: int
    #: How many would go from one action to another, such as `pass → like`.
    moves: dict[str, int]
    #: Differences and what cannot be said.
    rows: list[ReplayRow]
    #: More rows than are shown.
    more: int = 0


@dataclass(frozen=True)
class PolicyView(Shape):
    """A deck's policy."""

    #: Every key with its value, and with the one it has by default.
    policy: dict[str, Any]
    default: dict[str, Any]
    #: As a YAML file.
    text: str
    #: What it does, in sentences, in the order of its rules.
    says: list[str]
    #: All rules in their order, and what each is about: `{"rule", "about"}`.
    rules: list[dict[str, str]]
    #: Duties that no policy switches off, in words.
    always: list[str]
    #: JSON schema of its keys.
    schema: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadRow(Shape):
    """One taste that was learned."""

    id: str
    state: HeadState
    made: str
    #: What its features come from: `lite0`, or a project's version.
    base: str
    labels: int
    #: Why it is live, in the shadow or refused, in words.
    why: str
    #: `test`, `level`, `p`, `n`, `accuracy`, `champion`, …
    evaluation: dict[str, Any] = field(default_factory=dict)
    #: What happened to it: `{"at", "what"}`, oldest first.
    log: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Forgotten(Shape):
    """What was removed: the certificate."""

    certificate: dict[str, Any]
