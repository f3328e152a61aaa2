"""Decks for people: the JSON of a desk as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tellapart.cli.console import table

Shape = Mapping[str, Any]
#: Columns of the terminal that a reason may take in a list.
_LONG = 70


def decks(items: Sequence[Shape]) -> str:
    """Decks in a list: state, last and next turn, likes left, last error."""
    if not items:
        return "no decks"
    header = ("deck", "source", "state", "last turn", "next turn", "likes left", "error")
    rows = [
        (
            one["name"],
            one["source"],
            one["mode"] + (", at work" if one["busy"] else ""),
            _moment((one["last_turn"] or {}).get("began", "")),
            _moment(one["next_turn"]),
            _number(one["likes_left"]),
            (one["error"] or {}).get("what", one["why"] if one["mode"] == "off" else ""),
        )
        for one in items
    ]
    return table(rows, header)


def deck(one: Shape) -> str:
    """One deck with its settings and what stands against switching it on."""
    lines = [f"{one['name']}: {one['mode']}" + (f" ({one['why']})" if one["why"] else "")]
    lines.append(f"source: {one['source']}, {'people' if one['people'] else 'things'}")
    for key, value in one["options"].items():
        lines.append(f"  {key}: {value}")
    if one["project"]:
        lines.append(f"project: {one['project']}")
    lines += [
        f"secret {need['name']}: {'stored' if need['have'] else 'missing'}" for need in one["needs"]
    ]
    if one["terms"]:
        said = f"confirmed {_moment(one['confirmed'])}" if one["confirmed"] else "not confirmed"
        lines.append(f"terms: {said}" + (f" ({one['terms_url']})" if one["terms_url"] else ""))
    every = one["every"]
    due = f", the next one {_moment(one['next_turn'])}" if one["next_turn"] else ""
    lines.append(f"turns: every {every:g} min{due}" if every else "turns: only when asked for")
    if one["last_turn"]:
        lines.append(f"last turn: {turn(one['last_turn'])}")
    lines.append(f"likes left: {_number(one['likes_left']) or 'not known'}")
    lines.append("counts: " + (_counts(one["counts"]) or "nothing seen yet"))
    if one["head"]:
        lines.append(f"taste: {head(one['head'])}")
    lines += [f"before it may be on: {text}" for text in one["may_on"]]
    lines += list(error(one["error"]))
    return "\n".join(lines)


def turn(one: Shape) -> str:
    """What a turn did, on one line."""
    said = _counts(one["counts"])
    why = f", ended: {one['why']}" if one["why"] else ""
    return f"{_moment(one['began'])} {one['mode']} {one['state']}{f': {said}' if said else ''}{why}"


def turns(items: Sequence[Shape]) -> str:
    """Turns in a list."""
    rows = [
        (
            one["run"],
            one["state"],
            one["mode"],
            _moment(one["began"]),
            one["why"],
            _counts(one["counts"]),
        )
        for one in items
    ]
    return table(rows, ("run", "state", "mode", "began", "ended by", "")) if rows else "no turns"


def events(items: Sequence[Shape]) -> str:
    """What happened, a line each."""
    rows = [(_moment(one["at"]), one["kind"], one["text"]) for one in items]
    return table(rows, ("when", "what", "")) if rows else "nothing yet"


def candidates(items: Sequence[Shape]) -> str:
    """Candidates in a list: what was decided, why, what came of it, what a person said."""
    if not items:
        return "nothing"
    rows = []
    for one in items:
        verdict = one["verdict"] or {}
        rows.append(
            (
                one["id"],
                one["name"] or one["ref"],
                verdict.get("action", "-"),
                outcome(verdict) or "-",
                one["label"] or "-",
                _short(str(verdict.get("reason") or one["because"])),
            )
        )
    return table(rows, ("candidate", "name", "verdict", "outcome", "you", "why"))


def candidate(one: Shape) -> str:
    """One candidate with all that is known of it."""
    lines = [f"{one['id']}  {one['name'] or one['ref']}" + _facts(one)]
    if one["bio"]:
        lines.append(one["bio"])
    lines += [f"{key}: {value}" for key, value in one["fields"].items()]
    if one["url"]:
        lines.append(one["url"])
    for picture in one["pictures"]:
        score = picture["problem"] or share(picture["score"])
        mark = "  <- decided" if picture["decided"] else ""
        gone = "" if picture["kept"] else " (not kept)"
        lines.append(f"picture {picture['position']}: {score}{gone}{mark}")
    verdict = one["verdict"]
    if verdict:
        lines.append(f"verdict: {verdict['action']} by {verdict['rule']}: {verdict['reason']}")
        if verdict["person"]:
            lines.append("left to a person: it is yours to decide")
        if outcome(verdict):
            lines.append(f"outcome: {outcome(verdict)}")
    if one["new_looking"]:
        lines.append("it looks unlike what was learned from")
    lines.append(f"your word: {one['label'] or 'none yet'}")
    return "\n".join(lines)


def outcome(verdict: Shape) -> str:
    """What came of a verdict's act, as the service said."""
    if not verdict or verdict.get("outcome") in (None, "none"):
        return verdict.get("mode", "") if verdict else ""
    match = {True: ", a match", False: ", no match", None: ""}[verdict["match"]]
    return f"{verdict['outcome']}{match}"


def progress(one: Shape) -> str:
    """How far labelling is."""
    said = [f"{one['labels']} labels ({one['likes']} like, {one['passes']} pass)"]
    if one["accuracy"] is not None:
        said.append(
            f"estimated accuracy {share(one['accuracy'])} "
            f"({share(one['low'])} to {share(one['high'])})"
        )
    if one["saved"]:
        said.append(f"{one['saved']} labels saved against random order")
    if one["dry_reviewed"] < one["least_dry"]:
        said.append(f"{one['dry_reviewed']} of {one['least_dry']} dry verdicts looked at")
    return "; ".join(said) + (f"\n{one['why']}" if one["why"] else "")


def head(one: Shape) -> str:
    """One taste, on one line."""
    why = f": {one['why']}" if one["why"] else ""
    return f"{one['id']} {one['state']}, {one['labels']} labels, {_moment(one['made'])}{why}"


def corrected(one: Shape) -> str:
    """What a correction did."""
    lines = [one["said"]] if one["said"] else []
    rows = [
        (each["name"] or each["candidate"], share(each["before"]), share(each["after"]))
        for each in one["moved"][:20]
    ]
    if rows:
        lines.append(table(rows, ("scored anew", "before", "after")))
    return "\n".join(lines)


def replay(one: Shape) -> str:
    """What another policy would have made of the stream."""
    numbers = (one["candidates"], one["same"], one["changed"], one["unsaid"])
    lines = ["{} candidates: {} the same, {} otherwise, {} cannot be said".format(*numbers)]
    lines += [f"{move}: {number}" for move, number in one["moves"].items()]
    rows = []
    for each in one["rows"]:
        after = each["after"] or {"action": "?", "reason": each["problem"]}
        name = each["name"] or each["candidate"]
        rows.append((name, each["before"]["action"], after["action"], _short(after["reason"])))
    if rows:
        lines.append(table(rows, ("candidate", "was", "would be", "why")))
    if one["more"]:
        lines.append(f"and {one['more']} more")
    return "\n".join(lines)


def sources(items: Sequence[Shape]) -> str:
    """The kinds of streams, with options and secrets."""
    lines: list[str] = []
    for one in items:
        lines.append(f"{one['name']}: {one['description'] or one['title']}")
        if one["install"]:
            lines.append(f"  not here: {one['install']}")
        for each in one["options"]:
            must = ", required" if each["required"] else ""
            lines.append(
                f"  --option {each['name']}=…  {each['description']} ({each['kind']}{must})"
            )
        lines += [
            f"  secret {each['name']}: {each['description'] or each['title']}"
            for each in one["needs"]
        ]
        if one["terms"]:
            lines.append(f"  terms to confirm: {one['terms']}")
        if one["least_dry"]:
            lines.append(f"  dry verdicts to look at before it may be on: {one['least_dry']}")
    return "\n".join(lines)


def certificate(found: Shape) -> str:
    """What was forgotten."""
    lines = [f"forgotten: {found.get('kind', 'candidate')}, {found.get('at', '')}"]
    for place, what in dict(found.get("removed") or {}).items():
        said = _counts(what) if isinstance(what, Mapping) else str(what)
        lines.append(f"  {place}: {said}")
    lines += [f"note: {note}" for note in found.get("notes") or ()]
    return "\n".join(lines)


def error(found: Shape | None) -> Iterator[str]:
    """The last error, in its three parts."""
    if found:
        yield f"error: {found['what']}"
        yield f"  expected: {found.get('expected', '')}"
        yield f"  do next:  {found.get('do', '')}"


def share(value: float | None) -> str:
    """A probability as people read it."""
    return "-" if value is None else f"{100 * value:.1f} %"


def _facts(one: Shape) -> str:
    said = []
    if one["age"] is not None:
        said.append(f"declared age {one['age']}")
    if one["distance_km"] is not None:
        said.append(f"{one['distance_km']:.0f} km away")
    return f" ({', '.join(said)})" if said else ""


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items() if value)


def _moment(text: str) -> str:
    return text[:16].replace("T", " ") or "-"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
