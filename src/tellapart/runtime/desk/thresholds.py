"""Thresholds as sliders: what they are, what they would make of the pictures, setting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from tellapart.catalog import looking
from tellapart.errors import DataError, RecipeError
from tellapart.recipe import Curate, asked, check, guess, with_changes
from tellapart.runtime.desk.projects import Projects
from tellapart.runtime.desk.shapes import Decided, Threshold

#: (low, high, step) of each slider: where thresholds are of use, not all that is allowed.
_SPANS: dict[str, tuple[float, float, float]] = {
    "min_side": (1, 512, 1),
    "min_entropy": (0, 8, 0.1),
    "near_duplicate_bits": (0, 32, 1),
    "near_duplicate_cosine": (0, 1, 0.01),
    "near_duplicate_likeness": (0.5, 1, 0.01),
    "off_topic": (0, 1, 0.01),
    "mislabelled": (0, 1, 0.005),
    "max_blur": (0, 1, 0.01),
}


class Thresholds(Projects):
    """Verdicts follow from measurements and thresholds alone, so that a change decides at once."""

    def thresholds(self, project: str) -> list[Threshold]:
        """The sliders of a project, in the order of the recipe's documentation.

        None for projects whose pictures are not judged: data sets by name, tables, and those
        that take another project's pictures.
        """
        recipe = self.open(project).recipe
        if recipe.data_kind != "pictures" or recipe.from_project is not None:
            return []
        found = []
        for name, field in Curate.model_fields.items():
            if name not in _SPANS:
                continue  # no threshold
            low, high, step = _SPANS[name]
            kinds = get_args(field.annotation)
            found.append(
                Threshold(
                    name=name,
                    value=getattr(recipe.curate, name),
                    default=field.default,
                    low=low,
                    high=high,
                    step=step,
                    optional=type(None) in kinds,
                    whole=isinstance(step, int) and step == 1,
                    description=field.description or "",
                )
            )
        return found

    def decide(
        self, project: str, thresholds: Mapping[str, float | int | None], *, store: bool = True
    ) -> Decided:
        """What `thresholds` (only those named change) make of the pictures.

        `store`: write them into the recipe and the verdicts into the ledger; else nothing is
        changed. Raises `RecipeError` for a value out of range, `BusyError` while a run works on
        the project, `DataError` where nothing is measured yet.
        """
        for name in thresholds:
            if name not in _SPANS:
                raise _unknown(name)
        opened = self.open(project)
        check(with_changes(asked(opened.recipe), {"curate": dict(thresholds)}))
        if not self.thresholds(project) or self.catalog(project).finished("curate") is None:
            raise DataError(
                f"The pictures of the project {project!r} are not measured yet.",
                expected="a project whose pictures were collected and curated",
                do="Run it first; thresholds then decide at once.",
            )
        found = self._memory.thinker.ask(
            "decide", self.settings, project=project, thresholds=dict(thresholds), store=store
        )
        if store:
            self._forget(project)
            counts = looking.tally(self.catalog(project))
        else:
            counts = found["counts"]
        return Decided(
            thresholds=found["thresholds"],
            counts=counts,
            changed=found["changed"],
            notes=found["notes"],
            moved=found["moved"],
        )


def _unknown(name: str) -> RecipeError:
    near = guess(name, list(_SPANS))
    return RecipeError(
        f"There is no threshold {name[:80]!r}.",
        expected=f"some of {', '.join(_SPANS)}",
        do=f"Did you mean {near!r}?" if near else "Correct the name.",
    )
