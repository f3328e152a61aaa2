"""From what is asked for to all that names it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tellapart.catalog.base import chunks
from tellapart.errors import InputError, NotFoundError
from tellapart.forgetting.refusals import Refusals, same_creator
from tellapart.forgetting.traces import LEAST, Asked, Traces
from tellapart.settings import Settings
from tellapart.store import database, schema, schema_accounts
from tellapart.store import schema_decks as decks

_p, _c, _dp = schema.pictures.c, decks.deck_candidates.c, decks.deck_pictures.c
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PICTURE = re.compile(r"[0-9a-f]{16}")


def find(settings: Settings, engine: sa.Engine, asked: Asked, owner: str | None) -> Traces:
    """Raises `NotFoundError` for an id that there is not, `InputError` for what cannot be read.

    An address, a content or a creator that nobody has may be forgotten all the same: it is refused
    when it comes.
    """
    traces = Traces(owner, asked.kind)
    with database.reading(engine) as connection:
        finder = _Finder(connection, traces)
        if asked.kind == "again":
            finder.again(settings, engine)
        else:
            {
                "picture": finder.picture,
                "creator": finder.creator,
                "candidate": finder.candidate,
                "user": finder.user,
            }[asked.kind](asked)
        finder.close()
    return traces


class _Finder:
    """Looks from what was asked for to all that has the same content or address."""

    def __init__(self, connection: sa.Connection, traces: Traces) -> None:
        self._connection = connection
        self._traces = traces

    def picture(self, asked: Asked) -> None:
        value, traces = asked.value.strip(), self._traces
        if _SHA256.fullmatch(value.lower()):
            traces.shas.add(value.lower())
        elif _PICTURE.fullmatch(value.lower()):
            traces.ids.add(value.lower())
            if not self._rows(_p.id == value.lower()):
                raise _missing("picture", value)
        elif value.lower().startswith(("http://", "https://", "data:")):
            traces.urls.add(value)
            # A page may show others' pictures too: only where it is no picture's own address.
            _ = self._rows(_p.file_url == value) or self._rows(_p.page_url == value)
        elif value and Path(value).is_absolute():
            # Its content is what is refused: another file may have the name one day.
            known = self._rows(_p.path == value)
            if Path(value).is_file():
                traces.shas.add(hashlib.sha256(Path(value).read_bytes()).hexdigest())
            elif not known:
                raise _missing("picture of the file", value)
        else:
            raise InputError(
                f"{value[:100]!r} is no picture.",
                expected="an id of 16 hexadecimal digits, a SHA-256, an address or a file's path",
                do="List the pictures: tellapart show NAME --pictures",
            )

    def creator(self, asked: Asked) -> None:
        wanted = same_creator(asked.value)
        if not wanted:
            raise InputError(
                "The creator's name is empty.",
                expected="the name as the pictures' rows have it",
                do="List the pictures: tellapart show NAME --pictures --json",
            )
        self._traces.creators.add(asked.value.strip())
        spelled = self._connection.scalars(sa.select(_p.creator).distinct())
        same = [name for name in spelled if name and same_creator(name) == wanted]
        self._traces.creators.update(same)
        for part in chunks(same):
            self._rows(_p.creator.in_(part))

    def candidate(self, asked: Asked) -> None:
        which = _c.id == asked.value
        if asked.deck:
            which = sa.and_(decks.decks.c.name == asked.deck, sa.or_(which, _c.ref == asked.value))
        if not self._candidates(which):
            raise _missing("candidate", asked.value)

    def user(self, asked: Asked) -> None:
        table = schema_accounts.accounts.c
        name = asked.value.strip()
        wanted = sa.or_(table.id == name, table.name == name, table.email == name)
        found = self._connection.execute(sa.select(table.id, table.email).where(wanted)).all()
        if len(found) != 1:
            raise _missing("user", name)
        self._traces.owner = str(found[0][0])
        self._traces.words.update(found[0])
        self._rows(sa.true())
        self._candidates(sa.true())

    def again(self, settings: Settings, engine: sa.Engine) -> None:
        """All that is refused and is here all the same, such as from a backup."""
        known: dict[str, Refusals] = {}
        pictures = sa.select(
            schema.projects.c.owner, _p.id, _p.sha256, _p.file_url, _p.creator
        ).join(schema.projects, schema.projects.c.id == _p.project_id)
        table = decks.decks.c
        candidates = sa.select(table.owner, _c.id, table.source, _c.ref).join(
            decks.decks, table.id == _c.deck_id
        )
        offered = (
            sa.select(table.owner, _dp.id, _dp.sha256, _dp.url)
            .join(decks.deck_candidates, _c.id == _dp.candidate_id)
            .join(decks.decks, table.id == _c.deck_id)
        )

        def of(owner: str) -> Refusals:
            if owner not in known:
                known[owner] = Refusals(settings, engine, owner)
            return known[owner]

        for owner, id, sha, url, creator in self._connection.execute(
            pictures.where(self._traces.owners())
        ).all():
            if of(owner).picture(sha256=sha, url=url, creator=creator):
                self._rows(_p.id == id)
        for owner, id, source, ref in self._connection.execute(
            candidates.where(self._of_owner())
        ).all():
            if of(owner).candidate(source, ref):
                self._candidates(_c.id == id)
        for owner, row, sha, url in self._connection.execute(offered.where(self._of_owner())).all():
            if of(owner).picture(sha256=sha, url=url):
                self._deck_pictures(_dp.id == row)

    def close(self) -> None:
        """Go on until nothing new has the same content or address; then see who else has it."""
        traces = self._traces
        if traces.kind == "again":
            # Some were forgotten for one owner alone: another one's stay.
            self._see_projects()
            self._see_rest()
            return
        before: tuple[int, ...] = ()
        while before != (before := tuple(map(len, (traces.shas, traces.urls, traces.ids)))):
            for part in chunks(sorted(traces.shas)):
                self._rows(_p.sha256.in_(part))
                self._of_decks(_dp.sha256.in_(part))
            for part in chunks(sorted(traces.urls)):
                self._rows(_p.file_url.in_(part))
                self._of_decks(_dp.url.in_(part))
        self._see_projects()
        self._see_others()

    def _rows(self, which: sa.ColumnElement[bool]) -> int:
        """Take the pictures in that match; how many."""
        query = (
            sa.select(_p.id, _p.sha256, _p.file_url, _p.path)
            .join(schema.projects, schema.projects.c.id == _p.project_id)
            .where(which, self._traces.owners())
        )
        rows = self._connection.execute(query).all()
        for id, sha, url, path in rows:
            self._take(self._traces.ids, id)
            self._take(self._traces.shas, sha)
            self._take(self._traces.urls, url)
            self._take(self._traces.paths, path)
        return len(rows)

    def _of_decks(self, which: sa.ColumnElement[bool]) -> None:
        """Take in the pictures of candidates that match; the candidates stay."""
        self._deck_pictures(which)

    def _candidates(self, which: sa.ColumnElement[bool]) -> int:
        """Take the candidates in that match, in all of the owner's decks that have them."""
        table = decks.decks.c
        query = (
            sa.select(_c.id, _c.ref, _c.url, _c.bio, table.source)
            .join(decks.decks, table.id == _c.deck_id)
            .where(self._of_owner())
        )
        rows = list(self._connection.execute(query.where(which)))
        for source in {row.source for row in rows}:
            for part in chunks(sorted({row.ref for row in rows if row.source == source})):
                again = query.where(table.source == source, _c.ref.in_(part))
                rows += self._connection.execute(again)
        for id, ref, url, bio, source in set(rows):
            self._traces.candidates.add(id)
            self._traces.refs.add((source, ref))
            self._take(self._traces.words, url)
            others = sa.select(sa.func.count()).where(_c.bio == bio, _c.ref != ref)
            if len(bio) >= 4 * LEAST and not self._connection.scalar(others):
                self._traces.said.add(bio)
        for part in chunks(sorted(self._traces.candidates)):
            self._deck_pictures(_dp.candidate_id.in_(part))
        return len(rows)

    def _deck_pictures(self, which: sa.ColumnElement[bool]) -> None:
        query = (
            sa.select(_dp.id, _dp.url, _dp.path, _dp.sha256, _dp.candidate_id, _c.deck_id)
            .join(decks.deck_candidates, _c.id == _dp.candidate_id)
            .join(decks.decks, decks.decks.c.id == _c.deck_id)
            .where(which, self._of_owner())
        )
        for id, url, path, sha, candidate, deck in self._connection.execute(query).all():
            self._traces.deck_pictures.add(int(id))
            self._take(self._traces.urls, url)
            self._take(self._traces.paths, path)
            self._take(self._traces.shas, sha)
            self._see_deck(deck, candidate)

    def _see_deck(self, deck: str, candidate: str) -> None:
        table, said = decks.decks.c, decks.deck_feedback.c
        row = self._connection.execute(
            sa.select(table.owner, table.name).where(table.id == deck)
        ).one()
        self._traces.decks[deck] = (row[0], row[1])
        labelled = sa.select(said.id).where(said.candidate_id == candidate).exists()
        taught = sa.or_(labelled, _c.picked == decks.TAKEN_BACK)
        once = sa.select(_c.id).where(_c.id == candidate, taught)
        if self._connection.scalar(once) is not None:
            self._traces.taught.add(deck)

    def _of_owner(self) -> sa.ColumnElement[bool]:
        owner = self._traces.owner
        return sa.true() if owner is None else decks.decks.c.owner == owner

    def _see_projects(self) -> None:
        table = schema.projects.c
        query = sa.select(table.id, table.owner, table.name).join(
            schema.pictures, _p.project_id == table.id
        )
        for part in chunks(sorted(self._traces.ids)):
            for id, owner, name in self._connection.execute(query.where(_p.id.in_(part))):
                self._traces.projects[int(id)] = (owner, name)
        for deck in self._traces.candidates:
            found = self._connection.scalar(sa.select(_c.deck_id).where(_c.id == deck))
            if found is not None:
                self._see_deck(found, deck)
        if self._traces.kind == "user":
            mine = sa.select(table.id, table.owner, table.name).where(self._traces.owners())
            for id, owner, name in self._connection.execute(mine):
                self._traces.projects[int(id)] = (owner, name)
            of_deck = decks.decks.c
            each = sa.select(of_deck.id, of_deck.owner, of_deck.name).where(self._of_owner())
            for id, owner, name in self._connection.execute(each):
                self._traces.decks[id] = (owner, name)

    def _see_others(self) -> None:
        """Which contents and addresses somebody else holds, where only one owner's go."""
        traces = self._traces
        if traces.owner is None:
            return
        in_projects = (_p.sha256, _p.file_url, _p.path)
        in_decks = (_dp.sha256, _dp.url, _dp.path)
        projects = (
            sa.select(*in_projects)
            .join(schema.projects, schema.projects.c.id == _p.project_id)
            .where(schema.projects.c.owner != traces.owner)
        )
        offered = (
            sa.select(*in_decks)
            .join(decks.deck_candidates, _c.id == _dp.candidate_id)
            .join(decks.decks, decks.decks.c.id == _c.deck_id)
            .where(decks.decks.c.owner != traces.owner)
        )
        for query, columns in ((projects, in_projects), (offered, in_decks)):
            for column, values in zip(
                columns, (traces.shas, traces.urls, traces.paths), strict=True
            ):
                for part in chunks(sorted(values)):
                    for row in self._connection.execute(query.where(column.in_(part))):
                        traces.shared.update(value for value in row if value)

    def _see_rest(self) -> None:
        """Which contents and addresses rows hold that are not to go."""
        traces = self._traces
        in_projects, in_decks = (_p.sha256, _p.file_url, _p.path), (_dp.sha256, _dp.url, _dp.path)
        values = (traces.shas, traces.urls, traces.paths)
        for id, columns, gone in (
            (_p.id, in_projects, traces.ids),
            (_dp.id, in_decks, traces.deck_pictures),
        ):
            for column, wanted in zip(columns, values, strict=True):
                for part in chunks(sorted(wanted)):
                    query = sa.select(id, *columns).where(column.in_(part))
                    for row in self._connection.execute(query):
                        if row[0] not in gone:
                            traces.shared.update(value for value in row[1:] if value)

    @staticmethod
    def _take(into: set[str], value: Any) -> None:
        if value:
            into.add(str(value))


def _missing(what: str, value: str) -> NotFoundError:
    return NotFoundError(
        f"There is no {what} {value[:100]!r}.",
        expected="something that is here",
        do="Name it as the lists show it; of a candidate's service also its deck (--deck).",
    )
