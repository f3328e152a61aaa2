"""Evaluate: measure on the untouched test samples, and show what goes wrong."""

from __future__ import annotations

from typing import Any

from tellapart.steps import StepContext


def run(context: StepContext) -> dict[str, Any]:
    """Evaluate; return the headline figures and notes. Raises what the two kinds raise."""
    if context.recipe.model_kind == "head":
        from tellapart.steps.evaluate import head

        return head.run(context)
    from tellapart.steps.evaluate import learned

    return learned.run(context)
