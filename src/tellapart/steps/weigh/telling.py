"""What rounds found and decided, in figures and in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tellapart.learn.collecting import Quality
from tellapart.recipe import Recipe
from tellapart.steps import rounds
from tellapart.steps.rounds import Standing

#: Queries of which the figures are kept, noisiest first.
_QUERIES = 50
#: How rounds end.
_ENDS = {
    rounds.ENOUGH: "that is enough",
    rounds.MOST: "that is the most that was asked for (per_class: {most})",
    rounds.DRY: "the sources have no more",
    rounds.CUT_OFF: "the sources gave no more for now, and some failed: the same command asks "
    "them again",
    rounds.TOO_MANY: "after so many rounds it is left at that",
}


def figures(quality: Quality) -> dict[str, Any]:
    """Shares of noise: of all, by source, by query (the noisiest), by source and rank."""
    queries = sorted(quality.by_query().items(), key=lambda item: (-item[1].share, item[0]))
    return {
        "all": asdict(quality.overall()),
        "sources": [
            {"source": name, **asdict(share)} for name, share in quality.by_source().items()
        ],
        "queries": [
            {"class": label, "source": source, "query": query, **asdict(share)}
            for (label, source, query), share in queries[:_QUERIES]
        ],
        "ranks": [
            {"source": source, "from": first, **asdict(share)}
            for (source, first), share in quality.by_rank().items()
        ],
    }


def notes(standing: Standing, recipe: Recipe) -> list[str]:
    """What a person should know at the end, in plain words."""
    last = standing.history[-1]
    count = len(standing.history)
    taken = f"{count} {'round' if count == 1 else 'rounds'}"
    end = _ENDS[standing.over].format(most=recipe.most_per_class)
    kept = f"{last['kept']} of {last['found']} pictures kept"
    said = [f"Collected in {taken}, {kept}: {end}.{_outlook(last['worth'])}"]
    if standing.failed:
        failed = ", ".join(f"{name} ({reason})" for name, reason in standing.failed.items())
        said.append(
            f"Sources that could not be asked: {failed}. `tellapart sources check` says more and "
            "tries them; once one answers, the same command asks it."
        )
    sources = sorted(standing.quality["sources"], key=lambda one: (one["share"], one["source"]))
    if len(sources) > 1:
        shares = ", ".join(f"{one['source']} {_in_words(one)}" for one in sources)
        said.append(f"Pictures that do not show their class, by source: {shares}.")
    return said


def _outlook(worth: dict[str, Any] | None) -> str:
    if worth is None:
        return " There are too few to tell what more of them would be worth."
    return (
        f" The next hundred are expected to bring {worth['hundred']:.2f} points of accuracy, "
        f"four times as many {worth['fourfold']:.1f} (at most {worth['fourfold_high']:.1f}, "
        "sure to 90 %)."
    )


def _in_words(one: dict[str, Any]) -> str:
    share, low, high = (f"{one[key]:.0%}".replace("%", " %") for key in ("share", "low", "high"))
    return f"{share} ({low} to {high})"
