"""The pictures themselves: where they came from and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from tellapart.catalog import acts
from tellapart.catalog.base import Base, chunks, insert, now, upsert
from tellapart.catalog.rows import NewPicture, Outcome, PictureRow, Search, Status, picture_id
from tellapart.errors import InputError, NotFoundError
from tellapart.store import schema

_p, _v, _o, _s = schema.pictures, schema.verdicts, schema.overrules, schema.splits
_OWN = [column for column in _p.columns if column.name != "project_id"]
# The user's word wins, but no word makes a broken file a picture.
_BROKEN = sa.func.coalesce(_v.c.reason, "") == "unreadable"
KEPT = sa.case((_BROKEN, _v.c.kept), else_=sa.func.coalesce(_o.c.kept, _v.c.kept, type_=sa.Boolean))
VERDICT = sa.case(
    (_BROKEN, _v.c.reason),
    (_o.c.kept != _v.c.kept, "by_hand"),
    (_v.c.picture_id.is_(None) & _o.c.kept.is_(sa.false()), "by_hand"),
    else_=sa.func.coalesce(_v.c.reason, ""),
)
#: Everything of a picture; `row_of` makes a `PictureRow` of what it gives.
SELECT = (
    sa.select(
        *_OWN,
        KEPT,
        VERDICT,
        _o.c.kept,
        sa.func.coalesce(_s.c.split, ""),
        sa.func.coalesce(_s.c.group_id, ""),
        _v.c.detail,
    )
    .select_from(_p)
    .outerjoin(_v, _v.c.picture_id == _p.c.id)
    .outerjoin(_o, _o.c.picture_id == _p.c.id)
    .outerjoin(_s, _s.c.picture_id == _p.c.id)
)
_NEW = [field.name for field in fields(NewPicture) if field.name != "key"]
_new_values = attrgetter(*_NEW)
_OUTCOME = [field.name for field in fields(Outcome) if field.name != "id"]
_outcome_values = attrgetter("id", *_OUTCOME)


class Ledger(Base):
    """Adding, reading and recording pictures and searches. Each method is one transaction."""

    def add(self, rows: Iterable[NewPicture]) -> int:
        """Add the pictures that are not in the ledger yet; return how many were added.

        What is known already stays as it is, so adding may be repeated.
        """
        values = [self._values(row) for row in rows]
        if not values:
            return 0
        if any("\0" in value for row in values for value in row.values() if isinstance(value, str)):
            # PostgreSQL's texts hold no NUL.
            values = [{k: _writable(v) for k, v in row.items()} for row in values]
        try:
            return self._insert(values)
        except UnicodeEncodeError:
            # File names need not be text, and strangers' answers hold half characters: the
            # database takes neither. Shown with a mark instead; such a path is not found later.
            return self._insert([{k: _writable(v) for k, v in row.items()} for row in values])

    def id_of(self, row: NewPicture) -> str:
        """The id that `add` gives to this picture."""
        key = row.key or row.file_url
        if not key:
            raise InputError(
                f"A picture of source {row.source!r} has neither a file URL nor a key.",
                expected="`file_url`, or `key` (the path relative to the data folder)",
                do="Set one of them where the picture is found.",
            )
        return picture_id(self.name, row.label, row.source, key, self.owner)

    def pictures(
        self,
        *,
        label: str | None = None,
        status: Status | None = None,
        kept: bool | None = None,
        split: str | None = None,
    ) -> list[PictureRow]:
        """The pictures, all or those that match, ordered by (label, position, rank, id)."""
        query = SELECT.where(_p.c.project_id == self.project_id)
        if label is not None:
            query = query.where(_p.c.label == label)
        if status is not None:
            query = query.where(_p.c.status == status)
        if kept is not None:
            query = query.where(KEPT.is_(kept))
        if split is not None:
            query = query.where(_s.c.split == split)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        # Sorted here, not by the database: collations differ between databases.
        return sorted(
            map(row_of, rows),
            key=lambda row: (row.label, row.position, row.rank, row.id),
        )

    def picture(self, id: str) -> PictureRow:
        """One picture. Raises `NotFoundError` where the project has none of that id."""
        query = SELECT.where(_p.c.project_id == self.project_id, _p.c.id == id)
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise self._no_picture(id)
        return row_of(row)

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Write what became of pictures: status, reason, hash, sizes, and the time."""
        at = now()
        values = [
            dict(zip(("b_id", *_OUTCOME), _outcome_values(item), strict=True), fetched_at=at)
            for item in outcomes
        ]
        if not values:
            return
        columns: dict[str, Any] = {name: sa.bindparam(name) for name in (*_OUTCOME, "fetched_at")}
        statement = _p.update().where(_p.c.id == sa.bindparam("b_id")).values(columns)
        with self._writing() as connection:
            connection.execute(statement, values)

    def remove(self, ids: Iterable[str]) -> int:
        """Take rows out of the ledger, with all that hangs on them; how many were there."""
        gone = 0
        with self._writing() as connection:
            for part in chunks(sorted(set(ids))):
                mine = (_p.c.project_id == self.project_id, _p.c.id.in_(part))
                gone += connection.execute(_p.delete().where(*mine)).rowcount
        return gone

    def relabel(self, id: str, label: str) -> None:
        """Give a picture another class: an act. It keeps its id. Raises `NotFoundError`."""
        acts.relabel(self, [id], label)

    def regroup(self, groups: Mapping[str, str]) -> None:
        """Give pictures, by id, another group that the data set brings for them."""
        if not groups:
            return
        statement = (
            _p.update().where(_p.c.id == sa.bindparam("b_id")).values(group_hint=sa.bindparam("b"))
        )
        values = [{"b_id": id, "b": group} for id, group in groups.items()]
        with self._writing() as connection:
            connection.execute(statement, values)

    def clear(self) -> int:
        """Forget all pictures, searches and finished steps; return how many pictures.

        Picture files, measurements (kept by content) and versions stay.
        """
        with self._writing() as connection:
            for table in (schema.searches, schema.steps):
                connection.execute(table.delete().where(table.c.project_id == self.project_id))
            gone = connection.execute(_p.delete().where(_p.c.project_id == self.project_id))
            return int(gone.rowcount)

    def searches(self) -> list[Search]:
        """How far each query was read, ordered by (label, source, query)."""
        table = schema.searches
        query = sa.select(
            table.c.label,
            table.c.source,
            table.c.query,
            table.c.reached,
            table.c.exhausted,
            table.c.error,
        ).where(table.c.project_id == self.project_id)
        names = [field.name for field in fields(Search)]
        with self._reading() as connection:
            rows = connection.execute(query).all()
        found = [Search(**dict(zip(names, row, strict=True))) for row in rows]
        return sorted(found, key=lambda item: (item.label, item.source, item.query))

    def save_search(self, *searches: Search) -> None:
        """Write how far queries were read."""
        rows = [
            {
                "project_id": self.project_id,
                **{field.name: getattr(item, field.name) for field in fields(Search)},
            }
            for item in searches
        ]
        with self._writing() as connection:
            upsert(connection, schema.searches, rows)

    def _insert(self, values: list[dict[str, Any]]) -> int:
        count = sa.select(sa.func.count()).where(_p.c.project_id == self.project_id)
        with self._writing() as connection:
            before = connection.scalar(count) or 0
            statement = insert(connection, _p).on_conflict_do_nothing(index_elements=["id"])
            connection.execute(statement, values)
            return (connection.scalar(count) or 0) - before

    def _values(self, row: NewPicture) -> dict[str, Any]:
        values = dict(zip(_NEW, _new_values(row), strict=True))
        return {"id": self.id_of(row), "project_id": self.project_id, **values}

    def _no_picture(self, id: str) -> NotFoundError:
        return NotFoundError(
            f"The project {self.name!r} has no picture {id!r}.",
            expected="an id of 16 hexadecimal digits from the project's ledger",
            do=f"List them: tellapart show {self.name} --pictures",
        )


def row_of(values: Any) -> PictureRow:
    """What `SELECT` gives for one picture."""
    return PictureRow(*(*values[:-1], values[-1] or {}))


def _writable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text.replace("\0", "\ufffd")
