"""Decks: streams of candidates, what was decided about each, what people say, and the heads.

Times are UTC, ISO 8601, to the millisecond; `decks.held_until` alone is seconds of the database's
own clock, so that machines with different clocks agree on it. No age, no sex and no face vector of
a picture has a column here: `deck_features` holds what a model sees of a whole picture.
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text

#: `d_`, `c_`, `a_` or `h_` and 20 letters of base32; greater ones are younger.
ID = sa.String(22)
#: A candidate has no label any more, and there are heads that may have learned from one it had.
TAKEN_BACK = "taken back"


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _facts(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True))


def _of(table: str, name: str, **kwargs: bool) -> sa.Column[str]:
    key = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(name, ID, key, nullable=False, **kwargs)  # type: ignore[arg-type]


decks = sa.Table(
    "decks",
    metadata,
    sa.Column("id", ID, primary_key=True),
    text("owner"),
    sa.Column("name", sa.String(64), nullable=False),
    text("title"),
    #: A project of the same owner; its live version may be the base of the deck's head.
    text("project"),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    _flag("people"),
    sa.Column("policy", sa.JSON, nullable=False),
    #: `off`, `dry` or `on`, since when, and why.
    sa.Column("mode", sa.String(8), nullable=False, server_default="off"),
    text("why"),
    text("switched_at"),
    text("created_at"),
    #: Seconds between two turns that the autopilot begins.
    sa.Column("every_s", sa.Integer, nullable=False, server_default="300"),
    text("next_turn"),
    #: Of the last turn: its report, the error it met.
    _facts("last_turn"),
    _facts("error"),
    sa.Column("likes_left", sa.Integer),
    sa.Column("super_likes_left", sa.Integer),
    #: Until then the service has no likes left.
    text("out_until"),
    #: Whose turn is under way, in which running system, and until when by the database's clock.
    text("holder"),
    text("place"),
    sa.Column("held_until", sa.Float, nullable=False, server_default="0"),
    #: Days between two deeper trainings (0: none), and when and with how many labels the last was.
    _count("deeper_days"),
    text("deeper_at"),
    _count("deeper_labels"),
    text("deeper_run"),
    #: What the next fit begins from, instead of the project's version or the embedded backbone.
    text("base"),
    #: Raised with every correction, so that scores of before are known as such.
    _count("corrected"),
    sa.UniqueConstraint("owner", "name"),
    sa.Index("ix_decks_mode_next_turn", "mode", "next_turn"),
)

deck_candidates = sa.Table(
    "deck_candidates",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _of("decks", "deck_id"),
    #: The service's own name of it.
    sa.Column("ref", sa.Text, nullable=False),
    text("name"),
    text("bio"),
    sa.Column("age", sa.Integer),
    sa.Column("distance_km", sa.Float),
    sa.Column("fields", sa.JSON, nullable=False),
    text("url"),
    text("seen_at"),
    #: `new` (not judged yet), `judged`, or `emptied` (its facts were dropped after 30 days).
    sa.Column("state", sa.String(8), nullable=False, server_default="new"),
    text("judged_at"),
    #: How unlike the training pictures it is; NULL where nobody looked.
    sa.Column("novelty", sa.Float),
    _flag("new_looking"),
    #: Why it was picked to be labelled (`by chance`, `unsure`, …), or `TAKEN_BACK`; empty: it was
    #: not.
    text("picked"),
    #: In which part its label counts: `train`, `held` (back, for the gate) or `test` (frozen).
    sa.Column("part", sa.String(8), nullable=False, server_default="train"),
    sa.UniqueConstraint("deck_id", "ref"),
    sa.Index("ix_deck_candidates_deck_id_state", "deck_id", "state"),
)

deck_pictures = sa.Table(
    "deck_pictures",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of("deck_candidates", "candidate_id"),
    sa.Column("position", sa.Integer, nullable=False),
    text("url"),
    #: A local picture, referenced in place, instead of `url`.
    text("path"),
    sa.Column("sha256", sa.String(64), nullable=False, server_default="", index=True),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    #: P(like), by the head that `head` names.
    sa.Column("score", sa.Float),
    text("head"),
    text("problem"),
    sa.UniqueConstraint("candidate_id", "position"),
)

#: What a model sees of a picture, float32 in the machine's little-endian order.
deck_features = sa.Table(
    "deck_features",
    metadata,
    sa.Column(
        "picture_id",
        sa.Integer,
        sa.ForeignKey("deck_pictures.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("base", sa.String(128), primary_key=True),
    sa.Column("features", sa.LargeBinary, nullable=False),
)

#: One row a verdict: what was decided and why, whether it was sent, and what the service said.
deck_actions = sa.Table(
    "deck_actions",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _of("decks", "deck_id"),
    _of("deck_candidates", "candidate_id"),
    text("turn"),
    text("at"),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("rule", sa.String(32), nullable=False),
    text("reason"),
    sa.Column("picture", sa.Integer),
    sa.Column("score", sa.Float),
    _flag("person"),
    _flag("explored"),
    #: Which head and which policy (its digest) judged.
    text("head"),
    text("policy"),
    #: Scores by picture as they were then, and what was left of the limits: what a replay needs.
    sa.Column("recorded", sa.JSON, nullable=False),
    #: `act` from the moment an intent is stored, else NULL: the database lets one pass.
    sa.Column("intent", sa.String(8)),
    text("intent_at"),
    #: `none`, `held`, `intended`, `done`, `refused`, `missed` or `unknown`.
    sa.Column("state", sa.String(12), nullable=False, server_default="none"),
    _facts("answer"),
    sa.Column("match", sa.Boolean),
    text("outcome_at"),
    sa.Column("asked", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("candidate_id", "intent"),
    sa.Index("ix_deck_actions_deck_id_state", "deck_id", "state"),
)

#: What people said, oldest first; of one candidate the last row counts.
deck_feedback = sa.Table(
    "deck_feedback",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of("decks", "deck_id", index=True),
    _of("deck_candidates", "candidate_id", index=True),
    #: `like` or `pass`.
    sa.Column("label", sa.String(8), nullable=False),
    text("by"),
    text("at"),
    #: Whether it is kept back from training, for the gate; whether it was drawn by chance.
    _flag("held_back"),
    _flag("by_chance"),
    #: What had been decided when it was said; empty: nothing yet.
    text("decided"),
)

deck_heads = sa.Table(
    "deck_heads",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _of("decks", "deck_id", index=True),
    #: `champion` (judges), `challenger`, `shadow` (too little is known), `refused` or `retired`.
    sa.Column("state", sa.String(12), nullable=False),
    text("base"),
    sa.Column("weights", sa.LargeBinary, nullable=False),
    text("created_at"),
    _count("labels"),
    sa.Column("evaluation", sa.JSON, nullable=False),
    text("why"),
    #: The champion that it took the place of.
    text("before"),
)

#: Counts by day. Of those who are not judged because of their age this is all that is kept.
deck_days = sa.Table(
    "deck_days",
    metadata,
    _of("decks", "deck_id", primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("what", sa.String(16), primary_key=True),
    _count("number"),
)

#: What happened to a deck: switches, turns, errors, heads, policies.
deck_log = sa.Table(
    "deck_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _of("decks", "deck_id", index=True),
    text("at"),
    sa.Column("kind", sa.String(16), nullable=False),
    text("text"),
    sa.Column("data", sa.JSON, nullable=False),
)

#: An account read a service's terms and wants it all the same.
deck_confirmations = sa.Table(
    "deck_confirmations",
    metadata,
    sa.Column("owner", sa.String(24), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("terms", sa.Text, nullable=False),
)
