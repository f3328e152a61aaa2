"""A run, live: its steps, its pictures as they come, its learning, what came out of it."""

from __future__ import annotations

from fastapi.responses import RedirectResponse
from nicegui import ui

from tellapart.errors import TellapartError
from tellapart.runtime import Run
from tellapart.runtime.desk.shapes import ProjectView
from tellapart.web import live, shell, texts
from tellapart.web.elements import Notice, button, confirm, new_id, set_attribute, tag
from tellapart.web.lists import ago, state_tag
from tellapart.web.run_outcome import Outcome
from tellapart.web.run_parts import Arriving, Curve, Log, Steps, duration
from tellapart.web.visit import House, Visit


def register(house: House) -> None:
    """Make the pages of this module."""

    @house.page("/runs/{id}")
    async def run(visit: Visit, id: str) -> None:
        feed = await live.watch(visit, id)
        view = await _project(visit, feed.run.project)
        _RunPage(visit, feed, view)

    @house.page("/projects/{name}")
    async def project(visit: Visit, name: str) -> RedirectResponse:
        view = await visit.ask(visit.desk.project, name)
        runs = await visit.ask(visit.desk.runs, project=name, limit=1)
        if runs.items:
            return RedirectResponse(f"/runs/{runs.items[0].id}", status_code=303)
        last = "model" if view.version is not None else "pictures"
        return RedirectResponse(shell.project_url(name, last), status_code=303)


async def _project(visit: Visit, name: str) -> ProjectView | None:
    try:
        view: ProjectView = await visit.ask(visit.desk.project, name)
    except TellapartError:
        return None  # queued: the worker makes it
    return view


class _RunPage:
    """The page's parts, drawn anew where the feed has changed."""

    def __init__(self, visit: Visit, feed: live.Feed, view: ProjectView | None) -> None:
        self.visit, self.feed, self.drawn = visit, feed, -1
        run = feed.run
        title = title_of(run, view)
        network = bool(view and view.model_kind == "network")
        with shell.project_page(
            visit, run.project, title, tab="run", network=network, assets=("charts.css",)
        ):
            with tag("div", classes="row between top"):
                with tag("div", classes="row"):
                    self.state = tag("span")
                    self.left = tag("span", classes="quiet")
                self._buttons()
            self.said = tag("p", classes="sr-only", role="status")
            self.notice = Notice(urgent=True)
            self.outcome = Outcome()
            with tag("div", classes="split section-s"):
                with tag("section", aria_labelledby=(steps_id := new_id("steps"))):
                    tag("h2", texts.STEPS_HEAD, id=steps_id)
                    self.steps = Steps()
                self.arriving = Arriving()
            self.curve = Curve()
            self.log = Log()
            self._ending(title)
        self.draw()
        self.timer = ui.timer(0.5, self.look, active=not feed.complete)

    def _buttons(self) -> None:
        self.sure = confirm(
            texts.CANCEL_SURE, texts.CANCEL_TEXT, texts.CANCEL_DO, self._cancel, danger=True
        )
        with tag("div", classes="row"):
            self.stop = button(texts.STOP, self._stop, title=texts.STOP_HINT)
            self.cancel = button(texts.CANCEL, self.sure.open, classes="danger")
            self.retry = button(texts.RETRY, self._retry, classes="primary")

    def _ending(self, title: str) -> None:
        sure = confirm(
            texts.DELETE_PROJECT_SURE.format(title=title),
            texts.DELETE_PROJECT_TEXT,
            texts.DELETE,
            self._delete,
        )
        with tag("div", classes="section"):
            button(texts.DELETE_PROJECT, sure.open, classes="link quiet")

    async def _delete(self) -> None:
        try:
            await self.visit.ask(self.visit.desk.delete_project, self.feed.run.project)
        except TellapartError as error:
            self.notice.fail(error)
            return
        self.timer.deactivate()
        ui.navigate.to("/projects")

    async def look(self) -> None:
        """Draw what has changed; called by the page's timer."""
        self.feed.touch()
        try:
            await self.visit.still()
        except TellapartError as error:
            self.timer.deactivate()
            self.notice.fail(error)
            return
        if self.feed.gone:
            self._gone()
            return
        if self.feed.version != self.drawn:
            self.draw()
        if self.feed.complete and self.feed.version == self.drawn:
            self.timer.deactivate()

    def _gone(self) -> None:
        self.timer.deactivate()
        self.state.clear()
        self.left.text = self.said.text = ""
        for one in (self.stop, self.cancel, self.retry):
            show(one, False)
        self.notice.say(texts.RUN_GONE, kind="warn", more=texts.RUN_GONE_DO)

    def draw(self) -> None:
        feed, run = self.feed, self.feed.run
        self.drawn = feed.version
        self.state.clear()
        with self.state:
            state_tag(run.state)
        said = summary(run)
        self.left.text = said
        if run.step and run.state == "running":
            n = [step.name for step in run.steps].index(run.step) + 1
            at = texts.STEP_AT.format(step=texts.STEPS[run.step][0], n=n, all=len(run.steps))
        else:
            at = texts.STATES[run.state]
        if self.said.text != at:
            self.said.text = at
        show(self.stop, run.state == "running" and run.step == "train" and not run.asked)
        show(self.cancel, not run.ended_state and run.asked != "cancel")
        show(self.retry, run.state in ("failed", "cancelled"))
        self.outcome.draw(run)
        self.steps.draw(run)
        self.arriving.draw(run.project, feed.pictures)
        self.curve.draw(feed.epochs)
        self.log.draw(feed.events)

    async def _act(self, name: str) -> None:
        self.notice.hide()
        try:
            await self.visit.ask(getattr(self.visit.desk, name), self.feed.id)
            self.feed = await live.watch(self.visit, self.feed.id)
        except TellapartError as error:
            self.notice.fail(error)
            return
        self.drawn = -1
        self.draw()
        self.timer.activate()

    async def _cancel(self) -> None:
        await self._act("cancel")

    async def _stop(self) -> None:
        await self._act("stop")

    async def _retry(self) -> None:
        await self._act("retry")


def show(element: ui.element, shown: bool) -> None:
    """Show or hide an element, for everybody."""
    if shown:
        element.classes(remove="hidden")
    else:
        element.classes(add="hidden")
    set_attribute(element, "disabled", None if shown else True)


def title_of(run: Run, view: ProjectView | None) -> str:
    """How the project is called, also before it is made."""
    if view is not None:
        return view.title or view.name
    return str(run.recipe.get("title") or run.project)


def summary(run: Run) -> str:
    """One line on where a run stands."""
    if run.asked == "cancel" and not run.ended_state:
        return texts.CANCELLING
    if run.asked == "stop" and run.step == "train":
        return texts.STOPPING
    if run.state == "queued":
        return texts.QUEUED if not run.ahead else texts.QUEUED_AHEAD.format(n=run.ahead)
    if run.state == "running":
        return texts.LEFT.format(time=duration(run.left_s)) if run.left_s else texts.NO_LEFT
    return texts.ENDED.format(ago=ago(run.ended or run.created))
