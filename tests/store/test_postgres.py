"""The same database on a real PostgreSQL: made, migrated, shared, and plain about failures."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.postgres import Cluster
from tellapart.catalog import Catalog, NewPicture
from tellapart.demo.drawing import write_folder
from tellapart.errors import BusyError, InputError, StorageError
from tellapart.project import Project
from tellapart.recipe import check
from tellapart.settings import Settings
from tellapart.store import database, schema
from tellapart.store.metadata import metadata
from tellapart.store.migrations import HEAD


@pytest.fixture
def remote(settings: Settings, postgres_url: str) -> Settings:
    return replace(settings, database_url=postgres_url)


def test_the_migrations_make_what_the_schema_says(remote: Settings, postgres_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    migrated = sa.create_engine(url)
    with migrated.begin() as connection:
        database.upgrade(connection)
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    migrated.dispose()
    engine = database.open_database(remote)
    with database.reading(engine) as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
    assert not remote.database_path.exists()
    engine.dispose()


def test_an_old_database_is_migrated_once_by_many(remote: Settings, postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg")
    old = sa.create_engine(url)
    with old.begin() as connection:
        database.upgrade(connection, "0003")
        connection.execute(
            sa.text(
                "INSERT INTO projects (id, name, created_at, recipe) "
                "VALUES (1, 'fruit', '2026-01-02T03:04:05Z', '{\"classes\": [\"apple\"]}')"
            )
        )
    old.dispose()
    _together(8, lambda: database.open_database(remote).dispose())
    engine = database.open_database(remote)
    assert Catalog.open(engine, "fruit").recipe == {"classes": ["apple"]}
    assert Catalog.everyone(engine) == [("", "fruit")]
    engine.dispose()


def test_many_make_the_tables_and_the_same_project_at_once(remote: Settings) -> None:
    made: list[str] = []

    def make() -> None:
        engine = database.open_database(remote)
        try:
            Catalog.create(engine, "fruit", {}, "u_a")
            made.append("made")
        except InputError as error:
            made.append(error.what)
        finally:
            engine.dispose()

    _together(8, make)
    assert sorted(made) == ["There is a project 'fruit' already."] * 7 + ["made"]


def test_what_the_web_sends_fits_its_texts(remote: Settings) -> None:
    engine = database.open_database(remote)
    catalog = Catalog.create(engine, "fruit", {})
    odd = {"file_url": "http://a/\0", "title": "nul \0 and half \udce4", "creator": "Ä\U0001f34e"}
    plain = NewPicture(label="apple", source="web", file_url="http://a/1")
    assert catalog.add([NewPicture(label="apple", source="web", **odd), plain]) == 2
    titles = sorted(row.title for row in catalog.pictures())
    assert titles == ["", "nul \ufffd and half \ufffd\ufffd\ufffd"]
    engine.dispose()


def test_a_view_stays_as_it_was_when_it_began(remote: Settings) -> None:
    engine = database.open_database(remote)
    Catalog.create(engine, "one", {})
    count = sa.select(sa.func.count()).select_from(schema.projects)
    with database.reading(engine) as connection:
        assert connection.scalar(count) == 1
        Catalog.create(engine, "two", {})
        assert connection.scalar(count) == 1
    with database.reading(engine) as connection:
        assert connection.scalar(count) == 2
    engine.dispose()


def test_failures_are_told_in_three_parts(
    remote: Settings, postgres_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"postgresql://tellapart:hidden@127.0.0.1:{postgres_cluster.port}/none"
    with pytest.raises(StorageError, match="does not exist") as raised:
        database.open_database(replace(remote, database_url=gone))
    assert "hidden" not in str(raised.value.to_dict())
    with pytest.raises(StorageError, match="failed") as raised:
        database.open_database(replace(remote, database_url="postgresql://a:hidden@127.0.0.1:1/b"))
    assert "hidden" not in str(raised.value.to_dict())

    monkeypatch.setattr(database, "BUSY_SECONDS", 1.0)
    engine = database.open_database(remote)
    Catalog.create(engine, "one", {})
    with database.writing(engine) as connection:
        connection.execute(sa.text("LOCK TABLE projects"))
        with pytest.raises(BusyError, match="locked by another process"):
            Catalog.create(engine, "two", {})
    engine.dispose()


def test_a_server_that_was_restarted_is_used_again(remote: Settings) -> None:
    engine = database.open_database(remote)
    Catalog.create(engine, "one", {})
    ending = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    other = database.open_database(remote)
    with database.writing(other) as connection:
        connection.execute(ending)
    assert Catalog.names(engine) == ["one"]
    engine.dispose()
    other.dispose()


@pytest.mark.parametrize(
    "url", ["mysql://a:hidden@b/c", "postgresql://a:hidden@b", "hidden", "sqlite://", "a://b:c:d"]
)
def test_a_url_that_names_no_database_is_refused(settings: Settings, url: str) -> None:
    with pytest.raises(InputError, match="TELLAPART_DATABASE_URL") as raised:
        database.open_database(replace(settings, database_url=url))
    assert "hidden" not in str(raised.value.to_dict())
    assert "hidden" not in repr(replace(settings, database_url=url))


def _together(count: int, work: object) -> None:
    failed: list[BaseException] = []

    def one() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed


@pytest.mark.slow
def test_the_chain_walks_on_it_for_one_of_two_owners(remote: Settings, tmp_path: Path) -> None:
    """The spawned worker, all steps and the bundle, with the catalog on PostgreSQL."""
    write_folder(tmp_path / "pictures", ["apple", "star"], 12)
    recipe = check({"name": "drawn", "data": str(tmp_path / "pictures")})
    theirs = replace(remote, owner="u_a")
    Project.create(recipe, remote).close()
    with Project.create(recipe, theirs) as project:
        result = project.run()
        assert result.version == 1 and result.pictures["kept"] == 24
        assert project.bundle_path.is_relative_to(remote.home / "accounts" / "u_a" / "projects")
        assert sorted(project.bundle.labels) == ["apple", "star"]
    with Project.open("drawn", remote) as project:
        assert project.pictures() == [] and project.versions() == []
        project.delete()
    with Project.open("drawn", theirs) as project:
        assert project.bundle_path.exists()
    assert not remote.database_path.exists()
