"""The frame of every page: head, navigation, the project's pages, banner, foot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from nicegui import ui

import tellapart
from tellapart.errors import TellapartError
from tellapart.web import live, texts, theme
from tellapart.web.elements import button, link, svg, tag
from tellapart.web.visit import Visit

#: A project's pages: key, text, last part of the address.
TABS = (
    ("pictures", texts.TAB_PICTURES, "pictures"),
    ("curation", texts.TAB_CURATION, "curation"),
    ("model", texts.TAB_MODEL, "model"),
    ("network", texts.TAB_NETWORK, "network"),
)
#: A deck's pages, alike.
DECK_TABS = (
    ("deck", texts.TAB_DECK, ""),
    ("review", texts.TAB_REVIEW, "review"),
    ("results", texts.TAB_RESULTS, "results"),
    ("policy", texts.TAB_POLICY, "policy"),
    ("taste", texts.TAB_TASTE, "taste"),
)
#: Seconds between two looks at the house's health.
_BANNER_EVERY = 15.0
_SUN = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7"'
    ' stroke-linecap="round"><circle cx="12" cy="12" r="8.5"/>'
    '<path d="M12 3.5a8.5 8.5 0 0 1 0 17z" fill="currentColor" stroke="none"/></svg>'
)


@contextmanager
def page(
    visit: Visit,
    title: str,
    *,
    here: str = "",
    assets: tuple[str, ...] = (),
) -> Iterator[None]:
    """A page with head and foot; what is made inside stands in `<main>`.

    `here`: `start`, `projects`, `decks` or `account`, marked in the navigation. `assets`: files of
    `web/assets` that only this page loads. The page writes its own `<h1>`.
    """
    client = visit.client
    ui.page_title(f"{title} · {texts.APP}" if title != texts.APP else title)
    client.content.props["id"] = "content"
    for old in [one for one in client.layout if one is not client.page_container]:
        old.delete()  # of a page that failed while it was made
    ui.add_head_html(theme.head(csrf=visit.visitor.csrf, offline=texts.OFFLINE, assets=assets))
    with client.layout:
        _head(visit, here).move(target_index=0)
        tag("a", texts.SKIP, classes="skip", href="#content").move(target_index=0)
        _foot()
    with client.content:
        set_landing(client.content)
        if visit.visitor.account is not None:
            _banner(visit)
        yield


@contextmanager
def project_page(
    visit: Visit,
    name: str,
    title: str,
    *,
    tab: str,
    network: bool = False,
    assets: tuple[str, ...] = (),
) -> Iterator[None]:
    """A page of one project: its title as the `<h1>`, and the line of its pages.

    `tab`: `pictures`, `curation`, `model`, `network` or `run`; `network`: whether it trains one.
    """
    part = texts.TAB_RUN if tab == "run" else next(text for key, text, _ in TABS if key == tab)
    with page(visit, f"{part} · {title}", here="projects", assets=assets):
        project_head(name, title, tab=tab, network=network)
        yield


def project_head(name: str, title: str, *, tab: str, network: bool = False) -> None:
    """The name of a project above the links to its pages."""
    with tag("div", classes="project-head"):
        tag("h1", title)
        with tag("nav", classes="tabs", aria_label=texts.PROJECT_PAGES):
            shown = [("run", texts.TAB_RUN, "")]
            shown += [one for one in TABS if one[0] != "network" or network or tab == "network"]
            for key, text, last in shown:
                current = "page" if key == tab else None
                link(text, project_url(name, last), classes="navlink", aria_current=current)


@contextmanager
def deck_page(
    visit: Visit, name: str, title: str, *, tab: str, assets: tuple[str, ...] = ()
) -> Iterator[None]:
    """A page of one deck: its title as the `<h1>`, and the line of its pages.

    `tab`: `deck`, `review`, `results`, `policy` or `taste`.
    """
    part = next(text for key, text, _ in DECK_TABS if key == tab)
    with page(visit, f"{part} · {title}", here="decks", assets=("decks.css", *assets)):
        with tag("div", classes=f"project-head deck-head at-{tab}"):
            tag("h1", title)
            with tag("nav", classes="tabs", aria_label=texts.DECK_PAGES):
                for key, text, last in DECK_TABS:
                    current = "page" if key == tab else None
                    link(text, deck_url(name, last), classes="navlink", aria_current=current)
        yield


def deck_url(name: str, last: str = "") -> str:
    """The address of a deck's page."""
    return f"/decks/{quote(name, safe='')}" + (f"/{last}" if last else "")


def project_url(name: str, last: str = "") -> str:
    """The address of a project's page."""
    return f"/projects/{quote(name, safe='')}" + (f"/{last}" if last else "")


def failure_page(visit: Visit, error: TellapartError) -> None:
    """A page that says what happened, what was expected and what to do."""
    with page(visit, texts.FAILED), tag("div", classes="stack"):
        tag("h1", texts.NOT_FOUND if error.http_status == 404 else texts.FAILED)
        tag("p", error.what, classes="lead")
        with tag("dl", classes="facts"):
            tag("dt", texts.EXPECTED)
            tag("dd", error.expected)
            tag("dt", texts.DO)
            tag("dd", error.do)
        tag("p").style("margin-top: 1rem")
        link(texts.TO_START, "/", classes="button").style("align-self: flex-start")


def set_landing(element: ui.element) -> None:
    """Let the skip link and scripts set the focus on it."""
    element.props["tabindex"] = "-1"


def _head(visit: Visit, here: str) -> ui.element:
    with tag("header", classes="masthead") as header, tag("div", classes="masthead-inner"):
        with link("", "/", classes="brand", aria_label=texts.HOME):
            svg(theme.MARK)
            tag("span", texts.WORDMARK, classes="brand-name")
        known = visit.visitor.account is not None
        with tag("nav", aria_label=texts.PAGES):
            if known:
                _nav(texts.NAV_START, "/", here == "start")
                _nav(texts.NAV_PROJECTS, "/projects", here == "projects")
                _nav(texts.NAV_DECKS, "/decks", here == "decks")
        with tag("div", classes="end"):
            if known:
                _nav(texts.NAV_ACCOUNT, "/account", here == "account")
            elif here != "login":
                _nav(texts.NAV_LOGIN, "/login", False)
            _switch()
    return header


def _nav(text: str, href: str, current: bool) -> None:
    link(text, href, classes="navlink", aria_current="page" if current else None)


def _switch() -> None:
    names = "{" + ", ".join(f"{k}: {v!r}" for k, v in texts.THEMES.items()) + "}"
    with button("", classes="icon", aria_label=texts.THEME, title=texts.THEME) as switch:
        svg(_SUN)
    said = tag("span", classes="sr-only", role="status")
    switch.on(
        "click",
        js_handler="() => { const now = tellapart.theme(); "
        f"document.getElementById('{said.html_id}').textContent = ({names})[now]; }}",
    )


def _banner(visit: Visit) -> None:
    """What needs a person: a full disk, no worker, mail that cannot be sent. Kept up to date."""
    box = tag("div", classes="notice warn", role="status").style("margin-bottom: 2rem")
    shown: list[str] = []

    def draw(warnings: list[str]) -> None:
        nonlocal shown
        if warnings != shown:
            shown = warnings
            box.clear()
            with box:
                for warning in warnings:
                    tag("span", warning)

    async def look() -> None:
        draw(await live.health(visit))

    draw(visit.warnings)
    ui.timer(_BANNER_EVERY, look)


def _foot() -> None:
    with tag("footer", classes="footer"), tag("div", classes="footer-inner"):
        tag("span", f"{texts.APP} {tellapart.__version__}")
        link(texts.API, "/openapi.json")
