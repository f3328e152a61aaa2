"""From the ledger's rows of decks to what a desk hands out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.decks import shapes as ledger
from tellapart.doors import DeckSource
from tellapart.runtime import uploads
from tellapart.runtime.desk.deck_shapes import (
    CandidatePicture,
    CandidateView,
    DeckRow,
    DeckVerdict,
    HeadRow,
    SourceView,
    TurnRow,
)


def source_view(kind: type[DeckSource], install: str = "") -> SourceView:
    """A kind of stream, as a form shows it."""
    return SourceView(
        name=kind.name,
        title=kind.title or kind.name,
        description=kind.about,
        people=kind.people,
        acts=kind.acts,
        terms=kind.confirm,
        terms_url=kind.terms,
        needs=[
            {
                "name": one.name,
                "title": one.title,
                "description": one.about,
                "required": one.required,
            }
            for one in kind.needs
        ],
        least_dry=kind.least_dry,
        options=[
            {
                "name": one.name,
                "title": one.title,
                "description": one.about,
                "kind": one.kind,
                "required": one.required,
                "default": one.default,
            }
            for one in kind.options
        ],
        local=kind.local,
        install=install,
    )


def deck_row(row: ledger.DeckRow, counts: ledger.Counts, *, busy: bool) -> DeckRow:
    """A deck in a list."""
    return DeckRow(
        id=row.id,
        name=row.name,
        title=row.title or row.name,
        project=row.project,
        source=row.source,
        people=row.people,
        mode=row.mode,
        why=row.why,
        switched=row.switched_at,
        every=row.every_s / 60 if row.every_s else None,
        last_turn=turn_row(row.last_turn) if row.last_turn else None,
        next_turn=row.next_turn,
        busy=busy,
        likes_left=row.likes_left,
        super_likes_left=row.super_likes_left,
        error=row.error,
        counts=counted(counts),
        created=row.created_at,
    )


def counted(counts: ledger.Counts) -> dict[str, int]:
    """The figures of a deck by name, as `DeckRow.counts` says."""
    return {
        "candidates": counts.candidates,
        "judged": counts.judged,
        **{action: counts.actions.get(action, 0) for action in ("like", "pass", "super_like")},
        "leave": counts.actions.get("leave", 0),
        **{f"sent_{state}": counts.states.get(state, 0) for state in ("done", "refused")},
        "unknown": counts.states.get("unknown", 0),
        "matches": counts.matches,
        "labels": counts.labelled,
        "to_review": counts.to_review,
        "dry_reviewed": counts.reviewed_dry,
        "new_looking": counts.new_looking,
        "not_adult": counts.not_adult,
    }


def turn_row(report: Mapping[str, Any], state: str = "") -> TurnRow:
    """What one turn did, of its report."""
    error = report.get("error")
    counts = {
        name: int(report.get(name) or 0) for name in ("seen", "judged", "not_adult", "reconciled")
    }
    counts |= {key: int(number) for key, number in (report.get("actions") or {}).items()}
    counts |= {f"sent_{key}": int(number) for key, number in (report.get("states") or {}).items()}
    if not state:
        state = "failed" if error else "done" if report.get("ended") else "running"
    return TurnRow(
        run=str(report.get("turn", "")),
        state=state,  # type: ignore[arg-type]
        mode=str(report.get("mode", "")),
        began=str(report.get("started", "")),
        ended=str(report.get("ended", "")),
        counts=counts,
        why=str(report.get("end", "")),
        error=error,
    )


def verdict(row: ledger.ActionRow) -> DeckVerdict:
    """What was decided of a candidate, and what came of it."""
    return DeckVerdict(
        id=row.id,
        action=row.action,
        rule=row.rule,
        reason=row.reason,
        picture=row.picture,
        score=row.score,
        person=row.person,
        explored=row.explored,
        mode=row.mode,
        head=row.head,
        at=row.at,
        outcome=row.state,
        answer=row.answer or {},
        match=row.match,
        outcome_at=row.outcome_at,
    )


def candidate_view(row: ledger.CandidateRow, because: str = "") -> CandidateView:
    """A candidate with everything known of it."""
    decided = row.action.picture if row.action is not None else None
    kept = row.state != "emptied" or row.label is not None
    pictures = [
        CandidatePicture(
            position=one.position,
            score=one.score,
            problem=one.problem,
            sha256=one.sha256,
            width=one.width,
            height=one.height,
            decided=one.position == decided,
            kept=bool(one.sha256) and kept,
        )
        for one in row.pictures
    ]
    scores = [one.score for one in row.pictures if one.score is not None]
    return CandidateView(
        id=row.id,
        ref=row.ref,
        name=row.name,
        bio=row.bio,
        age=row.age,
        distance_km=row.distance_km,
        url=row.url,
        fields=row.fields,
        pictures=pictures,
        score=max(scores, default=None),
        verdict=verdict(row.action) if row.action is not None else None,
        label=row.label,
        labelled_at=row.labelled_at,
        seen=row.seen_at,
        new_looking=row.new_looking,
        because=because,
    )


def head_row(row: ledger.HeadRow, log: list[ledger.LogRow]) -> HeadRow:
    """One taste that was learned, with what happened to it."""
    mine = [one for one in log if one.data.get("head") == row.id]
    return HeadRow(
        id=row.id,
        state=row.state,
        made=row.created_at,
        base=row.base,
        labels=row.labels,
        why=row.why,
        evaluation=row.evaluation,
        log=[{"at": one.at, "what": one.text} for one in reversed(mine)],
    )


def hidden(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Options as people see them: `upload:ID` instead of the server's path."""
    return {
        name: uploads.hide({"data": value}, root)["data"] if isinstance(value, str) else value
        for name, value in options.items()
    }
