"""Decks: candidates, verdicts, feedback, heads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "deck_confirmations",
        sa.Column("owner", sa.String(length=24), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "source", name=op.f("pk_deck_confirmations")),
    )
    op.create_table(
        "decks",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("project", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("people", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("mode", sa.String(length=8), server_default="off", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("switched_at", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Text(), server_default="", nullable=False),
        sa.Column("every_s", sa.Integer(), server_default="300", nullable=False),
        sa.Column("next_turn", sa.Text(), server_default="", nullable=False),
        sa.Column("last_turn", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("likes_left", sa.Integer(), nullable=True),
        sa.Column("super_likes_left", sa.Integer(), nullable=True),
        sa.Column("out_until", sa.Text(), server_default="", nullable=False),
        sa.Column("holder", sa.Text(), server_default="", nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("held_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("deeper_days", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deeper_at", sa.Text(), server_default="", nullable=False),
        sa.Column("deeper_labels", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deeper_run", sa.Text(), server_default="", nullable=False),
        sa.Column("base", sa.Text(), server_default="", nullable=False),
        sa.Column("corrected", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decks")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_decks_owner_name")),
    )
    op.create_index("ix_decks_mode_next_turn", "decks", ["mode", "next_turn"], unique=False)
    op.create_table(
        "deck_candidates",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("bio", sa.Text(), server_default="", nullable=False),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("distance_km", sa.Float(), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_at", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=8), server_default="new", nullable=False),
        sa.Column("judged_at", sa.Text(), server_default="", nullable=False),
        sa.Column("novelty", sa.Float(), nullable=True),
        sa.Column("new_looking", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("picked", sa.Text(), server_default="", nullable=False),
        sa.Column("part", sa.String(length=8), server_default="train", nullable=False),
        sa.ForeignKeyConstraint(
            ["deck_id"],
            ["decks.id"],
            name=op.f("fk_deck_candidates_deck_id_decks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_candidates")),
        sa.UniqueConstraint("deck_id", "ref", name=op.f("uq_deck_candidates_deck_id_ref")),
    )
    op.create_index(
        "ix_deck_candidates_deck_id_state", "deck_candidates", ["deck_id", "state"], unique=False
    )
    op.create_table(
        "deck_days",
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["deck_id"], ["decks.id"], name=op.f("fk_deck_days_deck_id_decks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("deck_id", "day", "what", name=op.f("pk_deck_days")),
    )
    op.create_table(
        "deck_heads",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("base", sa.Text(), server_default="", nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Text(), server_default="", nullable=False),
        sa.Column("labels", sa.Integer(), server_default="0", nullable=False),
        sa.Column("evaluation", sa.JSON(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("before", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["deck_id"], ["decks.id"], name=op.f("fk_deck_heads_deck_id_decks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_heads")),
    )
    op.create_index(op.f("ix_deck_heads_deck_id"), "deck_heads", ["deck_id"], unique=False)
    op.create_table(
        "deck_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("at", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deck_id"], ["decks.id"], name=op.f("fk_deck_log_deck_id_decks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_log")),
    )
    op.create_index(op.f("ix_deck_log_deck_id"), "deck_log", ["deck_id"], unique=False)
    op.create_table(
        "deck_actions",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("candidate_id", sa.String(length=22), nullable=False),
        sa.Column("turn", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Text(), server_default="", nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("picture", sa.Integer(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("person", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("explored", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("head", sa.Text(), server_default="", nullable=False),
        sa.Column("policy", sa.Text(), server_default="", nullable=False),
        sa.Column("recorded", sa.JSON(), nullable=False),
        sa.Column("intent", sa.String(length=8), nullable=True),
        sa.Column("intent_at", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=12), server_default="none", nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("match", sa.Boolean(), nullable=True),
        sa.Column("outcome_at", sa.Text(), server_default="", nullable=False),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["deck_candidates.id"],
            name=op.f("fk_deck_actions_candidate_id_deck_candidates"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["deck_id"],
            ["decks.id"],
            name=op.f("fk_deck_actions_deck_id_decks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_actions")),
        sa.UniqueConstraint(
            "candidate_id", "intent", name=op.f("uq_deck_actions_candidate_id_intent")
        ),
    )
    op.create_index(
        "ix_deck_actions_deck_id_state", "deck_actions", ["deck_id", "state"], unique=False
    )
    op.create_table(
        "deck_feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deck_id", sa.String(length=22), nullable=False),
        sa.Column("candidate_id", sa.String(length=22), nullable=False),
        sa.Column("label", sa.String(length=8), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Text(), server_default="", nullable=False),
        sa.Column("held_back", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("by_chance", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("decided", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["deck_candidates.id"],
            name=op.f("fk_deck_feedback_candidate_id_deck_candidates"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["deck_id"],
            ["decks.id"],
            name=op.f("fk_deck_feedback_deck_id_decks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_feedback")),
    )
    op.create_index(
        op.f("ix_deck_feedback_candidate_id"), "deck_feedback", ["candidate_id"], unique=False
    )
    op.create_index(op.f("ix_deck_feedback_deck_id"), "deck_feedback", ["deck_id"], unique=False)
    op.create_table(
        "deck_pictures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.String(length=22), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.String(length=64), server_default="", nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("head", sa.Text(), server_default="", nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["deck_candidates.id"],
            name=op.f("fk_deck_pictures_candidate_id_deck_candidates"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deck_pictures")),
        sa.UniqueConstraint(
            "candidate_id", "position", name=op.f("uq_deck_pictures_candidate_id_position")
        ),
    )
    op.create_index(op.f("ix_deck_pictures_sha256"), "deck_pictures", ["sha256"], unique=False)
    op.create_table(
        "deck_features",
        sa.Column("picture_id", sa.Integer(), nullable=False),
        sa.Column("base", sa.String(length=128), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["picture_id"],
            ["deck_pictures.id"],
            name=op.f("fk_deck_features_picture_id_deck_pictures"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("picture_id", "base", name=op.f("pk_deck_features")),
    )
