"""The data set alone: the folder that Hugging Face's `imagefolder` reads."""

from __future__ import annotations

from pathlib import Path

from tellapart.bundle import Bundle
from tellapart.bundle.archive import open_archive
from tellapart.bundle.dataset import FOLDER
from tellapart.doors import Exporter
from tellapart.errors import DataError
from tellapart.plugins.exporters.files import copy_out

#: Where the pictures are that a bundle does not hold, by whether it lists them.
_WHERE = {
    True: "dataset/withheld.csv in the bundle lists where they came from; collect openly "
    "licensed ones with `tellapart make`.",
    False: "Take the data set itself; its manifest names it.",
}


class Dataset(Exporter):
    """Everything below `dataset/`: pictures by split and class, metadata, attribution."""

    name = "dataset"

    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write into the folder `target`. Raises `DataError` where no picture may be passed on."""
        start = f"{FOLDER}/"
        with open_archive(bundle.path) as archive:
            names = {n: n.removeprefix(start) for n in archive.names if n.startswith(start)}
            if not any(name.count("/") >= 2 for name in names.values()):
                rows = bundle.columns is not None
                raise DataError(
                    f"The bundle {bundle.path.name!r} holds no {'rows' if rows else 'pictures'}.",
                    expected="pictures whose licence allows passing them on",
                    do="Take the table itself: a bundle never holds rows of it."
                    if rows
                    else _WHERE[FOLDER + "/withheld.csv" in archive],
                )
            copy_out(archive, names, target)
        return target
