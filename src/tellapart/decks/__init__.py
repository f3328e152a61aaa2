"""The ledger of decks: every candidate seen, verdict made, action sent and label given."""

from __future__ import annotations

from tellapart.decks.shapes import (
    ActionRow,
    CandidateRow,
    Counts,
    DeckRow,
    Filters,
    HeadRow,
    LogRow,
    Page,
    PictureRow,
    TurnReport,
)

__all__ = [
    "ActionRow",
    "CandidateRow",
    "Counts",
    "DeckRow",
    "Filters",
    "HeadRow",
    "LogRow",
    "Page",
    "PictureRow",
    "TurnReport",
]
