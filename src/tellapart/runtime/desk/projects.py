"""Projects of an account: listing, making, changing, deleting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tellapart import registry
from tellapart.catalog import Catalog, looking, owners
from tellapart.decks import listing
from tellapart.errors import BusyError, InputError, RequestError
from tellapart.project import Project
from tellapart.recipe import Recipe, asked, check, is_name, parse_lines, with_changes
from tellapart.runtime import uploads
from tellapart.runtime.desk.pictures import Pictures
from tellapart.runtime.desk.shapes import Page, ProjectCard, ProjectView
from tellapart.runtime.desk.traces import Traces
from tellapart.runtime.intake import confine
from tellapart.runtime.shapes import ENDED

#: Projects on one page at most.
MOST_ON_A_PAGE = 200
_MOST_NAMES = 10_000


class Projects(Pictures):
    """The projects themselves."""

    def projects(self, *, limit: int = 50, after: str | None = None) -> Page[ProjectCard]:
        """The account's projects by name; `after`: the name of the last one seen."""
        limit = min(max(1, limit), MOST_ON_A_PAGE)
        rows, number = owners.projects(
            self.engine, self.settings.owner, limit=limit + 1, after=after or ""
        )
        cards = [self._card(row) for row in rows[:limit]]
        return Page(cards, cards[-1].name if len(rows) > limit else None, number)

    def project(self, name: str) -> ProjectView:
        """One project with its recipe and counts. Raises `NotFoundError`."""
        rows, _ = owners.projects(self.engine, self.settings.owner, limit=1, name=name)
        if not rows:
            self.catalog(name)  # raises, with the nearest name
        recipe = check(rows[0].recipe)
        catalog = self.catalog(name)
        return ProjectView(
            **asdict(self._card(rows[0])),
            recipe=uploads.hide(rows[0].recipe, self.uploads),
            counts=self.counts(name),
            thresholds={
                key: getattr(recipe.curate, key)
                for key in type(recipe.curate).model_fields
                if key != "features"
            },
            changed=self._changed(name, catalog),
        )

    def recipe(self, data: Mapping[str, Any] | str) -> dict[str, Any]:
        """Check a recipe or an old spec (plain data, or YAML/JSON text) without making anything.

        Returns it as asked, with `name`. Raises `RecipeError` with all problems, and `InputError`
        where it names files that this account may not read.
        """
        return uploads.hide(asked(self._checked(data)), self.uploads)

    def recipe_of_words(
        self, words: Sequence[str], *, effort: str = "quick", **options: Any
    ) -> dict[str, Any]:
        """The recipe that tells `words` apart, as asked; `options`: further keys of a recipe."""
        return self.recipe({"classes": list(words), "effort": effort, **options})

    def create_project(self, recipe: Mapping[str, Any] | str) -> ProjectView:
        """Make the project of a recipe or spec without running it.

        Raises `InputError` where one of that name exists, and as `recipe`.
        """
        checked = self._checked(recipe)
        self._room_for_a_project()
        if owners.projects(self.engine, self.settings.owner, limit=1, name=checked.name)[0]:
            raise InputError(
                f"There is a project {checked.name!r} already.",
                expected="a name that is not taken",
                do=f"Choose another name, such as {self.free_name(checked.name)!r}.",
            )
        Project.create(checked, self.settings).close()
        return self.project(checked.name)

    def update_project(self, name: str, changes: Mapping[str, Any]) -> ProjectView:
        """Change keys of the recipe; `auto` gives a key back to its default."""
        if "name" in changes and changes["name"] != name:
            raise InputError(
                f"The name {changes['name']!r} would rename the project {name!r}.",
                expected="changes to other keys: a project keeps its name",
                do="Make a project of the new name, with `data: project:OLD` for its pictures.",
            )
        opened = self.open(name)
        wanted = uploads.resolve(changes, self.uploads)
        self._confined(check(with_changes(asked(opened.recipe), wanted), base=self.uploads))
        opened.update(wanted, base=self.uploads)
        self._forget(name)
        return self.project(name)

    def delete_project(self, name: str) -> None:
        """Forget a project: rows, work, versions, its runs.

        Raises `BusyError` while one runs, and while a deck belongs to it.
        """
        opened = self.open(name)
        owner = self.settings.owner
        decks = [deck for deck in listing.listed(self.engine, owner) if deck.project == name]
        if decks:
            raise BusyError(
                f"The deck {decks[0].name!r} belongs to the project {name!r}.",
                expected="a project that no deck belongs to",
                do="Delete the deck first, or give it another project.",
            )
        active = [run for run in self._runs.list(owner=owner, project=name) if not run.ended_state]
        if active:
            raise BusyError(
                f"The project {name!r} has a run that is {active[0].state}.",
                expected="a project of which nothing is queued or running",
                do=f"Cancel the run {active[0].id} first.",
            )
        self._delete(opened)
        self._delete_runs(name)
        self._forget(name)

    def _delete(self, opened: Project) -> None:
        """Delete it with what was made of it for pages and downloads."""
        traces = Traces.of(opened)
        opened.delete()
        traces.drop(opened, self.engine)

    def free_name(self, name: str) -> str:
        """`name`, or `name-2`, `name-3`, … : the first that no project of the account has."""
        taken = set(Project.names(self.settings))
        if name not in taken:
            return name
        for number in range(2, _MOST_NAMES):
            end = f"-{number}"
            candidate = name[: 64 - len(end)].rstrip("-_.") + end
            if candidate not in taken and is_name(candidate):
                return candidate
        raise InputError(
            f"All names from {name!r} on are taken.",
            expected="a name that is not taken",
            do="Choose another name.",
        )

    def _changed(self, name: str, catalog: Catalog) -> bool:
        """Whether what is learned from is not what the newest version learned from."""
        newest = catalog.latest_version()
        if newest is None:
            return False
        if looking.changed_since(catalog, newest.created_at):
            return True
        try:
            # Files, as the catalog's times are whole seconds, and people are as quick as that.
            packaged = (self.settings.projects_dir / name / "versions" / newest.file).stat()
            return self.mark(name).stat().st_mtime_ns > packaged.st_mtime_ns
        except OSError:
            return False

    # -- inside -----------------------------------------------------------------------------

    def _checked(self, data: Mapping[str, Any] | str) -> Recipe:
        sources, lines = registry.names("source"), None
        plain: Any = data
        if isinstance(data, str):
            form = "json" if data.lstrip().startswith("{") else "yaml"
            plain, lines = parse_lines(data, form=form)
        if isinstance(plain, Mapping):
            plain = uploads.resolve(plain, self.uploads)
        return self._confined(check(plain, base=self.uploads, sources=sources, lines=lines))

    def _confined(self, recipe: Recipe) -> Recipe:
        """Off a single user's machine a recipe names no files but the account's uploads."""
        if not self.single_user:
            confine(recipe.model_dump(), self.uploads)
        if recipe.from_project is not None:
            self.catalog(recipe.from_project)
        return recipe

    def _room_for_a_project(self) -> None:
        """An account is no place for thousands of empty projects."""
        number = owners.projects(self.engine, self.settings.owner, limit=1)[1]
        if not self.single_user and number >= 1000:
            raise RequestError(
                f"This account has {number} projects.",
                expected="at most 1000 projects an account",
                do="Delete those that are no longer needed.",
                status=429,
            )

    def _delete_runs(self, project: str) -> None:
        owner, after = self.settings.owner, None
        while runs := self._runs.list(owner=owner, project=project, limit=200, after=after):
            for run in runs:
                if run.state in ENDED:
                    self._runs.delete(id=run.id)
            after = runs[-1].id

    def _card(self, row: owners.ProjectRow) -> ProjectCard:
        try:
            recipe = check(row.recipe)
            kinds = (recipe.title or row.name, recipe.data_kind, recipe.model_kind)
            classes = list(recipe.labels)
        except InputError:  # of an older program: shown all the same
            kinds, classes = (row.name, "pictures", "head"), []
        classes = classes or sorted((row.metrics or {}).get("classes", ()))
        return ProjectCard(
            name=row.name,
            title=kinds[0],
            created=row.created_at,
            data_kind=kinds[1],
            model_kind=kinds[2],
            classes=classes,
            version=row.version,
            metrics=row.metrics or {},
        )
