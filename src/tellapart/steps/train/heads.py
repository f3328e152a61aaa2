"""The ladder's lower part: heads on frozen networks, and what is left to try with time over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tellapart.errors import TellapartError
from tellapart.learn.backbone import NAME
from tellapart.learn.ladder import rungs
from tellapart.learn.ladder.rungs import HeadRung, Source
from tellapart.steps import StepContext
from tellapart.steps.train import frozen
from tellapart.steps.train.climbing import Climb
from tellapart.steps.train.reserve import Reserve

#: Of the time left, what a rung that seldom pays may take.
_SHARE = 0.33
#: Seconds to export a network of timm for one side of pictures, torch's import among them.
_EXPORT = 10.0
#: Of the whole time, what may be left over unsaid.
_OVER = 0.1


def networks_of(context: StepContext) -> list[str]:
    """The networks at hand, the embedded one first; only the one asked for, where one is."""
    from tellapart.learn import weights

    asked = str(getattr(context.recipe.train, "backbone", "auto"))
    if asked != "auto":
        return [asked]
    local = {each.name for each in weights.available(context.settings)}
    return [NAME, *sorted(local - {NAME})]


def _flag(value: object) -> bool | None:
    return None if value == "auto" else bool(value)


def climb_heads(climb: Climb, reserve: Reserve, notes: list[str]) -> None:
    """The quick head, then the largest pictures that the time allows; more where it is plenty."""
    asked, networks = climb.context.recipe.train, networks_of(climb.context)
    mirror = _flag(asked.mirror)
    if asked.size != "auto":
        side = int(asked.size)
        _try(climb, reserve, rungs.first(networks, side, mirror=bool(mirror)), notes)
        sizes: tuple[int, ...] = (side,)
    else:
        _try(climb, reserve, rungs.first(networks, mirror=bool(mirror)), notes)
        sizes = rungs.SIZES
    for group in rungs.heads(networks, sizes=sizes, mirror=mirror):
        tried = [_try(climb, reserve, rung, notes) for rung in _until_kept(climb, group)]
        if any(tried):
            break
    if climb.context.recipe.effort == "best" or climb.budget.explicit:
        _more(climb, reserve, networks, mirror, notes)


def _until_kept(climb: Climb, group: Sequence[HeadRung]) -> Iterator[HeadRung]:
    """The rungs of `group` up to the first that is kept."""
    for rung in group:
        yield rung
        row = climb.kept.find(rung.name)
        if row is not None and row["kept"]:
            return


def _more(
    climb: Climb,
    reserve: Reserve,
    networks: Sequence[str],
    mirror: bool | None,
    notes: list[str],
) -> None:
    """What seldom pays: other sizes, two networks side by side; within a third of what is left."""
    if climb.context.recipe.train.size != "auto":
        return
    others = [group[0] for group in rungs.heads(networks, sizes=rungs.MORE_SIZES, mirror=mirror)]
    if len(networks) > 1:
        others.insert(0, rungs.together(networks, rungs.SIZES[0], mirror=mirror))
    for rung in others:
        if not climb.is_done(rung.name):
            _try(climb, reserve, rung, notes, share=_SHARE)


def _try(
    climb: Climb, reserve: Reserve, rung: HeadRung, notes: list[str], share: float = 1.0
) -> bool:
    """Climb `rung` where it fits into `share` of the time left; whether it was climbed, now or
    before. One of a network that cannot be had is left out."""
    climb.check()
    if climb.is_done(rung.name):
        climb.heads.append(rung)
        return True
    # Other networks are exported twice: to be measured, and for the rung's own side.
    exports = 2 * _EXPORT * len({each.network for each in rung.sources} - {NAME})
    if climb.best is not None and not climb.budget.fits(exports / share):
        return False
    try:
        speeds = {each.network: reserve.speed(each.network) for each in rung.sources}
        known = frozen.known(rung, climb.heads)
        cost = exports + rungs.seconds(rung, len(climb.judges.rows), speeds, known)
        after = max(reserve.seconds(rung.passes()), climb.standing)
        climb.budget = climb.budget.with_reserve(after)
        if climb.best is not None and not climb.budget.fits(cost / share):
            return False
        begun = time.monotonic()
        reached, vectors = frozen.climb(climb.context, climb.judges, rung, climb.watch(rung.name))
    except TellapartError as error:
        if climb.best is None:
            raise
        notes.append(f"{rung.name} was left out: {error.what}")
        return False
    climb.heads.append(rung)
    climb.offer(reached, vectors, time.monotonic() - begun)
    return True


def fill(climb: Climb, reserve: Reserve, notes: list[str]) -> None:
    """Spend time that was asked for by name and that nothing dearer fits into: other sides, other
    networks, fewer views, the dearest that fits first. Says what is left over, and why.
    """
    asked, networks = climb.context.recipe.train, networks_of(climb.context)
    mirror = _flag(asked.mirror)
    sizes = rungs.FILLING if asked.size == "auto" else (int(asked.size),)
    others = sorted(_others(networks, sizes, mirror), key=_looks, reverse=True)
    new = [rung for rung in others if not climb.is_done(rung.name)]
    tried, said, lost = [], len(notes), set[str]()
    for rung in new:
        network = rung.sources[0].network
        if network in lost:
            continue
        tried.append(_try(climb, reserve, rung, notes))
        if len(notes) > said:  # left out with a note: at other sides it would be the same
            lost.add(network)
            said = len(notes)
    climb.budget = climb.budget.with_reserve(climb.standing)
    over = climb.budget.left
    if over > _OVER * climb.budget.seconds:
        why = (
            "what was not tried would have taken longer"
            if not all(tried)
            else "nothing was left to try"
        )
        whole = climb.budget.seconds
        notes.append(f"{over:.0f} s of the {whole:.0f} s asked for were left over: {why}.")


def _others(
    networks: Sequence[str], sizes: Sequence[int], mirror: bool | None
) -> Iterator[HeadRung]:
    views = [(False, False)] if mirror is False else [(True, True), (True, False), (False, False)]
    for size in sizes:
        for name in networks:
            for way in views:
                yield HeadRung(size, (Source(name, *way, stages=True),))


def _looks(rung: HeadRung) -> float:
    return sum(rung.passes().values())
