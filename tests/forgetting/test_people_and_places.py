"""A user with everything; others' rights; lists and folders that were sent; PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from tellapart.catalog import Catalog, NewPicture
from tellapart.cli.entry import main
from tellapart.forgetting import Asked, forget
from tellapart.forgetting.searching import Search, telling
from tellapart.settings import Settings
from tellapart.store import database, schema, schema_accounts
from tellapart.store.files import FileStore
from tests.forgetting.conftest import House


def drawn(seed: int) -> bytes:
    import io

    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def holding(settings: Settings, engine: sa.Engine, owner: str, name: str, *data: bytes) -> Catalog:
    """A project of that owner with these pictures, fetched from addresses of their own."""
    files = FileStore(settings.files_dir)
    catalog = Catalog.create(engine, name, {"name": name, "classes": ["a", "b"]}, owner)
    catalog.add(
        NewPicture(
            label="a",
            source="urls",
            file_url=f"https://example.org/{hashlib.sha256(one).hexdigest()[:20]}.png",
            creator="Ansel",
            status="ok",
            sha256=files.put(one),
            bytes=len(one),
        )
        for one in data
    )
    replace(settings, owner=owner).projects_dir.joinpath(name).mkdir(parents=True)
    return catalog


def account(engine: sa.Engine, id: str, name: str) -> None:
    row = {
        "id": id,
        "name": name,
        "name_key": name,
        "email": f"{name}@example.org",
        "email_key": f"{name}@example.org",
        "confirmed": True,
        "role": "user",
        "closed": False,
        "created_at": "2026-01-01T00:00:00Z",
    }
    with database.writing(engine) as connection:
        connection.execute(schema_accounts.accounts.insert().values(**row))


def shown(settings: Settings, *needles: bytes) -> list[str]:
    search = Search(needles)
    return sorted(p.relative_to(settings.home).as_posix() for p in search.below(settings.home))


def test_a_user_goes_and_what_others_hold_too_stays(settings: Settings) -> None:
    engine = database.open_database(settings)
    anna, bert = "u_" + "a" * 20, "u_" + "b" * 20
    account(engine, anna, "anna-of-here")
    account(engine, bert, "bert-of-here")
    own, both = drawn(1), drawn(2)
    holding(settings, engine, anna, "hers", own, both)
    theirs = holding(settings, engine, bert, "his", both)
    uploads = replace(settings, owner=anna).owner_dir / "uploads" / "up_1" / "data"
    uploads.mkdir(parents=True)
    (uploads / "list.csv").write_text("url,label\nhttps://example.org/x.png,a\n")
    told = forget(settings, engine, Asked("user", "anna-of-here"))
    assert told.gone, told.remains
    assert told.removed["account"] == {"accounts": 1, "folders": 1}
    sha = hashlib.sha256(own).hexdigest().encode()
    needles = (telling(own), sha, anna.encode(), b"anna-of-here")
    engine.dispose()
    assert shown(settings, *needles) == []
    assert [row.sha256 for row in theirs.pictures()] == [hashlib.sha256(both).hexdigest()]
    assert FileStore(settings.files_dir).get(hashlib.sha256(both).hexdigest()) == both
    assert Catalog.everyone(engine) == [(bert, "his")]


def test_an_account_forgets_its_own_and_nobody_elses(settings: Settings) -> None:
    engine = database.open_database(settings)
    anna, bert = "u_" + "a" * 20, "u_" + "b" * 20
    account(engine, anna, "anna")
    own, both = drawn(1), drawn(2)
    hers = holding(settings, engine, anna, "hers", own, both)
    theirs = holding(settings, engine, bert, "his", both)
    told = forget(settings, engine, Asked("creator", "ansel"), owner=anna)
    assert told.removed["ledger"] == {"pictures": 2} and told.removed["files"] == {"files": 1}
    assert hers.pictures() == [] and len(theirs.pictures()) == 1
    from tellapart.forgetting import Refusals

    assert Refusals(settings, engine, anna).picture(creator="Ansel")
    assert not Refusals(settings, engine, bert).picture(creator="Ansel")
    engine.dispose()


def test_lists_that_were_sent_lose_their_lines(settings: Settings) -> None:
    engine = database.open_database(settings)
    catalog = holding(settings, engine, "", "p", drawn(1), drawn(2))
    row, other = catalog.pictures()
    file = settings.home / "uploads" / "up_1" / "data" / "list.csv"
    file.parent.mkdir(parents=True)
    file.write_text(f"url,label\n{row.file_url},a\n{other.file_url},b\n")
    told = forget(settings, engine, Asked("picture", row.id))
    assert told.removed["uploads"] == {"lines": 1} and told.gone
    assert file.read_text() == f"url,label\n{other.file_url},b\n"
    engine.dispose()


def test_pictures_in_place_stay_and_are_refused(home: Path, tmp_path: Path) -> None:
    from tellapart import Project
    from tellapart.recipe import check

    data = tmp_path / "mine"
    for seed in range(6):
        target = data / ("a" if seed % 2 else "b") / f"{seed}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(drawn(seed))
    with Project.create(check({"data": str(data), "name": "p"})) as project:
        project.collect()
        told = project.forget(str(data / "a" / "1.png"))
        assert told.gone and any("folders of yours" in note for note in told.notes)
        assert (data / "a" / "1.png").exists()
        project.collect()
        assert len(project.pictures()) == 5
        # Under another name it is the same.
        (data / "a" / "1.png").rename(data / "b" / "new.png")
        project.collect()
        assert len(project.pictures(status="ok")) == 5


def test_on_postgresql_too(settings: Settings, postgres_url: str) -> None:
    settings = replace(settings, database_url=postgres_url)
    engine = database.open_database(settings)
    catalog = holding(settings, engine, "", "p", drawn(1), drawn(2))
    row, _ = catalog.pictures()
    told = forget(settings, engine, Asked("picture", row.sha256))
    assert told.gone and any("PostgreSQL" in note for note in told.notes)
    with database.reading(engine) as connection:
        kept = connection.execute(sa.select(schema.pictures.c.sha256)).all()
        # No row's bytes are left in the table's pages: one page was written anew.
        dead = connection.scalar(
            sa.text(
                "SELECT pg_relation_size('pictures') <= 8192 AND pg_relation_size('pictures') > 0"
            )
        )
    assert len(kept) == 1 and dead
    engine.dispose()


def test_from_the_command_line(
    house: House,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TELLAPART_HOME", str(house.settings.home))
    out = tmp_path / "certificate.json"
    assert main(["forget", house.sha256, "--yes", "--json", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["gone"] and told["withdrawn"][0]["version"] == 1
    assert json.loads(out.read_text()) == told
    assert main(["show", "apple-boat"]) == 0
    assert "withdrawn" in capsys.readouterr().out
    assert main(["forget", "--yes"]) == 2
    assert main(["forget", house.candidate, "--yes", "--out", str(house.settings.home / "x")]) == 2
    assert main(["forget", house.candidate, "--yes"]) == 0
    assert "nowhere any more" in capsys.readouterr().out


@pytest.mark.parametrize("many", [1, 40])
def test_the_search_finds_whatever_stands_wherever(tmp_path: Path, many: int) -> None:
    rng = np.random.default_rng(3)
    needles = [rng.bytes(24) for _ in range(many)]
    blank = rng.bytes(5 * 2**20)
    for place in (0, 7, (1 << 22) - 11, (1 << 22) + 3, len(blank) - 24):
        data = bytearray(blank)
        data[place : place + 24] = needles[-1]
        (tmp_path / "file").write_bytes(data)
        assert list(Search(needles).below(tmp_path)) == [tmp_path / "file"], place
    (tmp_path / "file").write_bytes(blank)
    assert list(Search(needles).below(tmp_path)) == []


def test_what_a_backup_brings_back_is_forgotten_again(settings: Settings, tmp_path: Path) -> None:
    from tellapart.store.backup import back_up
    from tellapart.store.restore import restore

    engine = database.open_database(settings)
    catalog = holding(settings, engine, "", "p", drawn(1), drawn(2), drawn(3))
    row, other, third = catalog.pictures()
    forget(settings, engine, Asked("picture", third.id))
    back_up(settings, tmp_path / "backup.zip")
    forget(settings, engine, Asked("picture", row.id))
    engine.dispose()
    done = restore(settings, tmp_path / "backup.zip")
    assert done.refused == 2 and done.before is not None  # content and address
    engine = database.open_database(settings)
    there = Catalog.open(engine, "p")
    assert {one.id for one in there.pictures()} == {row.id, other.id}
    told = forget(settings, engine, Asked("again", ""))
    assert told.removed["ledger"] == {"pictures": 1}
    assert [one.id for one in there.pictures()] == [other.id]
    # The home of before the restore is a person's: it is named.
    assert told.gone or all(name.startswith("before-restore-") for name in told.remains)
    assert forget(settings, engine, Asked("again", "")).removed.keys() == {"databases"}
    engine.dispose()


def test_again_leaves_what_another_account_holds(settings: Settings) -> None:
    engine = database.open_database(settings)
    anna, bert = "u_" + "a" * 20, "u_" + "b" * 20
    account(engine, anna, "anna")
    both = drawn(2)
    hers = holding(settings, engine, anna, "hers", both)
    theirs = holding(settings, engine, bert, "his", both)
    back = hers.pictures()[0]
    forget(settings, engine, Asked("picture", back.id), owner=anna)
    hers.add(
        [NewPicture(label="a", source="urls", file_url=back.file_url, sha256=back.sha256)]
    )  # as a backup brings it back
    told = forget(settings, engine, Asked("again", ""))
    assert told.removed["ledger"] == {"pictures": 1} and told.gone
    assert hers.pictures() == [] and len(theirs.pictures()) == 1
    assert FileStore(settings.files_dir).has(back.sha256)
    engine.dispose()


def test_a_bundle_is_withdrawn_though_no_row_tells_of_it(house: House) -> None:
    with house.engine() as engine:
        Catalog.open(engine, "apple-boat").clear()
        told = forget(house.settings, engine, Asked("picture", house.sha256))
    assert [one.version for one in told.withdrawn] == [1] and told.gone
    assert house.found(house.sha256, house.url) == []
