"""Compile: make the one ONNX of a version, and prove that it answers as the trained model.

The heads of pictures, networks and models of tables each have a way of their own; networks
become Core ML too.
"""

from __future__ import annotations

from typing import Any

from tellapart.steps import StepContext


def run(context: StepContext) -> dict[str, Any]:
    """Compile; return hashes, what was checked and notes. Raises what the three kinds raise."""
    if context.recipe.model_kind == "network":
        from tellapart.steps.compile import network

        return network.run(context)
    if context.recipe.model_kind == "table":
        from tellapart.steps.compile import table

        return table.run(context)
    from tellapart.steps.compile import head

    return head.run(context)
