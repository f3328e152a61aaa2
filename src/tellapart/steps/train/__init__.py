"""Train: fit what the recipe asks for to the training samples.

A linear head on frozen features of pictures, a ladder of ever dearer models of them, a network of
layers, or models of a table's rows.
"""

from __future__ import annotations

from typing import Any

from tellapart.steps import StepContext, climbs, has_stages


def run(context: StepContext) -> dict[str, Any]:
    """Train; return counts, validation figures and notes. Raises what the three kinds raise."""
    if context.recipe.model_kind == "network":
        from tellapart.steps.train import network

        return network.run(context)
    if context.recipe.model_kind == "table":
        from tellapart.steps.train import table

        return table.run(context)
    if has_stages(context.recipe):
        from tellapart.steps.train import stages

        return stages.run(context)
    if climbs(context.recipe):
        from tellapart.steps.train import ladder

        return ladder.run(context)
    from tellapart.steps.train import head

    return head.run(context)
