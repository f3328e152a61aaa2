"""How far a run is: a bar on a terminal, a line now and then elsewhere, nothing with --quiet.

Watching never breaks the watched: whatever fails here is swallowed.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tellapart.cli.console import plain, tell

if TYPE_CHECKING:
    from tellapart import Progress

#: Seconds between two lines of one step where the output is not a terminal.
PLAIN_SECONDS = 2.0
#: The same within an epoch: its end has a line of its own.
EPOCH_SECONDS = 10.0


@contextlib.contextmanager
def watching(quiet: bool) -> Iterator[Display]:
    """The display that fits the terminal; closed when the block ends, however it ends."""
    display: Display
    if quiet:
        display = Display()
    elif sys.stderr.isatty():
        display = Bars()
    else:
        display = Lines()
    try:
        yield display
    except BaseException:
        with contextlib.suppress(Exception):
            display.close("stopped after")
        raise
    with contextlib.suppress(Exception):
        display.close()


class Display:
    """Shows nothing."""

    def __call__(self, event: Progress) -> None:
        """Take one event."""

    def close(self, how: str = "done in") -> None:
        """Nothing comes any more; `how` the last step ended."""


class Pace:
    """How fast a step goes, counted from where this run took it up."""

    def __init__(self, now: float) -> None:
        self.began = self.start = now
        self.first = self.last = 0
        self.total: int | None = None

    def update(self, done: int, total: int | None, now: float) -> None:
        if done < self.last or total != self.total:  # another phase of the same step
            self.start, self.first, self.total = now, done, total
        self.last = done

    def left(self, now: float) -> float | None:
        """Seconds until the phase is done; None where that cannot be known."""
        made = self.last - self.first
        if self.total is None or self.last >= self.total or made <= 0 or now <= self.start:
            return None
        return (self.total - self.last) * (now - self.start) / made


class Lines(Display):
    """Plain lines on standard error, at most one in two seconds and step."""

    def __init__(self) -> None:
        self.step = ""
        self.pace = Pace(time.monotonic())
        self.shown = 0.0
        #: How many epochs the step under way trains; 0 where it trains none.
        self.epochs = 0

    def __call__(self, event: Progress) -> None:
        now = time.monotonic()
        if event.step != self.step:
            self._finish(now)
            self.step, self.pace, self.shown, self.epochs = event.step, Pace(now), now, 0
            if not is_epoch(event):
                return
        if is_epoch(event):
            self.shown, self.epochs = now, self.epochs + 1
            tell(f"{event.step}: {epoch(event.figures or {})}")
            return
        if event.signal:
            return
        self.pace.update(event.done, event.total, now)
        if now - self.shown >= (EPOCH_SECONDS if self.epochs else PLAIN_SECONDS):
            self.shown = now
            tell(line(event, self.pace.left(now)))

    def close(self, how: str = "done in") -> None:
        self._finish(time.monotonic(), how)

    def _finish(self, now: float, how: str = "done in") -> None:
        if self.step:
            count = f"{self.pace.last} " if self.pace.last else ""
            if self.epochs:
                count = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''} "
            tell(f"{self.step}: {count}{how} {duration(now - self.pace.began)}")
            self.step = ""


class Bars(Display):
    """One bar a step, drawn by Rich on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self.bars = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
            console=Console(stderr=True),
            # What goes to standard output while bars are drawn stays there where it is piped.
            redirect_stdout=sys.stdout.isatty(),
        )
        self.bars.start()
        self.step = ""
        self.task: Any = None
        self.pace = Pace(time.monotonic())

    def __call__(self, event: Progress) -> None:
        now = time.monotonic()
        if event.step != self.step:
            self._finish(now)
            self.step, self.pace = event.step, Pace(now)
            self.task = self.bars.add_task(f"{event.step:<9}", total=None, count="", note="")
        if is_epoch(event):
            text = plain(f"{event.step}: {epoch(event.figures or {})}")
            self.bars.console.print(text, markup=False, highlight=False)
            return
        if event.signal:
            return
        self.pace.update(event.done, event.total, now)
        self.bars.update(
            self.task,
            total=event.total or None,
            completed=event.done,
            count=count(event, self.pace.left(now)),
            note=event.note,
        )

    def close(self, how: str = "done in") -> None:
        if how == "done in":
            self._finish(time.monotonic())
        self.bars.stop()

    def _finish(self, now: float) -> None:
        if self.step:
            total = self.pace.last or 1
            took = duration(now - self.pace.began)
            self.bars.update(self.task, total=total, completed=total, count=took, note="")
            self.step = ""


def line(event: Progress, left: float | None) -> str:
    """One event as a line: `curate: 320/600, 4 s left, measuring`."""
    parts = [part for part in (count(event, left), event.note) if part]
    return f"{event.step}: {', '.join(parts) or 'working'}"


def count(event: Progress, left: float | None) -> str:
    """`320/600, 4 s left`, as far as it is known."""
    if event.total is None:
        return str(event.done) if event.done else ""
    text = f"{event.done}/{event.total}"
    return text if left is None else f"{text}, {duration(left)} left"


def is_epoch(event: Progress) -> bool:
    """Whether the event is the end of an epoch, with its figures."""
    return not event.signal and "epoch" in (event.figures or {})


def epoch(figures: Mapping[str, Any]) -> str:
    """`epoch 2/12: loss 0.213, accuracy 93.4 %, validation loss 0.19, …, 12 s, 2 min 05 s left`."""
    parts = [
        f"{key.replace('_', ' ')} {told(float(figures[key]))}"
        for key, told in _EPOCH
        if isinstance(figures.get(key), int | float)
        # A loss that is no number any more is worth knowing; a share of nothing is not.
        and (key == "loss" or math.isfinite(figures[key]))
    ]
    if isinstance(figures.get("seconds"), int | float):
        parts.append(duration(figures["seconds"]))
    if isinstance(figures.get("seconds_left"), int | float):
        parts.append(f"{duration(figures['seconds_left'])} left")
    place = f"epoch {figures['epoch']}"
    if figures.get("total_epochs"):
        place += f"/{figures['total_epochs']}"
    return f"{place}: {', '.join(parts) or 'done'}"


def share(value: float) -> str:
    """`93.4 %`."""
    return f"{100 * value:.1f} %"


def _figure(value: float) -> str:
    return f"{value:.3g}"


_EPOCH: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("loss", _figure),
    ("accuracy", share),
    ("validation_loss", _figure),
    ("validation_accuracy", share),
)


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `2 min 05 s`, `1 h 10 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
