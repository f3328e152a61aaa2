"""Progress: counts and time left, at a bearable rate, never in the way of the run."""

from __future__ import annotations

import io
import sys

import pytest

from tellapart import Progress
from tellapart.cli import progress
from tellapart.cli.progress import Bars, Display, Lines, Pace, count, duration, line, watching


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (125, "2 min 05 s"),
        (4210, "1 h 10 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_counts_from_where_this_run_took_it_up() -> None:
    pace = Pace(0)
    assert pace.left(1) is None
    pace.update(900, 1000, 0)
    assert pace.left(5) is None
    pace.update(950, 1000, 10)
    assert pace.left(10) == pytest.approx(10)
    pace.update(5, 100, 20)  # another phase of the step
    pace.update(10, 100, 21)
    assert pace.left(21) == pytest.approx(18)
    pace.update(100, 100, 22)
    assert pace.left(22) is None
    pace.update(10, None, 22)
    assert pace.left(22) is None


def test_lines_are_few_and_tell_count_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    lines(Progress("curate", 0, None, "starting"))
    for done in range(1, 1001):
        clock.now += 0.01
        lines(Progress("curate", done, 1000, "measuring"))
    lines(Progress("split", 0, None))
    clock.now += 0.5
    lines.close()
    out, err = capsys.readouterr()
    shown = err.splitlines()
    assert out == ""
    assert 4 <= len(shown) <= 7
    assert shown[0] == "curate: 200/1000, 8.0 s left, measuring"
    assert shown[-2] == "curate: 1000 done in 10 s"
    assert shown[-1] == "split: done in 0.5 s"


def test_unknown_totals_are_counted_without_a_guess() -> None:
    assert line(Progress("collect", 7), None) == "collect: 7"
    assert line(Progress("collect", 0), None) == "collect: working"
    assert count(Progress("collect", 7, 70), 63) == "7/70, 1 min 03 s left"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with watching(quiet=False) as display:
        assert isinstance(display, Bars)
        display(Progress("curate", 0, None, "starting"))
        display(Progress("curate", 5, 10, "a [bold]note[/bold] from outside"))
        display(Progress("split", 3, 3))
        display.bars.refresh()
    text = terminal.getvalue()
    assert "curate" in text and "split" in text
    assert "0.0 s" in text


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=True) as display:
        assert type(display) is Display
        display(Progress("curate", 5, 10))
    assert capsys.readouterr() == ("", "")


def test_what_is_not_a_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(quiet=False) as display:
        assert type(display) is Lines
        display(Progress("curate", 5, 10))
    assert capsys.readouterr().err.startswith("curate: ")


def test_a_step_that_failed_is_not_called_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broke"), watching(quiet=False) as display:
        display(Progress("curate", 5, 10))
        raise ValueError("broke")
    err = capsys.readouterr().err
    assert err.startswith("curate: stopped after ") and "done" not in err


def test_a_broken_terminal_does_not_end_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    reached = False
    with watching(quiet=False) as display:
        display(Progress("curate", 0))
        monkeypatch.setattr(sys, "stderr", Broken())
        reached = True
    assert reached
