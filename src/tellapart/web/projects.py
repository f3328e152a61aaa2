"""All projects of an account, and what runs at the moment."""

from __future__ import annotations

from tellapart.runtime.desk.shapes import ProjectCard
from tellapart.web import shell, texts
from tellapart.web.elements import link, tag
from tellapart.web.lists import ago, runs_list
from tellapart.web.run_outcome import percent
from tellapart.web.visit import House, Visit

_PAGE = 60


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/projects")
    async def projects(visit: Visit, after: str = "") -> None:
        page = await visit.ask(visit.desk.projects, limit=_PAGE, after=after or None)
        now = await visit.ask(visit.desk.runs, states=("queued", "running"), limit=20)
        with shell.page(visit, texts.PROJECTS, here="projects"):
            tag("h1", texts.PROJECTS)
            if now.items:
                with tag("section", classes="section-s"):
                    tag("h2", texts.RUNS_NOW)
                    runs_list(now.items)
            if not page.items and not now.items:
                with tag("div", classes="empty stack section-s"):
                    tag("p", texts.PROJECTS_NONE, classes="quiet")
                    link(texts.PROJECTS_BEGIN, "/", classes="button primary").style(
                        "align-self: center"
                    )
            with tag("ul", classes="cards section-s"):
                for card in page.items:
                    with tag("li"):
                        _card(card)
            if page.next:
                href = f"/projects?after={page.next}"
                link(texts.PROJECTS_MORE, href, classes="button").style("margin-top: 1.5rem")


def _card(card: ProjectCard) -> None:
    with link("", shell.project_url(card.name), classes="card project-card"):
        with tag("div"):
            tag("h2", card.title)
            said = [texts.VERSION.format(n=card.version) if card.version else texts.NO_VERSION]
            tag("p", " · ".join([*said, ago(card.created)]), classes="small quiet")
        if "accuracy" in card.metrics:
            tag("p", percent(card.metrics["accuracy"]), classes="figure")
        else:
            tag("p", "–", classes="figure", aria_hidden=True)
