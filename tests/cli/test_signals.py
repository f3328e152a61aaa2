"""What a reading process gets on standard output while a network is made."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tellapart import Progress
from tellapart.cli import progress
from tellapart.cli.progress import Bars, Lines
from tellapart.cli.signals import following, say

BUILT = Progress("train", 0, 5, signal="built", figures={"parameters": 1_199_882, "layers": 8})
EPOCH = Progress(
    "train",
    2,
    12,
    figures={
        "epoch": 2,
        "total_epochs": 12,
        "loss": 0.21344,
        "accuracy": 0.9341,
        "validation_loss": 0.19,
        "validation_accuracy": float("nan"),
        "seconds": 12.0,
        "seconds_left": 125.0,
    },
)
TRAINED = Progress(
    "train", 5, 5, signal="trained", figures={"epochs": 2, "accuracy": 0.9341, "finished": False}
)
COMPILED = Progress("compile", 1, 1, signal="compiled", figures={"formats": ["onnx", "mlmodel"]})
ALL = (BUILT, EPOCH, TRAINED, COMPILED)


class Flushed(io.StringIO):
    """Knows how much of what was written has been flushed."""

    seen = 0

    def flush(self) -> None:
        self.seen = len(self.getvalue())


def test_three_lines_begin_with_their_word(capsys: pytest.CaptureFixture[str]) -> None:
    for event in ALL:
        say(event, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "built 8 layers, 1,199,882 parameters",
        "trained 2 epochs, validation accuracy 93.4 %, stopped before its end",
        "compiled ONNX, .mlmodel",
    ]


def test_as_json_every_signal_and_epoch_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for event in ALL:
        say(event, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["built", "epoch", "trained", "compiled"]
    assert lines[0]["parameters"] == 1_199_882
    assert lines[1]["loss"] == 0.21344
    assert lines[1]["validation_accuracy"] is None  # JSON knows no other word for it
    assert lines[2]["finished"] is False


def test_a_signal_without_figures_and_one_with_a_line_break(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(Progress("compile", 0, signal="compiled"), as_json=False)
    say(
        Progress("compile", 0, signal="compiled", figures={"formats": ["a\x1b[2Jb"]}), as_json=False
    )
    assert capsys.readouterr().out == "compiled\ncompiled a\ufffd[2Jb\n"


def test_what_is_no_signal_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        say(Progress("train", 3, 9, "epoch 1"), as_json=as_json)
    say(EPOCH, as_json=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_each_line_is_flushed_as_it_comes(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    out = Flushed()
    monkeypatch.setattr(sys, "stdout", out)
    for event in ALL:
        say(event, as_json=as_json)
        assert out.seen == len(out.getvalue())
    assert out.seen > 30


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with following(True, as_json) as watch:
            for event in ALL:
                watch(event)
    assert capsys.readouterr() == ("", "")


def test_signals_and_epochs_go_to_their_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    with following(False, False) as watch:
        for event in ALL:
            watch(event)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["built", "trained", "compiled"]
    lines = err.splitlines()
    assert lines[0] == (
        "train: epoch 2/12: loss 0.213, accuracy 93.4 %, validation loss 0.19, 12 s, "
        "2 min 05 s left"
    )
    assert lines[1].startswith("train: 1 epoch done in ")


def test_a_reader_who_has_gone_ends_neither_run_nor_display(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with following(False, False) as watch:
        monkeypatch.setattr(sys, "stdout", Closed())
        for event in ALL:
            if event.signal:
                with pytest.raises(BrokenPipeError):  # the chain swallows it
                    watch(event)
            else:
                watch(event)
        monkeypatch.undo()
    assert "epoch 2/12" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_leave_a_piped_standard_output_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", pipe)
    with following(False, True) as watch:
        for event in ALL:
            watch(event)
    assert [json.loads(line)["event"] for line in pipe.getvalue().splitlines()] == [
        "built",
        "epoch",
        "trained",
        "compiled",
    ]
    drawn = terminal.getvalue()
    assert "train: epoch 2/12: loss 0.213" in drawn and "built" not in drawn


def test_the_end_of_an_epoch_does_not_upset_the_count_of_batches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    for batch in range(101):
        lines(Progress("train", batch, 400, "batches"))
        if batch == 50:
            lines(EPOCH)
            assert lines.pace.left(now[0]) == pytest.approx(350)
        now[0] += 1
    err = capsys.readouterr().err.splitlines()
    ends = [line for line in err if "epoch 2/12" in line]
    batches = [line for line in err if "/400" in line]
    assert len(ends) == 1
    # Before an epoch has ended every two seconds, then every ten.
    assert 25 + 4 <= len(batches) <= 26 + 6
    assert batches[-1].startswith("train: 100/400") or batches[-1].startswith("train: 9")


def test_bars_keep_their_place_at_the_end_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = Bars()
    bars(Progress("train", 0, 400))
    bars(Progress("train", 120, 400))
    bars(EPOCH)
    bars(TRAINED)
    task = bars.bars.tasks[0]
    assert (task.completed, task.total) == (120, 400)
    bars.close()
