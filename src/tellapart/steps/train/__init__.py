"""Train: fit what the recipe asks for to the training samples.

A linear head on frozen features of pictures, a ladder of ever dearer models of them, a network of
layers, or models of a table's rows.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tellapart.steps import StepContext, climbs, has_stages


def run(context: StepContext) -> dict[str, Any]:
    """Train; return counts, validation figures and notes. Raises what the kinds raise.

    Pictures that a broken-off training of another kind had prepared are removed first.
    """
    staged, climbing = has_stages(context.recipe), climbs(context.recipe)
    _clear(context.work, staged=staged, climbing=climbing)
    if context.recipe.model_kind == "network":
        from tellapart.steps.train import network

        return network.run(context)
    if context.recipe.model_kind == "table":
        from tellapart.steps.train import table

        return table.run(context)
    if staged:
        from tellapart.steps.train import stages

        return stages.run(context)
    if climbing:
        from tellapart.steps.train import ladder

        summary = ladder.run(context)
        if summary["finished"]:  # folds that the time cut short go on no more
            _clear(context.work, staged=False, climbing=False)
        return summary
    from tellapart.steps.train import head

    return head.run(context)


def _clear(work: Path, *, staged: bool, climbing: bool) -> None:
    """Remove the prepared pictures and checkpoints of tunings that nothing goes on from."""
    left = [] if staged else [work / "tuning"]
    if not climbing:
        left += sorted(work.glob("ladder/*/training"))
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
