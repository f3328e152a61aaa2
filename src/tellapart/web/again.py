"""Train again with the pictures as they are kept now, and say here what came of it."""

from __future__ import annotations

from nicegui import ui

from tellapart.errors import TellapartError
from tellapart.runtime import Run
from tellapart.runtime.desk.shapes import ProjectView
from tellapart.web import shell
from tellapart.web import texts_pictures as words
from tellapart.web.charts import percent
from tellapart.web.elements import Notice, button, link, tag
from tellapart.web.visit import Visit

#: Seconds between two looks at a run under way.
_EVERY = 0.7


def train_again(visit: Visit, view: ProjectView) -> None:
    """A panel with one button; what the run says comes below it."""
    with tag("section", classes="panel again"):
        tag("h2", words.AGAIN)
        tag("p", words.AGAIN_LEAD)
        start = button(words.AGAIN_DO, classes="primary")
        said = Notice()
        more = tag("p", classes="again-more hidden")
    before = view.metrics.get("accuracy")
    watched: dict[str, str] = {}

    def tell(run: Run) -> None:
        if run.state == "queued":
            said.say(words.AGAIN_QUEUED.format(ahead=run.ahead))
        elif run.state == "running":
            step = next((one for one in run.steps if one.state == "running"), None)
            said.say(words.AGAIN_RUNNING.format(step=step.name if step else run.upto))
        elif run.state == "done":
            _done(run, said, before)
        elif run.state == "cancelled":
            said.say(words.AGAIN_CANCELLED, kind="warn")
        else:
            error = run.error or {}
            told = "\n".join(str(error[key]) for key in ("what", "do") if error.get(key))
            said.say(words.AGAIN_FAILED, kind="bad", more=told)

    def at_rest(run: Run) -> None:
        timer.deactivate()
        watched.clear()
        start.props.pop("disabled", None)
        start.update()
        last, word = ("model", words.AGAIN_LOOK) if run.state == "done" else ("", words.AGAIN_WATCH)
        more.clear()
        with more:
            link(word, shell.project_url(view.name, last))
        more.classes(remove="hidden")

    async def look() -> None:
        if "id" not in watched:
            return
        try:
            run = await visit.ask(visit.desk.run, watched["id"])
        except TellapartError as error:
            timer.deactivate()
            said.fail(error)
            return
        state = f"{run.state} {run.ahead} {run.step}"
        if state != watched.get("state"):
            watched["state"] = state
            tell(run)
        if run.ended_state:
            at_rest(run)

    async def begin() -> None:
        start.props["disabled"] = True
        start.update()
        try:
            run = await visit.ask(visit.desk.submit, project=view.name)
        except TellapartError as error:
            start.props.pop("disabled", None)
            start.update()
            said.fail(error)
            return
        watched.update(id=run.id)
        tell(run)
        timer.activate()

    start.on("click", begin, args=[])
    timer = ui.timer(_EVERY, look, active=False)


def _done(run: Run, said: Notice, before: float | None) -> None:
    result = run.result or {}
    accuracy = (result.get("metrics") or {}).get("accuracy")
    told = words.AGAIN_DONE.format(version=result.get("version", "?"), accuracy=percent(accuracy))
    earlier = "" if before is None else words.AGAIN_BEFORE.format(accuracy=percent(before))
    said.say(told, kind="good", more=earlier)
