"""Projects, and recipes before they become one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from tellapart.rest.auth import Reading, Writing
from tellapart.rest.paging import After, Limit, listed
from tellapart.rest.shapes import Listed, ProjectOut, ProjectWhole, RecipeIn

router = APIRouter(tags=["projects"])
#: A project's name in an address.
Name = Annotated[str, Path(min_length=1, max_length=64, description="The project's name.")]


@router.get("/projects", response_model=Listed[ProjectOut])
def list_projects(desk: Reading, limit: Limit = 50, after: After = None) -> Any:
    """The account's projects, by name."""
    page = desk.projects(limit=limit, after=after)
    return listed([card.to_dict() for card in page.items], page.next, page.total)


@router.post("/projects", status_code=201, response_model=ProjectWhole)
def create_project(desk: Writing, given: RecipeIn, response: Response) -> Any:
    """Make a project of a recipe or an old spec, without running it."""
    made = desk.create_project(given.recipe)
    response.headers["Location"] = f"/api/v1/projects/{made.name}"
    return made.to_dict()


@router.post("/recipes/check")
def check_recipe(desk: Reading, given: RecipeIn) -> dict[str, Any]:
    """Check a recipe or spec; `recipe` is what it asks for. All problems are listed at once."""
    return {"recipe": desk.recipe(given.recipe)}


@router.get("/projects/{project}", response_model=ProjectWhole)
def show_project(desk: Reading, project: Name) -> Any:
    """One project with its recipe and counts."""
    return desk.project(project).to_dict()


@router.patch("/projects/{project}", response_model=ProjectWhole)
def update_project(desk: Writing, project: Name, changes: dict[str, Any]) -> Any:
    """Change keys of its recipe, groups merged; `auto` gives a key back to its default."""
    return desk.update_project(project, changes).to_dict()


@router.delete("/projects/{project}", status_code=204)
def delete_project(desk: Writing, project: Name) -> None:
    """Forget a project: its pictures, work, versions and ended runs."""
    desk.delete_project(project)
