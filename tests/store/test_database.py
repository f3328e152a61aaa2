"""The database: made, migrated, shared, and plain about what is wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tellapart.catalog import Catalog, NewPicture, acts, undoing
from tellapart.errors import BusyError, StorageError
from tellapart.settings import Settings
from tellapart.store import database, schema
from tellapart.store.migrations import HEAD, REVISIONS

FROZEN = Path(__file__).parent / "frozen"
#: Revisions that databases out there may be at; those between were never published alone.
RELEASED = ("0001", "0002", "0003", "0009")


def _thaw(settings: Settings, revision: str) -> Path:
    """An old database as a program of that revision left it."""
    path = settings.database_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FROZEN / f"{revision}.sql").read_text())
    return path


def _revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_new_database_is_at_head_and_opens_again(settings: Settings) -> None:
    database.open_database(settings).dispose()
    assert _revision(settings.database_path) == HEAD
    engine = database.open_database(settings)
    with database.reading(engine) as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragma == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
        "busy_timeout": 30000,
    }
    assert not list(settings.home.glob("*.before-*"))


def test_the_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with engine.begin() as connection:
        database.upgrade(connection)
    made = database.open_url(f"sqlite:///{tmp_path / 'made.sqlite'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []
    assert _normal(tmp_path / "migrated.sqlite") == _normal(tmp_path / "made.sqlite")
    made.dispose()
    config = Config()
    config.set_main_option("script_location", "tellapart.store:migrations")
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert tuple(reversed([item.revision for item in script.walk_revisions()])) == REVISIONS


def _normal(path: Path) -> list[tuple[str, str, list[object]]]:
    """Tables, columns and indexes, without the statements' wording."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
        pragma = {"table": "table_info", "index": "index_info"}
        return [
            (kind, name, connection.execute(f"PRAGMA {pragma[kind]}('{name}')").fetchall())
            for kind, name in names
        ]


@pytest.mark.parametrize("revision", RELEASED)
def test_a_frozen_old_database_opens_with_a_backup(settings: Settings, revision: str) -> None:
    path = _thaw(settings, revision)
    engine = database.open_database(settings)
    assert _revision(path) == HEAD
    backup = path.with_name(f"{path.name}.before-{HEAD}")
    assert _revision(backup) == revision
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM pictures").fetchone() == (3,)
    assert not list(settings.home.glob("*.partial"))

    catalog = Catalog.open(engine, "fruit")
    assert catalog.recipe["classes"] == ["apple", "pear"]
    apple, pear, failed = catalog.pictures()
    assert (apple.creator, apple.kept, apple.split, apple.width) == ("Ann", True, "train", 8)
    assert (pear.kept, pear.verdict, pear.overruled) == (True, "by_hand", True)
    assert pear.detail == {"distance": 3, "of": apple.id}
    assert (failed.status, failed.reason, failed.kept) == ("failed", "timeout", None)
    assert catalog.scores("off_topic", "f1") == {apple.id: 0.25}
    assert catalog.measurements([apple.sha256], "basic", 1) == {apple.sha256: {"blur": 0.5}}
    assert catalog.finished("collect", "f0") == {"found": 2}
    assert catalog.searches()[0].reached == 20
    latest = catalog.latest_version()
    assert latest is not None
    assert latest.metrics == {"accuracy": 0.9}
    # The foreign keys are on again after the migration: a deleted project takes its rows along.
    Catalog.delete(engine, "fruit")
    with database.reading(engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.verdicts)) == 0


def test_what_an_old_database_says_of_people_and_decks_stays(settings: Settings) -> None:
    _thaw(settings, "0009")
    engine = database.open_database(settings)
    with database.reading(engine) as connection:
        for table, count in (("accounts", 1), ("runs", 1), ("decks", 1), ("deck_actions", 1)):
            counted = sa.select(sa.func.count()).select_from(schema.metadata.tables[table])
            assert connection.scalar(counted) == count, table
        candidates = schema.metadata.tables["deck_candidates"].c
        asked = sa.select(candidates.ref, candidates.picked).order_by(candidates.ref)
        assert [tuple(row) for row in connection.execute(asked)] == [("1", "by chance"), ("2", "")]


def test_words_from_before_there_was_an_act_log_are_gone_back_to(settings: Settings) -> None:
    _thaw(settings, "0009")
    catalog = Catalog.open(database.open_database(settings), "fruit")
    assert catalog.recipe["curate"] == {"min_side": 100}
    _, pear, _ = catalog.pictures()
    assert pear.overruled is True
    acts.decide(catalog, {pear.id: False})
    assert catalog.pictures()[1].overruled is False
    undoing.undo(catalog)
    assert catalog.pictures()[1].overruled is True


def test_a_migration_that_fails_changes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _thaw(settings, "0001")
    upgrade = database.upgrade

    def _half(connection: sa.Connection) -> None:
        upgrade(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "upgrade", _half)
    with pytest.raises(KeyboardInterrupt):
        database.open_database(settings)
    assert _revision(path) == "0001"
    monkeypatch.undo()
    settings = Settings(home=settings.home)
    database.open_database(settings).dispose()
    assert _revision(path) == HEAD


def test_a_database_of_a_newer_program_is_left_alone(settings: Settings) -> None:
    database.open_database(settings).dispose()
    path = settings.database_path
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StorageError, match="revision '9999'") as caught:
        database.open_database(settings)
    assert "newer" in caught.value.do
    assert _revision(path) == "9999"


def test_a_foreign_or_broken_file_is_refused(settings: Settings) -> None:
    path = settings.database_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database, but long enough to be looked at" * 50)
    with pytest.raises(StorageError, match="no database"):
        database.open_database(settings)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes_of_my_aunt (cake)")
    with pytest.raises(StorageError, match="recipes_of_my_aunt"):
        database.open_database(settings)


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        database.open_database(Settings(home=tmp_path / "file" / "home"))


def test_an_open_database_does_not_import_alembic(settings: Settings) -> None:
    code = (
        "import sys; from tellapart.settings import Settings;"
        "from tellapart.store.database import open_database;"
        "open_database(Settings.from_env()); open_database(Settings.from_env());"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


_WRITER = textwrap.dedent(
    """
    import sys
    from tellapart.catalog import Catalog, NewPicture, acts, undoing
    from tellapart.settings import Settings
    from tellapart.store.database import open_database

    who = sys.argv[1]
    catalog = Catalog.open(open_database(Settings.from_env()), "fruit")
    for i in range(40):
        catalog.add(
            NewPicture(label="a", source=who, file_url=f"{who}/{i}/{j}", rank=i) for j in range(5)
        )
    """
)


def test_two_processes_write_at_once_and_nothing_is_lost(settings: Settings) -> None:
    Catalog.create(database.open_database(settings), "fruit", {})
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, who], stderr=subprocess.PIPE, text=True)
        for who in ("one", "two")
    ]
    said = [writer.communicate(timeout=60)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], said
    rows = Catalog.open(database.open_database(settings), "fruit").pictures()
    assert len(rows) == 400


def test_two_processes_may_make_the_database_at_once(settings: Settings) -> None:
    code = (
        "from tellapart.settings import Settings;"
        "from tellapart.store.database import open_database; open_database(Settings.from_env())"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [maker.communicate(timeout=60)[1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0, 0], said
    assert _revision(settings.database_path) == HEAD


def test_a_database_held_too_long_is_busy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    catalog = Catalog.create(database.open_database(settings), "fruit", {})
    with closing(sqlite3.connect(settings.database_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="locked"):
            catalog.add([NewPicture(label="a", source="s", file_url="u")])
        assert catalog.pictures() == []  # readers are not held up
    assert catalog.add([NewPicture(label="a", source="s", file_url="u")]) == 1


_FULL = textwrap.dedent(
    """
    import resource, sys
    from tellapart.catalog import Catalog, NewPicture, acts, undoing
    from tellapart.errors import StorageError
    from tellapart.settings import Settings
    from tellapart.store.database import open_database

    catalog = Catalog.open(open_database(Settings.from_env()), "fruit")
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
    added = 0
    for i in range(100):
        try:
            added += catalog.add(
                NewPicture(label="a", source="s", file_url=f"{i}/{j}", title="x" * 200)
                for j in range(100)
            )
        except StorageError as error:
            print(added, error.what)
            sys.exit(error.exit_code)
    """
)


def test_a_full_disk_is_a_storage_error_and_whole_batches_stay(settings: Settings) -> None:
    pytest.importorskip("resource")
    Catalog.create(database.open_database(settings), "fruit", {})
    done = subprocess.run([sys.executable, "-c", _FULL], capture_output=True, text=True)
    assert done.returncode == StorageError.exit_code, done.stderr
    added = int(done.stdout.split()[0])
    assert 0 < added < 10_000
    engine = database.open_database(settings)
    assert len(Catalog.open(engine, "fruit").pictures()) == added
    with database.reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_the_same_statements_serve_postgresql() -> None:
    from sqlalchemy.dialects import postgresql

    from tellapart.catalog import ledger
    from tellapart.catalog.base import insert

    made: list[str] = []
    engine = sa.create_mock_engine(
        "postgresql+psycopg2://", lambda sql, *_: made.append(str(sql.compile(dialect=dialect)))
    )
    dialect = postgresql.dialect()
    schema.metadata.create_all(engine, checkfirst=False)
    assert sum("CREATE TABLE" in text for text in made) == len(schema.metadata.tables)
    read = str(ledger.SELECT.where(ledger.KEPT.is_(True)).compile(dialect=dialect))
    assert "LEFT OUTER JOIN overrules" in read

    class _Connection:
        def __init__(self) -> None:
            self.dialect = dialect

    statement = insert(_Connection(), schema.pictures)  # type: ignore[arg-type]
    text = str(statement.on_conflict_do_nothing(index_elements=["id"]).compile(dialect=dialect))
    assert "ON CONFLICT (id) DO NOTHING" in text
