"""Projects of an account: listing, making, changing, deleting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.runtime.desk.base import Base
from tellapart.runtime.desk.shapes import Page, ProjectCard, ProjectView


class Projects(Base):
    """The projects themselves."""

    def projects(self, *, limit: int = 50, after: str | None = None) -> Page[ProjectCard]:
        """The account's projects by name, from the one after the cursor `after` on."""
        raise NotImplementedError

    def project(self, name: str) -> ProjectView:
        """One project with its recipe and counts. Raises `NotFoundError`."""
        raise NotImplementedError

    def recipe(self, data: Mapping[str, Any] | str) -> dict[str, Any]:
        """Check a recipe or an old spec (plain data, or YAML/JSON text) without making anything.

        Returns it as asked, with `name`. Raises `RecipeError` with all problems, and `InputError`
        where it names files that this account may not read.
        """
        raise NotImplementedError

    def recipe_of_words(
        self, words: Sequence[str], *, effort: str = "quick", **options: Any
    ) -> dict[str, Any]:
        """The recipe that tells `words` apart, as asked; `options`: further keys of a recipe."""
        raise NotImplementedError

    def create_project(self, recipe: Mapping[str, Any] | str) -> ProjectView:
        """Make the project of a recipe or spec without running it.

        Raises `InputError` (409) where one of that name exists, and as `recipe`.
        """
        raise NotImplementedError

    def update_project(self, name: str, changes: Mapping[str, Any]) -> ProjectView:
        """Change keys of the recipe; `auto` gives a key back to its default."""
        raise NotImplementedError

    def delete_project(self, name: str) -> None:
        """Forget a project: rows, work, versions, its runs. Raises `BusyError` while one runs."""
        raise NotImplementedError

    def free_name(self, name: str) -> str:
        """`name`, or `name-2`, `name-3`, … : the first that no project of the account has."""
        raise NotImplementedError
