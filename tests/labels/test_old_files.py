"""The older program's files: read as it wrote them, written so that it reads them."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tellapart.cli.entry import main
from tellapart.plugins.formats.rows import read_csv
from tests.labels.conftest import Old

_NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: f"/{text.strip() or 'x'}.jpg"
)


@given(st.lists(_NAMES, min_size=1, max_size=8))
@example(["/a|b.jpg", "/|x,y|.jpg", '/say "hi".jpg', "/x,y.jpg", "/plain.jpg"])
@settings(deadline=None, max_examples=60)
def test_lists_with_bars_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    file = tmp_path_factory.mktemp("list") / "labels.csv"
    rows = [(name, "NO" if place % 2 else "YES") for place, name in enumerate(names)]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quotechar="|", lineterminator="\n")
        writer.writerow(("path", "label"))
        writer.writerows(rows)
    found = [(row["path"], row["label"]) for row in read_csv(file) if row is not None]
    assert found == [(name.strip(), label) for name, label in rows]


def test_everything_may_stand_between_bars(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("|path|,|label|\n|/a,b.jpg|,|NO|\n|/c.jpg|,|YES|\n")
    assert [row and row["path"] for row in read_csv(file)] == ["/a,b.jpg", "/c.jpg"]


def test_the_older_catalog_comes_in_and_goes_out(
    home: Path, old: Old, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = ["--max-people", "2", "--fail-on-male", "--max-age", "40", "--age-error", "0"]
    assert main(["import", str(old.file), "--name", "taste", *limits, "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["classes"]["YES"]["ok"] == 2
    assert any("not looked at" in note for note in told["notes"])

    listed = tmp_path / "labels.csv"
    assert main(["labels", "taste", "--out", str(listed), "--bars"]) == 0
    with listed.open(newline="") as file:
        rows = list(csv.reader(file, quotechar="|"))
    assert rows[0] == ["path", "label"]
    words = [label for _, label in rows[1:]]
    assert words == sorted(words) and words.count("YES") == 2  # all NO rows first
    assert all(Path(path).is_absolute() for path, _ in rows[1:])

    written = tmp_path / "again.sqlite"
    assert main(["labels", "taste", "--out", str(written)]) == 0
    assert _ages(written) == set()
    codes = _codes(written, old.folder)
    assert codes["insta/ok/man.jpg"] == -4 and codes["insta/ok/old.jpg"] == -3
    assert codes["insta/ok/crowd.jpg"] == -7 and codes["insta/ok/nobody.jpg"] == -8
    assert codes["insta/ok/unseen.jpg"] == -2 and codes["insta/ok/broken.jpg"] == -6
    assert codes["insta/ok/fine.jpg"] == -1
    full = tmp_path / "full.sqlite"
    assert main(["labels", "taste", "--out", str(full), "--with-attributes"]) == 0
    assert {"31", "30,29", "80"} <= _ages(full)

    # The list and the catalog that were written are data again, with the same outcome.
    capsys.readouterr()
    assert main(["import", str(full), "--name", "again", *limits, "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["classes"] == told["classes"]


def _codes(file: Path, folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file)) as base:
        rows = base.execute("SELECT path, label FROM pics").fetchall()
    return {Path(path).relative_to(folder).as_posix(): code for path, code in rows}


def _ages(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as base:
        return {ages for (ages,) in base.execute("SELECT ages FROM pics") if ages}
