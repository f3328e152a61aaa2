"""Parts of a run's page: steps, pictures as they arrive, the learning curve, the log."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from urllib.parse import quote

from nicegui import ui

from tellapart.catalog import PictureRow
from tellapart.report.learned import Epoch
from tellapart.runtime import Event, Run, Step
from tellapart.web import charts, texts
from tellapart.web.elements import link, new_id, set_attribute, svg, tag

_CHECK = (
    '<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2.2"'
    ' stroke-linecap="round" stroke-linejoin="round"><path d="M3.5 8.5l3 3 6-7"/></svg>'
)
_CROSS = (
    '<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2.2"'
    ' stroke-linecap="round"><path d="M4.5 4.5l7 7m0-7l-7 7"/></svg>'
)
_MOST_LINES = 400
#: Beyond them before the oldest go, which is dear for one at a time.
_SPARE_LINES = 100


def duration(seconds: float | None) -> str:
    """`12 s`, `4 min`, `2 h 10 min`; about as exact as anybody needs."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 90:
        return f"{max(whole, 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


class Steps:
    """The chain, one line a step, with counts and a bar at the one under way."""

    def __init__(self) -> None:
        self.list = tag("ol", classes="steps")
        self.rows: dict[str, _StepRow] = {}

    def draw(self, run: Run) -> None:
        for step in run.steps:
            row = self.rows.get(step.name)
            if row is None:
                with self.list:
                    row = self.rows[step.name] = _StepRow(step)
            row.draw(step, run)


class _StepRow:
    def __init__(self, step: Step) -> None:
        label, hint = texts.STEPS.get(step.name, (step.name, ""))
        self.drawn: tuple[object, ...] = ()
        with tag("li", classes="step") as self.line:
            self.mark = tag("span", classes="mark", aria_hidden=True)
            with tag("div", classes="grow"):
                with tag("div", classes="row between"):
                    tag("b", label, title=hint)
                    self.count = tag("span", classes="small quiet figures")
                with tag(
                    "div",
                    classes="bar",
                    role="progressbar",
                    aria_label=label,
                    aria_valuemin=0,
                    aria_valuemax=100,
                ) as self.bar:
                    tag("i")
                self.note = tag("span", classes="small quiet")
            self.state = tag("span", classes="sr-only")

    def draw(self, step: Step, run: Run) -> None:
        now = (step.state, step.done, step.total, step.note, step.seconds, run.state)
        if now == self.drawn:
            return
        changed = not self.drawn or self.drawn[0] != step.state
        self.drawn = now
        running = step.state == "running" and run.state == "running"
        if changed:
            self.line.classes(replace=f"step {step.state}")
            self.mark.clear()
            drawing = {"done": _CHECK, "failed": _CROSS}.get(step.state)
            if drawing:
                with self.mark:
                    svg(drawing)
            self.state.text = texts.STEP_STATES[step.state]
        self.count.text = self._count(step)
        self.note.text = step.note if running else ""
        share = step.done / step.total if step.total else None
        self.bar.classes(replace="bar" if running and share is not None else "bar hidden")
        if running and share is not None:
            self.bar.style(f"--done: {min(share, 1):.3f}")
            set_attribute(self.bar, "aria_valuenow", round(100 * min(share, 1)))

    @staticmethod
    def _count(step: Step) -> str:
        if step.state == "running" and step.total:
            return texts.COUNT.format(done=f"{step.done:,}", total=f"{step.total:,}")
        if step.state == "running" and step.done:
            return f"{step.done:,}"
        if step.state == "done" and step.seconds is not None:
            return duration(step.seconds)
        return ""


class Arriving:
    """The newest pictures, put in front as they come."""

    def __init__(self) -> None:
        id = new_id("arriving")
        with tag("section", classes="hidden", aria_labelledby=id) as self.part:
            with tag("div", classes="row between"):
                tag("h2", texts.ARRIVING, id=id)
                self.more = tag("span")
            self.grid = tag("ul", classes="arriving")
        self.shown: dict[str, ui.element] = {}
        self.drawn: list[tuple[str, bool | None]] = []

    def draw(self, project: str, pictures: Sequence[PictureRow]) -> None:
        wanted = [(row.id, row.kept) for row in pictures]
        if wanted == self.drawn:
            return
        self.drawn = wanted
        self.part.classes(replace="" if pictures else "hidden")
        if not self.shown:
            with self.more:
                link(texts.ALL_PICTURES, f"/projects/{quote(project, safe='')}/pictures")
        for id in self.shown.keys() - {row.id for row in pictures}:
            self.shown.pop(id).delete()
        for place, row in enumerate(pictures):
            tile = self.shown.get(row.id)
            if tile is None:
                with self.grid:
                    tile = self.shown[row.id] = _tile(project, row)
            tile.classes(replace="aside" if row.kept is False else "")
            tile.move(target_index=place)


def _tile(project: str, row: PictureRow) -> ui.element:
    with tag("li") as tile:
        picture = tag(
            "img",
            src=thumbnail(project, row),
            alt=texts.PICTURE_OF.format(label=row.label),
            loading="lazy",
            decoding="async",
            width=160,
            height=160,
        )
        # What cannot be read as a picture has no small one: curating will say so.
        picture.on("error", js_handler="(e) => { e.target.parentElement.hidden = true; }")
    return tile


def thumbnail(project: str, row: PictureRow, size: int = 160) -> str:
    """The address of a small picture, kept by the browser for as long as its content is it."""
    return (
        f"/api/v1/projects/{quote(project, safe='')}/pictures/{quote(row.id, safe='')}"
        f"/thumbnail?size={size}&v={row.sha256[:12]}"
    )


class Curve:
    """Loss and accuracy by epoch, where something learns in epochs."""

    def __init__(self) -> None:
        id = new_id("curve")
        with tag("section", classes="section hidden", aria_labelledby=id) as self.part:
            tag("h2", texts.CURVE, id=id)
            self.drawing = ui.html("", sanitize=False)
        self.drawn: Epoch | None = None

    def draw(self, epochs: Sequence[Epoch]) -> None:
        if not epochs or epochs[-1] is self.drawn:
            return
        self.drawn = epochs[-1]
        self.part.classes(replace="section")
        self.drawing.content = str(charts.training(epochs))


class Log:
    """What the run said, line by line; the newest last."""

    def __init__(self) -> None:
        with tag("details", classes="section"):
            tag("summary", texts.LOG)
            self.lines = tag("div", classes="log", role="log", tabindex="0", aria_label=texts.LOG)
        self.seq = 0

    def draw(self, events: Sequence[Event]) -> None:
        new = events[bisect.bisect_right(events, self.seq, key=lambda event: event.seq) :]
        if not new:
            return
        if self.seq:
            # The curve shows every epoch; of several since the last look one line is enough.
            new = [
                event
                for event, next_one in zip(new, [*new[1:], None], strict=True)
                if next_one is None or not event.kind == next_one.kind == "epoch"
            ]
        self.seq = new[-1].seq
        with self.lines:
            for event in new[-_MOST_LINES:]:
                text = line_of(event)
                if text:
                    tag("div", text)
        lines = list(self.lines)
        if len(lines) > _MOST_LINES + _SPARE_LINES:
            for old in lines[:-_MOST_LINES]:
                old.delete()


def line_of(event: Event) -> str:
    """One line of the log; empty for what a bar shows better."""
    clock, data = event.time[11:19], event.data
    if event.kind == "progress":
        return ""
    if event.kind == "state":
        said = texts.STATES.get(str(data.get("state")), str(data.get("state", "")))
    elif event.kind == "log":
        said = str(data.get("text", ""))
    elif event.kind == "error":
        said = " ".join(str(data[key]) for key in ("what", "expected", "do") if data.get(key))
    else:
        said = ", ".join(
            f"{key} {_short(value)}"
            for key, value in data.items()
            if isinstance(value, int | float | str)
        )
    label = texts.STEPS.get(event.step, (event.step, ""))[0]
    return f"{clock}  {label + ': ' if label else ''}{said}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
