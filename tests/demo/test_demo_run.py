import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tellapart import Result
from tellapart.catalog import PictureRow
from tellapart.demo.listing import FAULTS, Entry, listing
from tellapart.demo.run import Demo, New
from tellapart.demo.scoring import Score, score
from tellapart.demo.showing import show


def row(entry: Entry, status: str = "ok", word: str = "") -> PictureRow:
    """A ledger row of an entry: kept, or with a word against it."""
    kept = (not word) if status == "ok" else None
    return PictureRow(
        id=entry.path[-20:-4],
        label=entry.word,
        source="openverse",
        query=entry.word,
        rank=0,
        position=0,
        page_url="",
        file_url=entry.path,
        path="",
        creator="",
        title="",
        license="",
        license_version="",
        license_url="",
        attribution="",
        split_hint="",
        group_hint="",
        status=status,  # type: ignore[arg-type]
        reason="" if status == "ok" else word,
        sha256="",
        bytes=None,
        mtime_ns=None,
        width=None,
        height=None,
        fetched_at="",
        kept=kept,
        verdict=word if status == "ok" else "",
        overruled=None,
        split="",
        group="",
        detail={},
    )


@pytest.fixture
def offers() -> list[Entry]:
    return listing("apple", ("apple", "boat"), 30, 0, faults=True)


def scored(rows: list[PictureRow], offers: list[Entry]) -> dict[str, Score]:
    return {s.kind: s for s in score(rows, {e.path: e for e in offers})}


def perfect(entry: Entry) -> PictureRow:
    late = {"exact_duplicate", "near_duplicate", "off_topic", "mislabelled", "truncated"}
    if entry.kind not in FAULTS:
        return row(entry)
    word = sorted(FAULTS[entry.kind])[0]
    return row(entry, "ok" if entry.kind in late else "refused", word)


def test_perfect_answers_score_one(offers: list[Entry]) -> None:
    scores = scored([perfect(e) for e in offers], offers)
    assert {(s.precision, s.recall) for s in scores.values()} == {(1.0, 1.0)}
    assert all(s.planted == s.found == sum(e.kind == k for e in offers) for k, s in scores.items())


def test_blind_answers_score_nothing(offers: list[Entry]) -> None:
    scores = scored([row(e) for e in offers], offers)
    assert {s.recall for s in scores.values()} == {0.0}


def test_setting_everything_aside_is_not_precise(offers: list[Entry]) -> None:
    scores = scored([row(e, "ok", "off_topic") for e in offers], offers)
    assert scores["off_topic"].recall == 1.0 and scores["off_topic"].precision < 0.3
    scores = scored([row(e, "ok", "exact_duplicate") for e in offers], offers)
    assert scores["exact_duplicate"].precision < 0.3


def test_either_of_two_copies_may_go(offers: list[Entry]) -> None:
    copies = {e.family for e in offers if e.kind == "near_duplicate"}
    rows = [
        row(e, "ok", "near_duplicate" if e.kind == "good" and e.family in copies else "")
        for e in offers
    ]
    found = scored(rows, offers)["near_duplicate"]
    assert (found.precision, found.recall) == (1.0, 1.0) and found.planted >= 2


def test_what_was_never_met_does_not_count(offers: list[Entry]) -> None:
    rows = [row(e, "surplus", "enough") for e in offers if e.kind != "good"]
    rows += [row(e) for e in offers if e.kind == "good"]
    assert {s.planted for s in scored(rows, offers).values()} == {0}
    # A copy without its original is a picture like any other.
    rows = [row(e) for e in offers if e.kind == "exact_duplicate"]
    assert scored(rows, offers)["exact_duplicate"].planted == 0


def test_what_to_do_next_can_be_copied_from_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "n": 30, "baseline": 0.2}
    counts = {"found": 2, "kept": 1, "set_aside": 1, "statuses": {}, "reasons": {"off_topic": 1}}
    folder = tmp_path / "a [folder] with a long name that no narrow terminal shows on one line"
    result = Result("demo", 1, folder / "demo-1.zip", {"classes": {"apple": counts}}, {}, metrics)
    new = New("apple", folder / "new" / "apple-0.png", "apple", False, 1.0)
    monkeypatch.chdir(tmp_path)
    text = io.StringIO()
    console = Console(file=text, width=50, force_terminal=True, color_system=None)
    fault = Score("private_redirect", 4, 4, 4, 4)
    show(Demo(result, [fault], [new], 3, 1.0), console, ".venv/bin/tellapart")
    assert "private_redirect" in text.getvalue()
    command = shlex.split(text.getvalue().partition("Ask the bundle:")[2].splitlines()[0])
    assert command[:2] == [".venv/bin/tellapart", "predict"]
    assert [Path(p) for p in command[2:]] == [
        p.relative_to(tmp_path) for p in (result.bundle, new.path)
    ]
    assert "Test accuracy: 90.0 %" in text.getvalue()


@pytest.mark.slow
def test_the_demonstration_finds_what_was_planted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tellapart", "demo", "--json", "--out", str(tmp_path / "d")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert Path(told["bundle"]).is_file()
    assert "<!doctype html>" in (tmp_path / "d" / "report.html").read_text(encoding="utf-8")
    assert {f["kind"] for f in told["faults"]} == set(FAULTS)
    assert all(min(f["precision"], f["recall"]) >= 0.9 for f in told["faults"])
    assert all(f["planted"] >= 2 for f in told["faults"])
    right, new = told["new"]["right"]
    assert right >= 0.9 * new and new >= 20
    # Once more in the same place: the first one's pictures came from a web that is gone.
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout.splitlines()[-1])
    assert again["pictures"] == told["pictures"]
