"""Train again with the pictures as they are kept now, and say here what came of it."""

from __future__ import annotations

from nicegui import ui

from tellapart.errors import TellapartError
from tellapart.runtime import Run
from tellapart.runtime.desk.shapes import ProjectView
from tellapart.web import shell, texts
from tellapart.web import texts_pictures as words
from tellapart.web.charts import percent
from tellapart.web.elements import Notice, button, link, set_attribute, tag
from tellapart.web.visit import Visit

#: Seconds between two looks at a run under way.
_EVERY = 0.7


class TrainAgain:
    """A panel with one button; what the run says comes below it, also of one `under_way`."""

    def __init__(self, visit: Visit, view: ProjectView, under_way: Run | None) -> None:
        self.visit, self.name = visit, view.name
        self.before = view.metrics.get("accuracy")
        self.busy = False
        self.told = ""
        self.run = under_way
        with tag("section", classes="panel again"):
            tag("h2", words.AGAIN)
            tag("p", words.AGAIN_LEAD)
            self.start = button(words.AGAIN_DO, self._begin, classes="primary")
            self.said = Notice()
            self.more = tag("p", classes="again-more hidden")
        self.timer = ui.timer(_EVERY, self._look, active=under_way is not None)
        if under_way is not None:
            self._work(True)
            self._tell(under_way)

    def _work(self, busy: bool) -> None:
        """Whether something is under way: then nothing more can be begun."""
        self.busy = busy
        set_attribute(self.start, "disabled", True if busy else None)

    async def _begin(self) -> None:
        if self.busy:  # a second click came before the first was answered
            return
        self._work(True)
        try:
            self.run = await self.visit.ask(self.visit.desk.submit, project=self.name)
        except TellapartError as error:
            self._work(False)
            self.said.fail(error)
            return
        self._tell(self.run)
        self.timer.activate()

    async def _look(self) -> None:
        if self.run is None:
            return
        try:
            run = self.run = await self.visit.ask(self.visit.desk.run, self.run.id)
        except TellapartError as error:
            self.timer.deactivate()
            self._work(False)
            self.said.fail(error)
            return
        if f"{run.state} {run.ahead} {run.step}" != self.told:
            self._tell(run)
        if run.ended_state:
            self._rest(run)

    def _tell(self, run: Run) -> None:
        self.told = f"{run.state} {run.ahead} {run.step}"
        if run.state == "queued":
            ahead = words.AGAIN_QUEUED.format(ahead=run.ahead)
            self.said.say(ahead if run.ahead else texts.QUEUED)
        elif run.state == "running":
            step = next((one.name for one in run.steps if one.state == "running"), run.upto)
            label, _ = texts.STEPS.get(step, (step, ""))
            self.said.say(words.AGAIN_RUNNING.format(step=label))
        elif run.state == "done":
            self._done(run)
        elif run.state == "cancelled":
            self.said.say(words.AGAIN_CANCELLED, kind="warn")
        else:
            error = run.error or {}
            told = "\n".join(str(error[key]) for key in ("what", "do") if error.get(key))
            self.said.say(words.AGAIN_FAILED, kind="bad", more=told)

    def _done(self, run: Run) -> None:
        result = run.result or {}
        now = (result.get("metrics") or {}).get("accuracy")
        version = result.get("version", "?")
        told = words.AGAIN_DONE.format(version=version, accuracy=percent(now))
        known = self.before is not None
        earlier = words.AGAIN_BEFORE.format(accuracy=percent(self.before)) if known else ""
        self.said.say(told, kind="good", more=earlier)
        self.before = now

    def _rest(self, run: Run) -> None:
        self.timer.deactivate()
        self._work(False)
        last, word = ("model", words.AGAIN_LOOK) if run.state == "done" else ("", words.AGAIN_WATCH)
        self.more.clear()
        with self.more:
            link(word, shell.project_url(self.name, last))
        self.more.classes(remove="hidden")
