"""A project of Microsoft Lobe, in its own folder: `db.sqlite` and `data/blobs/`.

Lobe's own export tool reads it so: `example_images` has the name of each blob, `example_labels`
its class. A project has no splits of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tellapart.doors import Format, Hit
from tellapart.plugins.formats.documents import not_so
from tellapart.plugins.formats.places import Labels, Places

_DATABASE, _BLOBS = "db.sqlite", "data/blobs"
_QUERY = (
    "SELECT images.hash, labels.label FROM example_images AS images "
    "LEFT JOIN example_labels AS labels ON images.example_id = labels.example_id "
    "ORDER BY images.hash, labels.label"
)


class Lobe(Format):
    """A folder of `lobe/projects/`; pictures without a class have the problem `no_label`."""

    name = "lobe"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        folder = path.parent if path.name == _DATABASE and path.is_file() else path
        return (folder / _DATABASE).is_file() and (folder / _BLOBS).is_dir()

    def read(self, path: Path) -> Iterator[Hit]:
        """One row a picture, in the order of the blobs' names."""
        folder = path.parent if path.is_file() else path
        file = folder / _DATABASE
        places, labels = Places(folder), Labels()
        try:
            # As it stands: Lobe may have it open, and a project may lie where nothing is written.
            where = f"{file.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(where, uri=True)) as database:
                for rank, (blob, label) in enumerate(database.execute(_QUERY)):
                    found, problem = places.find(f"{_BLOBS}/{blob}")
                    clean, wrong = labels.check(label)
                    yield Hit(rank=rank, path=found, label=clean, problem=problem or wrong)
        except sqlite3.Error as error:
            raise not_so(
                file, f"cannot be read: {error}", "the database of a Lobe project that is whole"
            ) from None
