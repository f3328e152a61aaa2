"""Decks: adding, switching, turns, policy, what was learned. Candidates are in `candidates`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import Field, StringConstraints

from tellapart.rest.auth import Reading, Writing
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.runs import Key
from tellapart.rest.shapes import Listed, Taken
from tellapart.runtime.desk.deck_shapes import (
    DeckEvent,
    DeckRow,
    DeckView,
    HeadRow,
    PolicyView,
    ReplayView,
    SourceView,
    TurnRow,
)

router = APIRouter(prefix="/decks", tags=["decks"])
#: A deck's name in an address.
Name = Annotated[str, Path(min_length=1, max_length=64, description="The deck's name.")]
Secret = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="Which secret, such as `token`.")
]
_Word = Annotated[str, StringConstraints(max_length=200)]
#: A policy: as an object, or as YAML or JSON text.
_Policy = dict[str, Any] | Annotated[str, StringConstraints(max_length=1_000_000)]
_Options = dict[Annotated[str, StringConstraints(max_length=64)], Any]
#: Minutes between two turns.
_Every = Annotated[float, Field(gt=0, le=10_080)]
#: Days between two deeper trainings on its labels; 0: none.
_Deeper = Annotated[int, Field(ge=0, le=365)]


class DeckIn(Taken):
    """A stream, a policy and a switch, which is off at first."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    options: _Options = Field(default_factory=dict)
    #: The project whose model may be its base; empty: one of the deck's name is made with it.
    project: Annotated[str, StringConstraints(max_length=64)] = ""
    #: Whether the candidates are people; to be said where the source does not know.
    people: bool | None = None
    title: _Word = ""
    policy: _Policy | None = None
    every: _Every | None = None
    deeper: _Deeper | None = None


class DeckChanges(Taken):
    """What is to be changed; what is left out stays."""

    title: _Word | None = None
    every: _Every | None = None
    options: _Options | None = None
    #: A deck of people stays one.
    people: bool | None = None
    #: Another project; empty: none.
    project: Annotated[str, StringConstraints(max_length=64)] | None = None
    deeper: _Deeper | None = None


class WhyIn(Taken):
    """Why it is switched, in words."""

    why: Annotated[str, StringConstraints(max_length=500)] = ""


class RunDeckIn(Taken):
    """One turn; `limit`: candidates at most."""

    limit: Annotated[int, Field(ge=1, le=1000)] | None = None


class SecretIn(Taken):
    value: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class PolicyIn(Taken):
    policy: _Policy


class ReplayIn(Taken):
    """The policy to try; null: the deck's own."""

    policy: _Policy | None = None
    #: Rows shown at most; all are counted.
    limit: Annotated[int, Field(ge=1, le=5000)] = 500


@router.get("/sources", response_model=Listed[SourceView])
def list_sources(desk: Reading) -> Any:
    """The kinds of streams there are, with their options, secrets and terms."""
    return listed([one.to_dict() for one in desk.deck_sources()], None)


@router.get("", response_model=Listed[DeckRow])
def list_decks(desk: Reading, limit: Limit = 50, after: After = None) -> Any:
    """The account's decks, by name: state, last and next turn, likes left, last error."""
    page = desk.decks(limit=limit, after=after)
    return listed([row.to_dict() for row in page.items], page.next, page.total)


@router.post("", status_code=201, response_model=DeckView)
def add_deck(desk: Writing, given: DeckIn, response: Response) -> Any:
    """Add a deck. It is off."""
    made = desk.deck_add(
        given.name,
        given.source,
        given.options,
        project=given.project,
        people=given.people,
        title=given.title,
        policy=given.policy,
        every=given.every,
        deeper=given.deeper,
    )
    response.headers["Location"] = f"/api/v1/decks/{made.name}"
    return made.to_dict()


@router.get("/{deck}", response_model=DeckView)
def show_deck(desk: Reading, deck: Name) -> Any:
    """One deck, and what stands between it and `on`."""
    return desk.deck(deck).to_dict()


@router.patch("/{deck}", response_model=DeckView)
def change_deck(desk: Writing, deck: Name, given: DeckChanges) -> Any:
    """Change a deck. New options switch it off; a deck of people stays one."""
    return desk.deck_change(deck, **given.model_dump()).to_dict()


@router.delete("/{deck}", status_code=204)
def delete_deck(desk: Writing, deck: Name) -> None:
    """Forget a deck: its candidates, pictures, verdicts, what it learned and its secrets."""
    desk.deck_delete(deck)


@router.post("/{deck}/off", response_model=DeckView)
def switch_off(desk: Writing, deck: Name, given: WhyIn | None = None) -> Any:
    """Switch it off: no act begins from now on, also amid a turn."""
    return desk.deck_mode(deck, "off", given.why if given else "").to_dict()


@router.post("/{deck}/dry", response_model=DeckView)
def switch_dry(desk: Writing, deck: Name, given: WhyIn | None = None) -> Any:
    """Let it decide and store what it would do; nothing is sent."""
    return desk.deck_mode(deck, "dry", given.why if given else "").to_dict()


@router.post("/{deck}/on", response_model=DeckView)
def switch_on(desk: Writing, deck: Name, given: WhyIn | None = None) -> Any:
    """Let it act. Refused with all reasons while something stands against it (`may_on`)."""
    return desk.deck_mode(deck, "on", given.why if given else "").to_dict()


@router.post("/{deck}/run", status_code=202, response_model=TurnRow)
def run_deck(desk: Writing, deck: Name, given: RunDeckIn | None = None, key: Key = None) -> Any:
    """Queue one turn; `run` is watched and cancelled as every run (`/api/v1/runs/{id}`)."""
    return desk.deck_run(deck, limit=given.limit if given else None, key=key).to_dict()


@router.get("/{deck}/turns", response_model=Listed[TurnRow])
def list_turns(desk: Reading, deck: Name, limit: Limit = 50, after: After = None) -> Any:
    """Its turns, newest first."""
    page = desk.deck_turns(deck, limit=limit, after=after)
    return listed([row.to_dict() for row in page.items], page.next, page.total)


@router.get("/{deck}/log", response_model=Listed[DeckEvent])
def show_log(
    desk: Reading,
    deck: Name,
    kind: Literal["", "switch", "turn", "error", "head", "policy"] = "",
    limit: Limit = 50,
) -> Any:
    """What happened to it, newest first: switches, turns, errors, heads, policies."""
    return listed([one.to_dict() for one in desk.deck_log(deck, kind=kind, limit=limit)], None)


@router.post("/{deck}/confirm", response_model=DeckView)
def confirm_terms(desk: Writing, deck: Name) -> Any:
    """Confirm the terms of its source, for this account."""
    return desk.deck_confirm(deck).to_dict()


@router.delete("/{deck}/confirm", response_model=DeckView)
def withdraw_terms(desk: Writing, deck: Name) -> Any:
    """Take the confirmation back; the account's decks of that source are switched off."""
    return desk.deck_confirm(deck, False).to_dict()


@router.put("/{deck}/credentials/{secret}", response_model=DeckView)
def store_credential(desk: Writing, deck: Name, secret: Secret, given: SecretIn) -> Any:
    """Store a secret of its source, encrypted. No address tells it again."""
    return desk.deck_credential(deck, secret, given.value).to_dict()


@router.delete("/{deck}/credentials/{secret}", response_model=DeckView)
def forget_credential(desk: Writing, deck: Name, secret: Secret) -> Any:
    """Forget a secret; a deck that needs it is switched off."""
    return desk.deck_credential(deck, secret, "").to_dict()


@router.get("/{deck}/policy", response_model=PolicyView)
def show_policy(desk: Reading, deck: Name) -> Any:
    """Its policy, the rules in their order, and what no policy switches off."""
    return desk.deck_policy(deck).to_dict()


@router.put("/{deck}/policy", response_model=PolicyView)
def set_policy(desk: Writing, deck: Name, given: PolicyIn) -> Any:
    """Replace its policy; keys left out have their default."""
    return desk.deck_policy_set(deck, given.policy).to_dict()


@router.post("/{deck}/replay", response_model=ReplayView)
def replay(desk: Writing, deck: Name, given: ReplayIn | None = None) -> Any:
    """What a policy would have made of the stream so far. Sends and changes nothing."""
    wanted = given or ReplayIn()
    return desk.deck_replay(deck, wanted.policy, limit=wanted.limit).to_dict()


@router.get("/{deck}/heads", response_model=Listed[HeadRow])
def list_heads(desk: Reading, deck: Name) -> Any:
    """What was learned: which is live, and why the others are not. Newest first."""
    return listed([head.to_dict() for head in desk.deck_heads(deck)], None)


@router.post("/{deck}/retrain", response_model=HeadRow)
def retrain(desk: Writing, deck: Name) -> Any:
    """Learn from all labels; live only if the gate lets it."""
    return desk.deck_retrain(deck).to_dict()


@router.post("/{deck}/rollback", response_model=HeadRow)
def rollback(desk: Writing, deck: Name) -> Any:
    """Put what was live before back."""
    return desk.deck_rollback(deck).to_dict()
